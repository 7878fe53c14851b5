"""What the stages do to a context they do to its pooled output, and the plain ones stay plain tensors."""

import pytest
import torch

from diff_harmonization.methods.zero_shot.contexts import (
    PooledContext,
    each,
    join_rows,
    rows_for,
    tokens_of,
    with_tokens,
)
from diff_harmonization.methods.zero_shot.editing import edit_direct, edit_guided
from diff_harmonization.methods.zero_shot.embedding_loss import PairLoss
from diff_harmonization.methods.zero_shot.inversion import invert
from diff_harmonization.methods.zero_shot.null_text import NullTextSettings, optimize_null_text
from diff_harmonization.methods.zero_shot.refinement import RefinementSettings, encode_pair, refine
from diff_harmonization.methods.zero_shot.training_refinement import TrainingSettings, refine_by_training
from diff_harmonization.methods.zero_shot.types import RefinedEmbedding
from diff_harmonization.methods.zero_shot.word_maps import word_maps

# Weight decay would pull at other numbers in the two forms.
EAGER = NullTextSettings(inner_steps=2, growth_interval=0, weight_decay=0.0)


class PooledEncoder:
    """The tiny text encoder with a pooled output, read at the end-of-text token as CLIP reads it."""

    def __init__(self, encoder):
        self.plain, self.tokenize, self.embed = encoder, encoder.tokenize, encoder.embed
        self.projection = torch.randn(6, 5, generator=torch.Generator().manual_seed(7), dtype=torch.float64)

    def encode(self, prompt, embeddings=None):
        tokens = self.plain.encode(prompt, embeddings)
        return PooledContext(tokens, tokens[:, prompt.end] @ self.projection)

    def encode_rows(self, prompts, embeddings):
        return [self.encode(*row) for row in zip(prompts, embeddings, strict=True)]


class PooledDenoiser:
    """The tiny denoiser, whose context the pooled output shifts: all of it reaches queries, keys and values."""

    def __init__(self, denoiser):
        self.plain = denoiser
        self.shift = torch.randn(5, 6, generator=torch.Generator().manual_seed(8), dtype=torch.float64)

    def __call__(self, latent, sigma, context, control=None):
        assert len(context.tokens) == len(context.pooled) == len(latent)
        return self.plain(latent, sigma, context.tokens + (context.pooled @ self.shift)[:, None], control)


class Shifted:
    """The same model and encoder as a plain pair: the encoder adds the shift."""

    def __init__(self, encoder, shift):
        self.pooled, self.shift, self.tokenize, self.embed = encoder, shift, encoder.tokenize, encoder.embed

    def encode(self, prompt, embeddings=None):
        context = self.pooled.encode(prompt, embeddings)
        return context.tokens + (context.pooled @ self.shift)[:, None]

    def encode_rows(self, prompts, embeddings):
        return [self.encode(*row) for row in zip(prompts, embeddings, strict=True)]


@pytest.fixture
def pooled(encoder, denoiser):
    return PooledDenoiser(denoiser), PooledEncoder(encoder)


@pytest.fixture
def plain(pooled, denoiser):
    return denoiser, Shifted(pooled[1], pooled[0].shift)


def shifted(context, shift):
    return context.tokens + (context.pooled @ shift)[..., None, :]


def test_rows_are_picked_joined_repeated_and_cast_with_their_pooled_outputs(latent):
    one = PooledContext(torch.rand(1, 4, 3), torch.rand(1, 2))
    rows = rows_for(one, latent)
    assert rows.shape == (2, 4, 3) and rows.pooled.shape == (2, 2) and rows.pooled.dtype == latent.dtype
    both = join_rows([one, rows.to(one.tokens)])
    assert len(both) == 3 and torch.equal(both[1:].pooled, one.pooled.expand(2, -1)) and both.ndim == 3
    assert torch.equal(each(lambda x: 2 * x, one).pooled, 2 * one.pooled)
    replaced = with_tokens(one, torch.zeros(1, 4, 3))
    assert tokens_of(replaced).sum() == 0 and replaced.pooled is one.pooled


def test_plain_contexts_stay_the_tensors_they_are(latent):
    context = torch.rand(1, 4, 3)
    assert tokens_of(context) is context and with_tokens(torch.ones(1), context) is context
    assert torch.equal(join_rows([context, context]), torch.cat([context, context]))
    assert torch.equal(rows_for(context, latent), context.to(latent).expand(2, -1, -1))


def test_inversion_equals_that_of_the_shifted_context(pooled, plain, latent, sigmas):
    paths = [
        invert(denoise, latent, sigmas(5), encoder.encode(encoder.tokenize(""))) for denoise, encoder in (pooled, plain)
    ]
    torch.testing.assert_close(paths[0].latents, paths[1].latents)


