"""Equation 4: the target's context."""

import pytest
import torch

from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.methods.zero_shot.text_rows import fuse_target, text_row

# (foreground words, background words): fewer, equal and more words; words of several tokens (four letters each)
PAIRS = [
    (("dim", "hot"), ("icy",)),
    (("dim",), ("icy", "blue", "dusk")),
    (("summertime", "dim"), ("dull", "greyscale")),
    (("dim", "hot"), ("icy", "blue")),
]


@pytest.mark.parametrize(("foreground", "background"), PAIRS)
def test_each_token_comes_from_where_equation_4_says(encoder, foreground, background):
    description = ImagingDescription("elephant", foreground, background)
    rows = [text_row(encoder, description, side) for side in ("foreground", "background")]
    source, other = (encoder.encode(row.prompt)[0] for row in rows)
    weights = torch.rand(len(rows[1].tokens), dtype=torch.float64).softmax(0)
    ends = [row.prompt.end for row in rows]
    target = fuse_target(source, other, weights, rows[0].tokens, rows[1].tokens, *ends)

    assert torch.equal(target[:3], source[:3])  # start, and the object's two tokens
    fused = sum(weight * other[token] for weight, token in zip(weights, rows[1].tokens, strict=True))
    for token in range(3, ends[0]):
        torch.testing.assert_close(target[token], fused)
    for token in range(ends[0], len(target)):
        aligned = min(token - ends[0] + ends[1], len(other) - 1)
        assert torch.equal(target[token], other[aligned])


def test_conditions_are_the_last_words_with_all_their_tokens(encoder):
    row = text_row(encoder, ImagingDescription("old elephant", ("summertime", "dim"), ("icy",)), "foreground")
    assert row.tokens == (4, 5, 6, 7) and row.prompt.end == 8  # start, old, elep, hant | summ, erti, me, dim | end
    assert torch.equal(row.conditions, encoder.embed(row.prompt)[4:8])


def test_condition_embeddings_reach_only_what_follows_them(encoder):
    row = text_row(encoder, ImagingDescription("dog", ("dim", "hot"), ("icy",)), "foreground")
    plain = encoder.encode(row.prompt)
    torch.testing.assert_close(row.context(encoder, row.conditions), plain)
    moved = row.context(encoder, row.conditions + 1)
    assert torch.equal(moved[:, :2], plain[:, :2]) and not torch.isclose(moved[:, 2:], plain[:, 2:]).all(-1).any()


def test_batched_rows_fuse_like_single_ones(encoder):
    source, other = torch.randn(2, 3, 2, 12, 6)
    weights = torch.tensor([0.2, 0.8])
    batched = fuse_target(source, other, weights, (2, 3, 4), (2, 3), 5, 4)
    single = fuse_target(source[1, 1], other[1, 1], weights, (2, 3, 4), (2, 3), 5, 4)
    torch.testing.assert_close(batched[1, 1], single)


@pytest.mark.parametrize("side", ["foreground", "background"])
def test_a_side_without_words_is_an_error(encoder, side):
    words = {"foreground": ("dim",), "background": ("icy",)} | {side: ()}
    with pytest.raises(ValueError, match=f"^`description`: it has no {side} words"):
        text_row(encoder, ImagingDescription("dog", **words), side)


def test_a_prompt_beyond_the_window_is_an_error(encoder):
    with pytest.raises(ValueError, match="^`description`: .* do not fit the text encoder's window"):
        text_row(encoder, ImagingDescription("dog", ("dim",) * 11, ("icy",)), "foreground")


def test_misfits_are_errors():
    context = torch.zeros(12, 6)
    with pytest.raises(ValueError, match="Shorten the description"):
        fuse_target(context, torch.zeros(24, 6), torch.ones(1), (1,), (1,), 2, 2)
    with pytest.raises(ValueError, match="2 weights for 1"):
        fuse_target(context, context, torch.ones(2), (1,), (1,), 2, 2)
    with pytest.raises(ValueError, match="must stand before"):
        fuse_target(context, context, torch.ones(1), (2,), (1,), 2, 2)
