"""Null-text optimization against closed forms, against plain autograd, and in the edit it is made for."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.methods.zero_shot.editing import edit_guided
from diff_harmonization.methods.zero_shot.inversion import invert
from diff_harmonization.methods.zero_shot.null_text import HeldSlope, NullTextSettings, optimize_null_text
from diff_harmonization.methods.zero_shot.refinement import encode_pair

DESCRIPTION = ImagingDescription("dog", ("dim", "hot"), ("icy", "blue"))
PLAIN = {"guidance_scale": 2.5, "cross_steps": (0.0, 0.0), "self_steps": (0.0, 0.0)}  # no attention is shared


@pytest.fixture
def refined(encoder, trajectory):
    return encode_pair(encoder, DESCRIPTION, trajectory)


class LinearDenoiser:
    """Noise that is its context's mean over the tokens, one number a channel, whatever the latent."""

    def __call__(self, latent, sigma, context, control=None):
        return context.mean(1)[:, :3, None, None].expand_as(latent)


class WordedDenoiser:
    """The exact noise prediction for data distributed as N(mean, 0.5²), the mean as the context says."""

    def __call__(self, latent, sigma, context, control=None):
        mean = 0.5 * context.mean(1)[:, :3, None, None]
        return sigma * (latent - mean) / (0.25 + sigma**2)


def test_lands_on_the_inversion_where_the_best_embedding_is_known(trajectory, refined):
    """On a path of flat latents, eps(null) = (eps* - s eps(source)) / (1 - s) retraces it exactly."""
    sigmas = torch.linspace(4, 0, 6, dtype=torch.float64)
    latents = torch.linspace(0.5, -0.5, 6, dtype=torch.float64).view(6, 1, 1, 1, 1).expand_as(trajectory.latents)
    path, refined = replace(trajectory, latents=latents, sigmas=sigmas), replace(refined, sigmas=sigmas)
    settings = NullTextSettings(learning_rate=0.02, weight_decay=0.0, inner_steps=200, growth_interval=0)
    null_text = optimize_null_text(LinearDenoiser(), path, refined, settings)
    eps_star = (latents.diff(dim=0) / sigmas.diff().view(5, 1, 1, 1, 1))[..., 0, 0]
    expected = (eps_star - 2.5 * refined.source.mean(2)[..., :3]) / (1 - 2.5)
    torch.testing.assert_close(null_text.embeddings.mean(2)[..., :3], expected, rtol=0, atol=1e-3)
    assert null_text.embeddings.shape == refined.source.shape