@pytest.mark.parametrize("cached", [False, True])
def test_loss_and_gradient_go_through_the_pooled_output_too(
    cached, pooled, plain, trajectory, rows, mask, point, monkeypatch
):
    """With cached queries the keys are made of the tokens alone, so the pooled output counts at the first look only."""
    values = []
    for denoise, encoder in (pooled, plain):
        loss = PairLoss(denoise, encoder, trajectory, rows, mask, 3.0, cached_queries=cached)
        value = loss(2, *point)
        values.append((value, *torch.autograd.grad(value, point)))
    if cached:
        assert values[0][0].isfinite() and all(gradient.abs().sum() > 0 for gradient in values[0][1:])
    else:
        for ours, theirs in zip(*values, strict=True):
            torch.testing.assert_close(ours, theirs)


def test_refinement_keeps_each_rows_pooled_output_and_the_target_takes_the_backgrounds(
    pooled, trajectory, description, mask
):
    refined = refine(*pooled, trajectory, description, mask, RefinementSettings(steps_per_timestep=1))
    for context in (refined.source, refined.target, refined.background):
        assert context.shape == (5, 2, 12, 6) and context.pooled.shape == (5, 2, 5)
        assert not context.pooled.requires_grad
    assert torch.equal(refined.target.pooled, refined.background.pooled)
    assert not torch.allclose(refined.source.pooled, refined.target.pooled)
    assert not torch.allclose(refined.source.pooled[0], refined.source.pooled[-1])  # refined along the way
    empty = pooled[1].encode(pooled[1].tokenize(""))
    torch.testing.assert_close(refined.negative.pooled, empty.pooled.expand(2, -1))


@pytest.mark.parametrize("style", [refine, refine_by_training])
def test_both_styles_equal_those_of_the_shifted_context(style, pooled, plain, trajectory, description, mask):
    settings = RefinementSettings() if style is refine else TrainingSettings(epochs=3, batch_size=2)
    ours, theirs = (style(*pair, trajectory, description, mask, settings) for pair in (pooled, plain))
    assert ours.losses == pytest.approx(theirs.losses)
    torch.testing.assert_close(shifted(ours.source, pooled[0].shift), theirs.source)
    torch.testing.assert_close(shifted(ours.background, pooled[0].shift), theirs.background)


@pytest.fixture
def refined(pooled, trajectory, description):
    return encode_pair(pooled[1], description, trajectory)


def as_plain(refined, shift):
    """The same rows for the denoiser without a pooled output."""
    contexts = {name: shifted(getattr(refined, name), shift) for name in ("source", "target", "background", "negative")}
    return RefinedEmbedding(**{**vars(refined), **contexts})


def test_direct_edit_equals_that_of_the_shifted_contexts(pooled, plain, trajectory, refined):
    ours = edit_direct(pooled[0], trajectory, refined)
    theirs = edit_direct(plain[0], trajectory, as_plain(refined, pooled[0].shift))
    torch.testing.assert_close(ours, theirs)


def test_null_text_fits_the_tokens_and_keeps_the_pooled_output(pooled, plain, trajectory, refined):
    null_text = optimize_null_text(pooled[0], trajectory, refined, EAGER)
    assert torch.equal(null_text.embeddings.pooled, refined.negative.pooled.expand(5, -1, -1))
    assert not torch.allclose(null_text.embeddings.tokens, refined.negative.tokens)
    theirs = optimize_null_text(plain[0], trajectory, as_plain(refined, pooled[0].shift), EAGER)
    assert null_text.losses == pytest.approx(theirs.losses)
    torch.testing.assert_close(shifted(null_text.embeddings, pooled[0].shift), theirs.embeddings)
    without, fitted = (edit_guided(pooled[0], trajectory, refined, x) for x in (None, null_text))
    assert without.isfinite().all() and not torch.allclose(without, fitted)


def test_guided_edit_equals_that_of_the_shifted_contexts(pooled, plain, trajectory, refined):
    ours = edit_guided(pooled[0], trajectory, refined)
    theirs = edit_guided(plain[0], trajectory, as_plain(refined, pooled[0].shift))
    torch.testing.assert_close(ours, theirs)


def test_word_maps_equal_those_of_the_shifted_contexts(pooled, plain, trajectory, refined, description):
    ours = word_maps(*pooled, trajectory, description, refined)
    theirs = word_maps(*plain, trajectory, description, as_plain(refined, pooled[0].shift))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.before, other.before)
        torch.testing.assert_close(one.after, other.after)
