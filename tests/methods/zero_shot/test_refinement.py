"""Text embedding refinement, optimizing style: its loop and its result."""

from dataclasses import replace

import pytest
import torch

from diff_harmonization.attention.maps import record_maps
from diff_harmonization.core.masks import mask_on_grid
from diff_harmonization.methods.zero_shot.refinement import RefinementSettings, encode_pair, refine
from diff_harmonization.methods.zero_shot.text_rows import fuse_target
from diff_harmonization.methods.zero_shot.types import Trajectory
from diff_harmonization.methods.zero_shot.word_optimizer import WordOptimizer

EAGER = RefinementSettings(steps_per_timestep=3, learning_rate=0.05, regularization_weight=0.0)


def test_one_adamw_over_all_timesteps(loss, point, denoiser, encoder, trajectory, mask, rows, description):
    """Refinement retraced with plain autograd: order, learning rates, decay and what is kept."""
    settings = RefinementSettings(
        steps_per_timestep=2,
        learning_rate=0.01,
        regularization_weight=3.0,
        weight_decay=0.05,
        weight_learning_rate=0.2,
    )
    refined = refine(denoiser, encoder, trajectory, description, mask, settings)
    words = [row.conditions.clone().requires_grad_() for row in rows]
    logits = torch.zeros(len(rows[1].tokens), dtype=torch.float64, requires_grad=True)
    groups = [{"params": words, "lr": 0.01}, {"params": [logits], "lr": 0.2}]
    optimizer, losses = torch.optim.AdamW(groups, weight_decay=0.05), []
    for step in range(trajectory.steps):
        for _ in range(2):
            optimizer.zero_grad()
            value = loss(step, *words, logits)
            value.backward()
            optimizer.step()
            losses.append(value.item())
        source, other = (row.context(encoder, x)[0] for row, x in zip(rows, words, strict=True))
        ends = (row.prompt.end for row in rows)
        target = fuse_target(source, other, logits.softmax(0), rows[0].tokens, rows[1].tokens, *ends)
        for image in range(2):
            torch.testing.assert_close(refined.source[step, image], source)
            torch.testing.assert_close(refined.target[step, image], target)
    assert refined.losses == pytest.approx(losses)
    torch.testing.assert_close(refined.weights, logits.softmax(0))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_no_text_is_encoded_again_and_nothing_changes(denoiser, encoder, trajectory, mask, description, dtype):
    """Two rows an optimizer step, both rows at the very end, and the empty prompt."""
    counted = []
    plain_encode = encoder.encode

    def encode(prompt, embeddings=None):
        counted.append(torch.is_grad_enabled())
        return plain_encode(prompt, embeddings).to(dtype)

    encoder.encode = encode
    path = replace(trajectory, latents=trajectory.latents.to(dtype))
    denoiser.to(dtype)
    settings = RefinementSettings(steps_per_timestep=2, learning_rate=0.01, regularization_weight=3.0)
    ours = refine(denoiser, encoder, path, description, mask, settings)
    assert counted == [True] * (2 * 2 * 5) + [False] * 3

    words = WordOptimizer(denoiser, encoder, path, description, mask, settings)
    contexts = []
    for timestep in range(5):
        for _ in range(2):
            words.step(words.accumulate(timestep))
        contexts.append(words.contexts())
    plain = words.refined(contexts)
    for name in ("source", "target", "background", "weights"):
        assert torch.equal(getattr(ours, name), getattr(plain, name)), name
    assert ours.losses == plain.losses and counted.count(False) == 3 + 11


def test_refinement_lowers_the_loss(denoiser, encoder, trajectory, mask, description):
    still = Trajectory(trajectory.latents[1:3], torch.tensor([2.0, 0.0], dtype=torch.float64))
    losses = refine(denoiser, encoder, still, description, mask, replace(EAGER, steps_per_timestep=40)).losses
    assert losses[-1] < 0.8 * losses[0]


def test_the_regularizer_holds_the_words(denoiser, encoder, trajectory, mask, description):
    start = encode_pair(encoder, description, trajectory)
    free, held = (
        refine(
            denoiser, encoder, trajectory, description, mask, replace(EAGER, regularization_weight=w, weight_decay=0)
        )
        for w in (0.0, 5000.0)
    )
    assert (held.source - start.source)[-1].norm() < 0.5 * (free.source - start.source)[-1].norm()


def test_importance_that_is_1_everywhere_changes_no_bit(denoiser, encoder, trajectory, mask, description):
    plain, same, half = (
        refine(denoiser, encoder, trajectory, description, mask, EAGER, importance=importance)
        for importance in (None, torch.ones(1, 64, 64), torch.ones(1, 64, 64).triu())
    )
    assert torch.equal(plain.target, same.target) and torch.equal(plain.background, same.background)
    assert torch.equal(plain.weights, same.weights) and plain.losses == same.losses
    assert not torch.allclose(plain.background, half.background, rtol=1e-3)


