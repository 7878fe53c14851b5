"""The loss of the refinement and its gradient."""

import pytest
import torch

from diff_harmonization.attention.maps import record_maps
from diff_harmonization.core.masks import mask_on_grid
from diff_harmonization.methods.zero_shot.embedding_loss import PairLoss, embedding_loss


def test_region_loss_by_hand():
    maps = torch.tensor([[[[0.1, 0.4]], [[0.3, 0.0]]]])  # B 1, two tokens, 1x2
    mask = torch.tensor([[[1.0, 0.0]]])
    embeddings, initial = torch.ones(2, 3), torch.full((2, 3), 0.5)
    # the plain sum is [0.4, 0.4]: A / max A = [1, 1], so mean([0, 1]) = 0.5; 2 * 0.25 on top
    assert embedding_loss(maps, torch.ones(2), mask, embeddings, initial, 2.0).item() == pytest.approx(1.0)
    # weighted: 0.25 * [0.1, 0.4] + 0.75 * [0.3, 0] = [0.25, 0.1] -> [1, 0.4]: mean([0, 0.16])
    weights = torch.tensor([0.25, 0.75])
    assert embedding_loss(maps, weights, mask, initial, initial, 2.0).item() == pytest.approx(0.08)


def test_importance_weighs_the_cells_by_hand():
    maps, mask = torch.tensor([[[[0.1, 0.2, 0.4]]]]), torch.tensor([[[1.0, 1.0, 0.0]]])
    words = torch.ones(1, 3)
    # A / max A = [0.25, 0.5, 1]: squared misses [0.5625, 0.25, 1]
    value = embedding_loss(maps, torch.ones(1), mask, words, words, 2.0, torch.tensor([[[0.0, 2.0, 1.0]]]))
    assert value.item() == pytest.approx((0.5 + 1.0) / 3)


@pytest.fixture
def weighed(denoiser, encoder, trajectory, rows, mask):
    return lambda importance: PairLoss(denoiser, encoder, trajectory, rows, mask, 3.0, importance)


@pytest.fixture
def uneven(mask):
    """Of no cell of the grid, and not 0 on the object."""
    noise = torch.rand(mask.shape, generator=torch.Generator().manual_seed(8), dtype=mask.dtype)
    return noise * torch.linspace(0, 1, mask.shape[-1], dtype=mask.dtype) ** 2


def test_importance_that_is_1_everywhere_changes_no_bit(loss, weighed, point, mask):
    value, same = loss(1, *point), weighed(torch.ones_like(mask))(1, *point)
    assert torch.equal(value, same)
    for plain, other in zip(torch.autograd.grad(value, point), torch.autograd.grad(same, point), strict=True):
        assert torch.equal(plain, other)


def test_only_ratios_within_the_scene_count(weighed, point, mask, uneven):
    value = weighed(uneven)(1, *point)
    torch.testing.assert_close(weighed(0.01 * uneven)(1, *point), value)
    assert torch.equal(weighed(torch.where(mask > 0, 1.0, uneven))(1, *point), value)
    assert not torch.allclose(weighed(torch.ones_like(mask))(1, *point), value, rtol=1e-3)


def test_importance_weighs_the_background_alone(loss, weighed, point, denoiser, trajectory, encoder, rows, mask):
    """By the equation: the object's share of a cell counts 1, the scene's its importance over the scene's mean."""
    half = torch.zeros_like(mask)
    half[..., 32:] = 1  # the right half of the picture
    outside = 1 - mask
    share = mask_on_grid(mask, (2, 2))
    counts = share + mask_on_grid(half * outside, (2, 2)) / (half * outside).sum() * outside.sum()
    context = rows[1].context(encoder, point[1]).expand(2, -1, -1)
    maps, _ = record_maps(denoiser, trajectory.latents[1], trajectory.sigmas[1], context, (2, 2))
    attention = torch.einsum("n,bnhw->bhw", point[2].softmax(0), maps[:, list(rows[1].tokens)])
    misses = (1 - share - attention / attention.amax((1, 2), keepdim=True)) ** 2
    torch.testing.assert_close(weighed(half)(1, *point) - loss(1, *point), ((counts - 1) * misses).mean())


def test_the_weighed_gradient_matches_finite_differences(weighed, point, uneven):
    loss = weighed(uneven)
    assert torch.autograd.gradcheck(lambda *parameters: loss(1, *parameters), point, eps=1e-6, atol=1e-7, rtol=1e-4)


def test_gradient_matches_finite_differences(loss, point):
    assert torch.autograd.gradcheck(lambda *parameters: loss(1, *parameters), point, eps=1e-6, atol=1e-7, rtol=1e-4)
    gradients = torch.autograd.grad(loss(1, *point), point)
    assert all(gradient.abs().max() > 1e-4 for gradient in gradients)


def test_loss_is_the_sum_over_both_sides(loss, point, denoiser, encoder, trajectory, rows, mask):
    """The same value from whole forward passes, one row at a time."""
    share = mask_on_grid(mask, (2, 2))
    weights = (torch.ones(len(rows[0].tokens), dtype=torch.float64), point[2].softmax(0))
    total = 0
    for row, tokens, alpha, where in zip(rows, point[:2], weights, (share, 1 - share), strict=True):
        context = row.context(encoder, tokens).expand(2, -1, -1)
        maps, _ = record_maps(denoiser, trajectory.latents[1], trajectory.sigmas[1], context, (2, 2))
        total = total + embedding_loss(maps[:, list(row.tokens)], alpha, where, tokens, row.conditions, 3.0)
    assert 0 < share.mean() < 1
    torch.testing.assert_close(loss(1, *point), total)


def test_stops_at_the_last_layer_with_maps(loss, point, denoiser):
    first = loss(1, *point)
    assert denoiser.rows == [1, 4]  # the whole network for one row, to learn where that is
    again = loss(1, *point)
    assert denoiser.visited == 6  # not the attention layers at half the side
    loss.row_maps.last_layer = 1000  # never reached: the plain way, through the whole network
    whole = loss(1, *point)
    assert denoiser.visited == 8
    expected = torch.autograd.grad(whole, point)
    for value in (first, again):
        assert torch.equal(value, whole)
        for full, early in zip(expected, torch.autograd.grad(value, point), strict=True):
            assert torch.equal(full, early)


@pytest.fixture
def cached(denoiser, encoder, trajectory, rows, mask):
    return PairLoss(denoiser, encoder, trajectory, rows, mask, 3.0, cached_queries=True)


def test_cached_queries_evaluate_the_model_once_a_timestep(cached, point, denoiser):
    before = len(denoiser.rows)
    moved = [parameter.detach() + 0.01 for parameter in point]
    for parameters in (point, moved, point):
        cached(1, *parameters)
    assert len(denoiser.rows) == before + 1
    cached(0, *point)
    assert len(denoiser.rows) == before + 2


def test_the_cached_gradient_is_that_of_the_keys_alone(cached, point):
    """Finite differences with the queries held: the loss is a plain function of the words then."""
    cached(1, *point)
    assert torch.autograd.gradcheck(lambda *parameters: cached(1, *parameters), point, eps=1e-6, atol=1e-7, rtol=1e-4)


def test_the_cached_gradient_points_the_exact_ones_way(loss, cached, point):
    exact, near = (torch.autograd.grad(each(1, *point), point) for each in (loss, cached))
    for a, b in zip(exact, near, strict=True):
        assert torch.cosine_similarity(a.flatten(), b.flatten(), dim=0) > 0.5
