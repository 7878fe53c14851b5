"""Text embedding refinement: its loss, its gradient, its loop."""

from dataclasses import replace

import pytest
import torch

from diff_harmonization.attention.maps import record_maps
from diff_harmonization.diffusion import refinement
from diff_harmonization.diffusion.masks import mask_on_grid
from diff_harmonization.diffusion.refinement import RefinementSettings, encode_pair, refine, region_loss
from diff_harmonization.diffusion.text_rows import fuse_target, text_row
from diff_harmonization.diffusion.types import ImagingDescription, Trajectory

DESCRIPTION = ImagingDescription("dog", ("summertime", "dim"), ("icy", "blue", "dusk"))
EAGER = RefinementSettings(steps_per_timestep=3, learning_rate=0.05, regularization_weight=0.0)


@pytest.fixture
def rows(encoder):
    return [text_row(encoder, DESCRIPTION, region) for region in ("foreground", "background")]


@pytest.fixture
def loss(denoiser, encoder, trajectory, rows, mask):
    return refinement._PairLoss(denoise=denoiser, encoder=encoder, trajectory=trajectory, foreground=rows[0],
                                background=rows[1], mask=mask, regularization_weight=3.0)  # fmt: skip


@pytest.fixture
def point(rows):
    """Somewhere off the start, where the regularization has a gradient too."""
    generator = torch.Generator().manual_seed(6)
    values = [row.conditions for row in rows] + [torch.zeros(len(rows[1].tokens), dtype=torch.float64)]
    noise = [0.3 * torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in values]
    return [(x + n).requires_grad_() for x, n in zip(values, noise, strict=True)]


def test_region_loss_by_hand():
    maps = torch.tensor([[[[0.1, 0.4]], [[0.3, 0.0]]]])  # B 1, two tokens, 1x2
    region = torch.tensor([[[[1.0, 0.0]]]])
    embeddings, initial = torch.ones(2, 3), torch.full((2, 3), 0.5)
    # the plain sum is [0.4, 0.4]: A / max A = [1, 1], so mean([0, 1]) = 0.5; 2 * 0.25 on top
    assert region_loss(maps, torch.ones(2), region, embeddings, initial, 2.0).item() == pytest.approx(1.0)
    # weighted: 0.25 * [0.1, 0.4] + 0.75 * [0.3, 0] = [0.25, 0.1] -> [1, 0.4]: mean([0, 0.16])
    weights = torch.tensor([0.25, 0.75])
    assert region_loss(maps, weights, region, initial, initial, 2.0).item() == pytest.approx(0.08)


def test_gradient_matches_finite_differences(loss, point):
    assert torch.autograd.gradcheck(lambda *parameters: loss(1, *parameters), point, eps=1e-6, atol=1e-7, rtol=1e-4)
    gradients = torch.autograd.grad(loss(1, *point), point)
    assert all(gradient.abs().max() > 1e-4 for gradient in gradients)


def test_loss_is_the_sum_over_both_regions(loss, point, denoiser, encoder, trajectory, rows, mask):
    """The same value from whole forward passes, one row at a time."""
    region = mask_on_grid(mask, (2, 2))
    weights = (torch.ones(len(rows[0].tokens), dtype=torch.float64), point[2].softmax(0))
    total = 0
    for row, tokens, alpha, where in zip(rows, point[:2], weights, (region, 1 - region), strict=True):
        context = row.context(encoder, tokens).expand(2, -1, -1)
        maps, _ = record_maps(denoiser, trajectory.latents[1], trajectory.sigmas[1], context, (2, 2))
        total = total + region_loss(maps[:, list(row.tokens)], alpha, where, tokens, row.conditions, 3.0)
    assert 0 < region.mean() < 1
    torch.testing.assert_close(loss(1, *point), total)


def test_stops_at_the_last_layer_with_maps(loss, point, denoiser):
    first = loss(1, *point)
    assert denoiser.visited == 8
    again = loss(1, *point)
    assert denoiser.visited == 6  # not the attention layers at half the side
    assert torch.equal(first, again)
    for full, early in zip(torch.autograd.grad(first, point), torch.autograd.grad(again, point), strict=True):
        assert torch.equal(full, early)


def test_one_adamw_over_all_timesteps(loss, point, denoiser, encoder, trajectory, mask, rows):
    """Refinement retraced with plain autograd: order, learning rates, decay and what is kept."""
    settings = RefinementSettings(2, 0.01, 3.0, 0.05, 0.2)
    refined = refine(denoiser, encoder, trajectory, DESCRIPTION, mask, settings)
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