def test_the_backgrounds_words_learn_from_the_important_part(denoiser, encoder, trajectory, mask, description, rows):
    """After many steps at one noise level their attention fits that part better than without importance."""
    still = Trajectory(trajectory.latents[1:3], torch.tensor([2.0, 0.0], dtype=torch.float64))
    settings = replace(EAGER, steps_per_timestep=40)

    def misses(importance):
        refined = refine(denoiser, encoder, still, description, mask, settings, importance=importance)
        maps, _ = record_maps(denoiser, still.latents[0], still.sigmas[0], refined.background[0], (2, 2))
        attention = torch.einsum("n,bnhw->bhw", refined.weights, maps[:, list(rows[1].tokens)])
        return (1 - mask_on_grid(mask, (2, 2)) - attention / attention.amax((1, 2), keepdim=True)).square().mean(0)

    plain = misses(None)
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        corner = torch.zeros(1, 64, 64)
        corner[:, 32 * row : 32 * row + 32, 32 * column : 32 * column + 32] = 1
        assert misses(corner)[row, column] < plain[row, column]


def test_result_describes_itself(denoiser, encoder, trajectory, mask, rows, description):
    calls = []
    settings = RefinementSettings()
    refined = refine(denoiser, encoder, trajectory, description, mask, settings, lambda *args: calls.append(args[:2]))
    assert calls == [(n, 10) for n in range(1, 11)] and len(refined.losses) == 10
    assert refined.source.shape == refined.target.shape == (5, 2, 12, 6) and refined.negative.shape == (2, 12, 6)
    torch.testing.assert_close(refined.negative[1], encoder.encode(encoder.tokenize(""))[0])
    assert refined.weights.sum().item() == pytest.approx(1)
    assert (refined.foreground_tokens, refined.background_tokens) == (rows[0].tokens, rows[1].tokens)
    assert refined.latent_shape == (2, 3, 8, 8) and torch.equal(refined.sigmas, trajectory.sigmas)
    assert not any(x.requires_grad for x in (refined.source, refined.target, refined.weights))


def test_zero_steps_take_the_words_as_they_are(denoiser, encoder, trajectory, mask, rows, description):
    refined = refine(denoiser, encoder, trajectory, description, mask, RefinementSettings(steps_per_timestep=0))
    plain = encode_pair(encoder, description, trajectory)
    assert denoiser.rows == [] and refined.losses == ()
    assert torch.equal(refined.source, plain.source) and torch.equal(refined.target, plain.target)
    torch.testing.assert_close(plain.source[3, 1], encoder.encode(rows[0].prompt)[0])
    torch.testing.assert_close(plain.weights, torch.full((3,), 1 / 3, dtype=torch.float64))
    other = encoder.encode(rows[1].prompt)[0]
    torch.testing.assert_close(plain.target[3, 1, 2:6], other[2:5].mean(0).expand(4, -1))


def test_odd_sizes_and_a_mask_for_each_image(denoiser, encoder, trajectory, mask, description):
    odd = replace(trajectory, latents=trajectory.latents[..., :7, :5])
    masks = torch.cat([mask, mask.flip(-1)])[..., :56, :40]
    refined = refine(denoiser, encoder, odd, description, masks)
    assert refined.latent_shape == (2, 3, 7, 5)


def test_one_mask_serves_a_map_for_each_image(denoiser, encoder, trajectory, mask, description):
    maps = torch.stack([torch.linspace(0, 1, 64).expand(64, 64), torch.linspace(1, 0, 64).expand(64, 64)])
    losses = [
        refine(denoiser, encoder, trajectory, description, own, EAGER, importance=importance).losses
        for own, importance in ((mask, maps), (torch.cat([mask, mask]), maps), (mask, maps[:1]))
    ]
    assert losses[0] == losses[1] != losses[2]
    with pytest.raises(ValueError, match="^`importance`: got 3 maps for 2 pictures. Give one map, or one for each"):
        refine(denoiser, encoder, trajectory, description, mask, importance=torch.ones(3, 64, 64))


def test_refuses_bad_masks_and_inference_mode(denoiser, encoder, trajectory, mask, description):
    with pytest.raises(ValueError, match="^`mask`: the mask is empty"):
        refine(denoiser, encoder, trajectory, description, 0 * mask)
    with pytest.raises(ValueError, match="^`mask`: .*aspect"):
        refine(denoiser, encoder, trajectory, description, mask[..., :32])
    with pytest.raises(ValueError, match="^`importance`: got 32x64"):
        refine(denoiser, encoder, trajectory, description, mask, importance=mask[..., :32])
    with pytest.raises(ValueError, match="^`importance`: it is 0 everywhere outside"):
        refine(denoiser, encoder, trajectory, description, mask, importance=mask)
    with torch.inference_mode(), pytest.raises(RuntimeError, match=r"inference_mode\(False\)"):
        refine(denoiser, encoder, trajectory, description, mask)
    with pytest.raises(ValueError, match="`learning_rate`: got -1, expected 0 or more"):
        RefinementSettings(learning_rate=-1)


def test_works_where_gradients_are_off(denoiser, encoder, trajectory, mask, description):
    with torch.no_grad():
        assert len(refine(denoiser, encoder, trajectory, description, mask).losses) == 10


def test_a_model_without_fitting_maps_is_an_error(gaussian, encoder, trajectory, mask, description):
    with pytest.raises(ValueError, match=r"2x2 = 4 queries \(theirs: none at all\)"):
        refine(gaussian, encoder, trajectory, description, mask)
