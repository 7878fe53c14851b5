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


def test_both_agree_on_the_first_context_of_each_timestep(maps, contexts, trajectory):
    exact, cached = maps
    for step in range(trajectory.steps):
        torch.testing.assert_close(cached(step, contexts), exact(step, contexts))


def test_both_have_gradients_to_the_context(maps, contexts):
    for each in maps:
        text = contexts.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(each(0, text).square().sum(), text)
        assert gradient.abs().max() > 1e-6