def test_each_update_is_the_closed_forms(trajectory, refined):
    """The same AdamW on gradients written down by hand, over all timesteps."""
    settings = NullTextSettings(growth_interval=2)
    null_text = optimize_null_text(LinearDenoiser(), trajectory, refined, settings)
    null = refined.negative.clone().requires_grad_()
    optimizer = torch.optim.AdamW([null], lr=0.1, weight_decay=0.01)
    sigmas, latent, losses = trajectory.sigmas, trajectory.latents[0], []
    for step in range(trajectory.steps):
        move = sigmas[step + 1] - sigmas[step]
        alpha_bar = 1 / (1 + sigmas[step + 1] ** 2)
        source = refined.source[step].mean(1)[:, :3]
        for _ in range(1 + step // 2):
            eps = null.detach().mean(1)[:, :3] * (1 - 2.5) + 2.5 * source
            off = latent + move * eps[:, :, None, None] - trajectory.latents[step + 1]
            losses.append((10 * alpha_bar * off.square().mean((1, 2, 3))).mean().item())
            # d/d null of 10 alpha_bar mean(off²): each of the T tokens has 1/T of its channel
            slope = 10 * alpha_bar * 2 * off.sum((2, 3)) / off[0].numel() * move * (1 - 2.5) / null.shape[1]
            null.grad = torch.zeros_like(null)
            null.grad[:, :, :3] = slope[:, None]
            optimizer.step()
        torch.testing.assert_close(null_text.embeddings[step], null.detach())
        latent = latent + move * ((1 - 2.5) * null.detach().mean(1)[:, :3] + 2.5 * source)[:, :, None, None]
    assert null_text.losses == pytest.approx(losses)


def reference(denoise, trajectory, refined, settings, edge_loss):
    """The optimization as the authors order it: both rows in each evaluation, gradients through both."""
    null = refined.negative.clone().requires_grad_()
    optimizer = torch.optim.AdamW([null], lr=settings.learning_rate, weight_decay=settings.weight_decay)
    embeddings, latent = [], trajectory.latents[0]
    for step in range(trajectory.steps):
        sigma, following = trajectory.sigmas[step : step + 2]
        root = (1 / (1 + following**2)).sqrt()

        def guided(latent=latent, step=step, sigma=sigma, following=following):
            rows = denoise(torch.cat([latent] * 2), sigma, torch.cat([null, refined.source[step]])).chunk(2)
            return latent + (following - sigma) * (rows[0] + settings.guidance_scale * (rows[1] - rows[0]))

        for _ in range(settings.inner(step)):
            optimizer.zero_grad()
            z = guided() * root
            loss = 10 * (z - trajectory.latents[step + 1] * root).square().mean((1, 2, 3)) + edge_loss(z)
            loss.sum().backward()
            optimizer.step()
        embeddings.append(null.detach().clone())
        latent = guided().detach()
    return torch.stack(embeddings)


def edges(z):
    """Stands in for decoder and edge detectors: any differentiable function of the picture, one number an image."""
    return z.diff(dim=-1).square().mean((1, 2, 3)) + z.diff(dim=-2).tanh().mean((1, 2, 3)) ** 2


def test_one_conditional_prediction_a_timestep_gives_the_same(denoiser, trajectory, refined):
    settings = NullTextSettings(growth_interval=2)

    def rooted(latent, sigma, context):  # the counter cannot count where a module gets what is differentiated
        return denoiser(latent, sigma, context.clone())

    with FlopCounterMode(display=False) as ours:
        null_text = optimize_null_text(rooted, trajectory, refined, settings, edges)
    rows, denoiser.rows = denoiser.rows, []
    with FlopCounterMode(display=False) as theirs:
        expected = reference(denoiser, trajectory, refined, settings, edges)
    torch.testing.assert_close(null_text.embeddings, expected, rtol=1e-7, atol=1e-7)
    inner = sum(1 + step // 2 for step in range(5))
    # B rows: the null embedding's, the source's once a timestep, and where each timestep but the last leads
    assert rows == [2] * (inner + 5 + 4)
    assert denoiser.rows == [4] * (inner + 5)
    assert ours.get_total_flops() < 0.7 * theirs.get_total_flops()


def test_held_edges_are_looked_at_once_a_timestep(denoiser, trajectory, refined):
    looked = []

    def counted(z):
        looked.append(z)
        return edges(z)

    settings = NullTextSettings(growth_interval=1, held_edges=True)
    held = optimize_null_text(denoiser, trajectory, refined, settings, counted)
    exact = optimize_null_text(denoiser, trajectory, refined, replace(settings, held_edges=False), edges)
    assert len(held.losses) == 15 and len(looked) == 5
    assert held.losses[:1] == exact.losses[:1] and held.losses != exact.losses
    torch.testing.assert_close(held.embeddings, exact.embeddings, rtol=0, atol=0.05)  # of updates of 0.1 each


def test_held_edges_are_exact_where_each_timestep_has_one_step(denoiser, trajectory, refined):
    settings = NullTextSettings(growth_interval=0)
    held, exact = (
        optimize_null_text(denoiser, trajectory, refined, replace(settings, held_edges=way), edges)
        for way in (True, False)
    )
    torch.testing.assert_close(held.embeddings, exact.embeddings, rtol=1e-9, atol=1e-12)
    assert held.losses == pytest.approx(exact.losses)


def test_a_linear_loss_is_held_exactly():
    generator = torch.Generator().manual_seed(0)
    slope, first, later = (torch.randn(2, 3, 4, 4, generator=generator, dtype=torch.float64) for _ in range(3))
    held = HeldSlope(lambda z: 1 + (slope * z).sum((1, 2, 3)))
    held(first)
    leaf = later.clone().requires_grad_()
    value = held(leaf)
    torch.testing.assert_close(value, 1 + (slope * later).sum((1, 2, 3)))
    torch.testing.assert_close(torch.autograd.grad(value.sum(), leaf)[0], slope)


def test_lowers_the_error_of_guidance(encoder, latent, sigmas):
    """With the default constants, where the words move what the model expects."""
    denoise = WordedDenoiser()
    trajectory = invert(denoise, latent, sigmas(20), encoder.encode(encoder.tokenize("")), fixed_point_iterations=5)
    refined = encode_pair(encoder, DESCRIPTION, trajectory)
    still = replace(refined, target=refined.source)
    null_text = optimize_null_text(denoise, trajectory, refined)
    plain, optimized = (
        (edit_guided(denoise, trajectory, still, x, **PLAIN) - latent).square().mean() for x in (None, null_text)
    )
    assert optimized < 0.2 * plain
    unaided = optimize_null_text(denoise, trajectory, refined, NullTextSettings(learning_rate=0.0))
    assert null_text.losses[-1] < 0.2 * unaided.losses[-1]


def test_the_edit_retraces_what_was_optimized(denoiser, trajectory, refined):
    """The optimization's own path, which its last preview ends, is the guided edit's with equal prompts."""
    ends = []
    settings = NullTextSettings(learning_rate=0.0, growth_interval=2)
    null_text = optimize_null_text(
        denoiser, trajectory, refined, settings, callback=lambda step, total, clean: ends.append(clean)
    )
    still = replace(refined, target=refined.source)
    torch.testing.assert_close(edit_guided(denoiser, trajectory, still, null_text, **PLAIN), ends[-1])


def test_images_of_a_batch_are_optimized_independently(denoiser, trajectory, refined):
    both = optimize_null_text(denoiser, trajectory, refined, NullTextSettings(), edges)
    alone = optimize_null_text(
        denoiser,
        replace(trajectory, latents=trajectory.latents[:, 1:]),
        replace(
            refined,
            **{name: getattr(refined, name)[:, 1:] for name in ("source", "target")},
            negative=refined.negative[1:],
            latent_shape=(1, 3, 8, 8),
        ),
        NullTextSettings(),
        edges,
    )
    torch.testing.assert_close(both.embeddings[:, 1:], alone.embeddings)


def test_the_edges_of_the_step_or_of_the_predicted_picture(trajectory, refined):
    """The predicted clean latent lies on the step's own line, at sigma 0."""
    seen = {}
    for name in ("step", "predicted"):
        seen[name] = []

        def record(z, found=seen[name]):
            found.append(z.detach())
            return 0 * z.sum((1, 2, 3))

        optimize_null_text(WordedDenoiser(), trajectory, refined, NullTextSettings(edge_image=name), record)
    sigma, following = trajectory.sigmas[:2]
    start, landed, clean = trajectory.latents[0], seen["step"][0] * (1 + following**2).sqrt(), seen["predicted"][0]
    torch.testing.assert_close(landed, start + (following - sigma) * (start - clean) / sigma)
    torch.testing.assert_close(seen["step"][-1], seen["predicted"][-1])  # the last step ends at sigma 0


def test_reports_every_optimizer_step(denoiser, trajectory, refined):
    calls = []
    settings = NullTextSettings(growth_interval=2)
    null_text = optimize_null_text(denoiser, trajectory, refined, settings, callback=lambda *args: calls.append(args))
    assert [call[:2] for call in calls] == [(n, 9) for n in range(1, 10)] and len(null_text.losses) == 9
    assert calls[0][2].shape == (2, 3, 8, 8) and not calls[0][2].requires_grad
    assert null_text.guidance_scale == 2.5 and null_text.latent_shape == (2, 3, 8, 8)
    assert not null_text.embeddings.requires_grad


def test_the_authors_schedule():
    settings = NullTextSettings()
    assert [settings.inner(i) for i in (0, 9, 10, 19, 20, 49)] == [1, 1, 2, 2, 3, 5]
    assert NullTextSettings(inner_steps=3, growth_interval=0).inner(40) == 3


def test_no_inner_steps_keep_the_empty_prompt(denoiser, trajectory, refined):
    null_text = optimize_null_text(denoiser, trajectory, refined, NullTextSettings(inner_steps=0, growth_interval=0))
    assert torch.equal(null_text.embeddings, refined.negative.expand(5, -1, -1, -1)) and null_text.losses == ()


def test_works_where_gradients_are_off(denoiser, trajectory, refined):
    with torch.no_grad():
        assert len(optimize_null_text(denoiser, trajectory, refined).losses) == 5


def test_odd_sizes(denoiser, encoder, trajectory):
    odd = replace(trajectory, latents=trajectory.latents[..., :7, :5])
    null_text = optimize_null_text(denoiser, odd, encode_pair(encoder, DESCRIPTION, odd), edge_loss=edges)
    assert null_text.latent_shape == (2, 3, 7, 5)


def test_refuses_other_trajectories_bad_settings_and_inference_mode(denoiser, trajectory, refined):
    with pytest.raises(ValueError, match=r"^`refined`: it was made for latents \(1, 3, 8, 8\)"):
        optimize_null_text(denoiser, trajectory, replace(refined, latent_shape=(1, 3, 8, 8)))
    with pytest.raises(ValueError, match="`refined`: it was made for 4 steps"):
        optimize_null_text(denoiser, trajectory, replace(refined, sigmas=refined.sigmas[1:]))
    with pytest.raises(ValueError, match="`guidance_scale`: got 1, at which the null text has no effect"):
        NullTextSettings(guidance_scale=1.0)
    with pytest.raises(ValueError, match="`inner_steps`: got -1, expected 0 or more"):
        NullTextSettings(inner_steps=-1)
    with pytest.raises(ValueError, match="`edge_image`: got 'x0', expected 'step' or 'predicted'"):
        NullTextSettings(edge_image="x0")
    with torch.inference_mode(), pytest.raises(RuntimeError, match=r"inference_mode\(False\)"):
        optimize_null_text(denoiser, trajectory, refined)
    assert denoiser.rows == []


class Cancelled(BaseException):
    pass


def test_cancelling_between_inner_steps(denoiser, trajectory, refined):
    def cancel(step, total, preview=None):
        if step == 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        optimize_null_text(denoiser, trajectory, refined, NullTextSettings(growth_interval=1), callback=cancel)