def test_refinement_lowers_the_loss(denoiser, encoder, trajectory, mask):
    still = Trajectory(trajectory.latents[1:3], torch.tensor([2.0, 0.0], dtype=torch.float64))
    losses = refine(denoiser, encoder, still, DESCRIPTION, mask, replace(EAGER, steps_per_timestep=40)).losses
    assert losses[-1] < 0.8 * losses[0]


def test_the_regularizer_holds_the_words(denoiser, encoder, trajectory, mask):
    start = encode_pair(encoder, DESCRIPTION, trajectory)
    free, held = (
        refine(
            denoiser, encoder, trajectory, DESCRIPTION, mask, replace(EAGER, regularization_weight=w, weight_decay=0)
        )
        for w in (0.0, 5000.0)
    )
    assert (held.source - start.source)[-1].norm() < 0.5 * (free.source - start.source)[-1].norm()


def test_result_describes_itself(denoiser, encoder, trajectory, mask, rows):
    calls = []
    settings = RefinementSettings()
    refined = refine(denoiser, encoder, trajectory, DESCRIPTION, mask, settings, lambda *args: calls.append(args[:2]))
    assert calls == [(n, 10) for n in range(1, 11)] and len(refined.losses) == 10
    assert refined.source.shape == refined.target.shape == (5, 2, 12, 6) and refined.negative.shape == (2, 12, 6)
    torch.testing.assert_close(refined.negative[1], encoder.encode(encoder.tokenize(""))[0])
    assert refined.weights.sum().item() == pytest.approx(1)
    assert (refined.foreground_tokens, refined.background_tokens) == (rows[0].tokens, rows[1].tokens)
    assert refined.latent_shape == (2, 3, 8, 8) and torch.equal(refined.sigmas, trajectory.sigmas)
    assert not any(x.requires_grad for x in (refined.source, refined.target, refined.weights))


def test_zero_steps_take_the_words_as_they_are(denoiser, encoder, trajectory, mask, rows):
    refined = refine(denoiser, encoder, trajectory, DESCRIPTION, mask, RefinementSettings(steps_per_timestep=0))
    plain = encode_pair(encoder, DESCRIPTION, trajectory)
    assert denoiser.rows == [] and refined.losses == ()
    assert torch.equal(refined.source, plain.source) and torch.equal(refined.target, plain.target)
    torch.testing.assert_close(plain.source[3, 1], encoder.encode(rows[0].prompt)[0])
    torch.testing.assert_close(plain.weights, torch.full((3,), 1 / 3, dtype=torch.float64))
    other = encoder.encode(rows[1].prompt)[0]
    torch.testing.assert_close(plain.target[3, 1, 2:6], other[2:5].mean(0).expand(4, -1))


def test_odd_sizes_and_a_mask_for_each_image(denoiser, encoder, trajectory, mask):
    odd = replace(trajectory, latents=trajectory.latents[..., :7, :5])
    masks = torch.cat([mask, mask.flip(-1)])[..., :56, :40]
    refined = refine(denoiser, encoder, odd, DESCRIPTION, masks)
    assert refined.latent_shape == (2, 3, 7, 5)


def test_refuses_bad_masks_and_inference_mode(denoiser, encoder, trajectory, mask):
    with pytest.raises(ValueError, match="`mask` is empty"):
        refine(denoiser, encoder, trajectory, DESCRIPTION, 0 * mask)
    with pytest.raises(ValueError, match="aspect"):
        refine(denoiser, encoder, trajectory, DESCRIPTION, mask[..., :32])
    with torch.inference_mode(), pytest.raises(RuntimeError, match=r"inference_mode\(False\)"):
        refine(denoiser, encoder, trajectory, DESCRIPTION, mask)
    with pytest.raises(ValueError, match="`learning_rate` must be 0 or more"):
        RefinementSettings(learning_rate=-1)


def test_works_where_gradients_are_off(denoiser, encoder, trajectory, mask):
    with torch.no_grad():
        assert len(refine(denoiser, encoder, trajectory, DESCRIPTION, mask).losses) == 10


def test_a_model_without_fitting_maps_is_an_error(gaussian, encoder, trajectory, mask):
    with pytest.raises(ValueError, match=r"2x2 = 4 queries \(theirs: none at all\)"):
        refine(gaussian, encoder, trajectory, DESCRIPTION, mask)
