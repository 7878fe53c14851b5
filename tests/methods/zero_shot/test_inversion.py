"""DDIM inversion against the formulas in alpha_bar and against closed forms."""

from itertools import pairwise

import pytest
import torch

from diff_harmonization.methods.zero_shot.inversion import ddim_step, invert

EMPTY = torch.zeros(1, 12, 6, dtype=torch.float64)


def replay(denoise, trajectory):
    """Plain DDIM from a trajectory's noisiest latent down: the latents [N+1,B,C,h,w] on the way."""
    path = [trajectory.latents[0]]
    for high, low in pairwise(trajectory.sigmas):
        path.append(ddim_step(path[-1], denoise(path[-1], high, EMPTY), high, low))
    return torch.stack(path)


def alpha_bar(sigma):
    return 1 / (1 + sigma**2)


@pytest.mark.parametrize(("here", "there"), [(10, 3), (3, 10), (4, 5)])
def test_euler_step_is_the_ddim_formula(latent, sigmas, here, there):
    sigma, next_sigma = sigmas(20)[here], sigmas(20)[there]
    a, b = alpha_bar(sigma), alpha_bar(next_sigma)
    eps = torch.randn_like(latent)
    z = latent * a.sqrt()
    clean = (z - (1 - a).sqrt() * eps) / a.sqrt()
    expected = b.sqrt() * clean + (1 - b).sqrt() * eps
    torch.testing.assert_close(ddim_step(latent, eps, sigma, next_sigma) * b.sqrt(), expected)


def test_inversion_is_mokadys(gaussian, latent, sigmas):
    """z' = sqrt(a') (z - sqrt(1-a) e) / sqrt(a) + sqrt(1-a') e, e predicted at the noisier t from the cleaner z."""
    levels, z = sigmas(10), latent
    for low, high in zip(levels[1:].flip(0), levels[:-1].flip(0), strict=True):
        a, b = alpha_bar(low), alpha_bar(high)
        eps = gaussian(z / b.sqrt(), high, EMPTY)  # a model scaled for t = high reads z itself
        z = b.sqrt() * (z - (1 - a).sqrt() * eps) / a.sqrt() + (1 - b).sqrt() * eps
    trajectory = invert(gaussian, latent, levels, EMPTY)
    torch.testing.assert_close(trajectory.latents[0] * alpha_bar(levels[0]).sqrt(), z)


def test_trajectory_runs_from_noise_to_the_clean_latent(gaussian, latent, sigmas):
    trajectory = invert(gaussian, latent, sigmas(10), EMPTY)
    assert torch.equal(trajectory.latents[-1], latent) and torch.equal(trajectory.sigmas, sigmas(10))
    assert trajectory.steps == 10 and trajectory.latent_shape == tuple(latent.shape)
    spread = trajectory.latents.std((1, 2, 3, 4))
    assert (spread[:-1] > spread[1:]).all()


@pytest.mark.parametrize("model", ["gaussian", "mixture"])
def test_round_trip_error_falls_with_fixed_point_iterations(request, latent, sigmas, model):
    denoise = request.getfixturevalue(model)
    errors = []
    for iterations in (0, 1, 3):
        trajectory = invert(denoise, latent, sigmas(20), EMPTY, fixed_point_iterations=iterations)
        again = replay(denoise, trajectory)
        errors.append(float((again[-1] - latent).square().mean().sqrt()))
    assert errors[0] > 2 * errors[1] > 4 * errors[2], errors


def test_fixed_point_is_the_exact_inverse(gaussian, latent, sigmas):
    trajectory = invert(gaussian, latent, sigmas(10), EMPTY, fixed_point_iterations=200)
    again = replay(gaussian, trajectory)
    torch.testing.assert_close(again, trajectory.latents, rtol=0, atol=1e-9)


def test_many_steps_reach_the_closed_form(gaussian, latent, sigmas):
    """The probability-flow ODE of Gaussian data keeps (x - mean) / sqrt(std² + sigma²)."""
    levels = sigmas(500)
    trajectory = invert(gaussian, latent, levels, EMPTY, fixed_point_iterations=3)
    growth = (1 + levels[0] ** 2 / gaussian.std**2).sqrt()
    expected = gaussian.mean + (latent - gaussian.mean) * growth
    torch.testing.assert_close(trajectory.latents[0], expected, rtol=0.02, atol=0.02)


def test_one_evaluation_a_step_and_one_callback(gaussian, latent, sigmas):
    calls = []
    invert(gaussian, latent, sigmas(5), EMPTY, callback=lambda *args: calls.append(args))
    assert [call[:2] for call in calls] == [(step, 5) for step in range(1, 6)]
    assert all(call[2].shape == latent.shape for call in calls)
    assert [float(sigma) for _, sigma in gaussian.calls] == sigmas(5)[:-1].flip(0).tolist()
    torch.testing.assert_close(calls[0][2], latent)  # the first prediction is the latent itself
    invert(gaussian, latent, sigmas(5), EMPTY, fixed_point_iterations=2)
    assert len(gaussian.calls) == 5 + 15


def test_callback_may_cancel(gaussian, latent, sigmas):
    def cancel(step, total, preview=None):
        if step == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        invert(gaussian, latent, sigmas(5), EMPTY, callback=cancel)
    assert len(gaussian.calls) == 2


@pytest.mark.parametrize("levels", [[1.0, 2.0, 0.0], [2.0, 1.0], [0.0], [2.0, 2.0, 0.0]])
def test_refuses_sigmas_that_do_not_fall_to_zero(gaussian, latent, levels):
    with pytest.raises(ValueError, match="`sigmas`: got .*, expected levels that fall strictly and end in 0"):
        invert(gaussian, latent, torch.tensor(levels), EMPTY)


def test_refuses_other_shapes(gaussian, latent, sigmas):
    with pytest.raises(ValueError, match=r"`latent`: got shape \(3, 8, 8\), expected"):
        invert(gaussian, latent[0], sigmas(5), EMPTY)
    with pytest.raises(ValueError, match=r"`context`: got shape \(3, 12, 6\), .*one row for each latent"):
        invert(gaussian, latent, sigmas(5), EMPTY.expand(3, -1, -1))
    with pytest.raises(ValueError, match="`fixed_point_iterations`: got -1, expected 0 or more"):
        invert(gaussian, latent, sigmas(5), EMPTY, fixed_point_iterations=-1)
