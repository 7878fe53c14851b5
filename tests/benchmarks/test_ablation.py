from dataclasses import replace

import pytest
import torch
from rich.console import Console

from diff_harmonization.benchmarks import ablation
from diff_harmonization.benchmarks.ablation import TABLES, VARIANTS, ObjectLast, edit_variant, lengthen
from diff_harmonization.benchmarks.methods import describe_by_statistics
from diff_harmonization.benchmarks.metrics import score
from diff_harmonization.data.pairs import build_pairs, read_pairs
from diff_harmonization.host.sampling.text import ClipEncoder
from diff_harmonization.host.zero_shot.edit import Models
from diff_harmonization.mini.loader import load_mini

PLAIN = VARIANTS["without refinement"]


@pytest.fixture(scope="module")
def models(host_path):
    return Models(*load_mini())


def short(variant, **changes):
    """The variant with four steps and no refinement."""
    settings = replace(variant.settings, steps=4, refinement=PLAIN.settings.refinement, **changes)
    return replace(variant, settings=settings)


@pytest.fixture
def pair(photos):
    return next(build_pairs(photos))


def test_object_last_turns_the_prompt_round_and_keeps_each_words_tokens(models):
    encoder = ClipEncoder(models.clip)
    turned = ObjectLast(encoder, "tree").tokenize("tree bright cold")
    assert turned.ids == encoder.tokenize("bright cold tree").ids
    assert [word for word, _ in turned.words] == ["tree", "bright", "cold"]
    assert turned.positions(("bright", "cold")) == (1, 2)
    assert ObjectLast(encoder, "tree").tokenize("").ids == encoder.tokenize("").ids


def test_a_long_prompt_keeps_the_short_ones_words(pairs_folder):
    for pair in read_pairs(pairs_folder):
        short = describe_by_statistics(pair)
        longer = lengthen(short, pair)
        assert longer.foreground[: len(short.foreground)] == short.foreground
        assert len(longer.foreground) + len(longer.background) > len(short.foreground) + len(short.background)


@pytest.mark.parametrize("name", ["without refinement", "object last, without refinement", "without self-attention"])
def test_a_variant_moves_the_object_and_nothing_else(models, pair, name):
    result = edit_variant(models, pair, short(VARIANTS[name]))
    outside = pair.mask == 0
    assert torch.equal(result[outside], pair.composite[outside])
    assert not torch.equal(result, pair.composite)


def test_null_text_gives_another_edit_than_direct_inversion(models, pair):
    plain, guided = (edit_variant(models, pair, short(VARIANTS[name])) for name in ("one pass", "null-text, Sobel"))
    assert not torch.equal(plain, guided)


def test_every_row_of_every_table_is_a_method():
    named = {name for names in TABLES.values() for name in names}
    assert named == {*VARIANTS, "loop"}


def test_tables_say_which_row_is_missing(pair):
    one = score(pair.composite, pair.truth, pair.mask)
    console = Console(record=True, width=120)
    for table in ablation.tables({"nothing": [("a", 0.2, one)], "one pass": [("a", 0.2, one)]}):
        console.print(table)
    text = console.export_text()
    assert "1.00x" in text
    assert "no weights" in text
