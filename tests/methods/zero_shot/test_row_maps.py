"""Maps from an evaluation for each context, and from cached queries."""

import pytest
import torch

from diff_harmonization.attention.maps import map_grid
from diff_harmonization.methods.zero_shot.row_maps import CachedMaps, ExactMaps


@pytest.fixture
def maps(denoiser, trajectory):
    grid = map_grid(*trajectory.latent_shape[-2:])
    return ExactMaps(denoiser, trajectory, grid), CachedMaps(denoiser, trajectory, grid)


@pytest.fixture
def contexts(encoder, rows, trajectory):
    count = trajectory.latent_shape[0]
    return torch.cat([row.context(encoder, row.conditions).expand(count, -1, -1) for row in rows])


def test_both_agree_on_the_foregrounds_first_context_of_each_timestep(maps, contexts, trajectory, denoiser):
    exact, cached = maps
    images = trajectory.latent_shape[0]
    for step in range(trajectory.steps):
        torch.testing.assert_close(cached(step, contexts)[:images], exact(step, contexts)[:images])
    denoiser.rows.clear()
    cached(0, contexts), cached(0, contexts + 0.1)
    assert denoiser.rows == [images], "one evaluation a timestep, without the background's rows"


def test_the_backgrounds_maps_come_from_the_foregrounds_queries(maps, contexts, trajectory):
    """Keys by hand: with the foreground's context in both places, the cached maps are exact in both."""
    exact, cached = maps
    same = contexts[: len(contexts) // 2].repeat(2, 1, 1)
    cached(0, contexts)
    torch.testing.assert_close(cached(0, same), exact(0, same))
    assert not torch.allclose(cached(0, contexts), exact(0, contexts))


def test_both_have_gradients_to_the_context(maps, contexts):
    for each in maps:
        text = contexts.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(each(0, text).square().sum(), text)
        assert gradient.abs().max() > 1e-6
