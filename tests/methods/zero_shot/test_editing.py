"""Attention-controlled editing against step-by-step retracing."""

import logging
from dataclasses import replace

import pytest
import torch

from diff_harmonization.attention.sharing import ShareAttention
from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.methods.zero_shot.editing import edit_direct, edit_guided
from diff_harmonization.methods.zero_shot.inversion import invert
from diff_harmonization.methods.zero_shot.refinement import encode_pair
from diff_harmonization.methods.zero_shot.types import NullText

DESCRIPTION = ImagingDescription("dog", ("dim", "hot"), ("icy", "blue"))


@pytest.fixture
def refined(encoder, trajectory):
    return encode_pair(encoder, DESCRIPTION, trajectory)


@pytest.fixture
def null_text(trajectory, refined):
    noise = torch.randn(refined.source.shape, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    return NullText(noise, 2.5, trajectory.sigmas, trajectory.latent_shape)


def pairs(trajectory):
    for step in range(trajectory.steps):
        yield step, trajectory.sigmas[step], trajectory.sigmas[step + 1]


@pytest.mark.parametrize("strength", [1.0, 2.5])
def test_direct_edit_is_direct_inversion(denoiser, trajectory, refined, strength):
    """eps* + g (eps(target) - eps(source)), the source evaluated by itself."""
    target = trajectory.latents[0]
    for step, sigma, following in pairs(trajectory):
        stored, after = trajectory.latents[step], trajectory.latents[step + 1]
        eps_star = (after - stored) / (following - sigma)
        source = denoiser(stored, sigma, refined.source[step])
        both = torch.cat([stored, target]), torch.cat([refined.source[step], refined.target[step]])
        eps = denoiser(both[0], sigma, both[1], ShareAttention([0, 1], [2, 3], cross=True, self_=True))[2:]
        target = target + (following - sigma) * (eps_star + strength * (eps - source))
    edited = edit_direct(denoiser, trajectory, refined, strength=strength)
    torch.testing.assert_close(edited, target)
    assert (edited - trajectory.latents[-1]).abs().max() > 0.01


def test_strength_zero_gives_the_composite_back(denoiser, trajectory, refined):
    assert torch.equal(edit_direct(denoiser, trajectory, refined, strength=0.0), trajectory.latents[-1])


def test_equal_prompts_give_the_composite_back(denoiser, trajectory, refined):
    same = replace(refined, target=refined.source)
    edited = edit_direct(denoiser, trajectory, same, strength=2.5)
    torch.testing.assert_close(edited, trajectory.latents[-1], rtol=0, atol=1e-12)


def test_a_model_blind_to_words_gives_the_composite_back(gaussian, trajectory, refined):
    assert torch.equal(edit_direct(gaussian, trajectory, refined, strength=2.5), trajectory.latents[-1])


def test_one_call_a_step_with_two_or_three_rows_an_image(denoiser, trajectory, refined):
    edit_direct(denoiser, trajectory, refined)
    assert denoiser.rows == [4] * 5
    denoiser.rows.clear()
    edit_guided(denoiser, trajectory, refined)
    assert denoiser.rows == [6] * 5


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_guided_edit_is_guidance_with_the_source_on_its_path(denoiser, trajectory, refined, null_text, scale):
    target = trajectory.latents[0]
    for step, sigma, following in pairs(trajectory):
        null = denoiser(target, sigma, null_text.embeddings[step])
        both = (
            torch.cat([trajectory.latents[step], target]),
            torch.cat([refined.source[step], refined.target[step]]),
        )
        eps = denoiser(both[0], sigma, both[1], ShareAttention([0, 1], [2, 3], cross=True, self_=True))[2:]
        target = target + (following - sigma) * (null + scale * (eps - null))
    torch.testing.assert_close(edit_guided(denoiser, trajectory, refined, null_text, guidance_scale=scale), target)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-14), (torch.float32, 2e-6)])
def test_no_source_row_where_no_attention_is_shared(denoiser, trajectory, refined, null_text, dtype, close):
    """With the row in every step, as the reference has it, the edit is the same."""
    denoiser.to(dtype)
    path = replace(trajectory, latents=trajectory.latents.to(dtype))
    target = path.latents[0]
    for step, sigma, following in pairs(path):
        rows = torch.cat([target, path.latents[step], target])
        texts = torch.cat([null_text.embeddings[step], refined.source[step], refined.target[step]]).to(dtype)
        share = ShareAttention([2, 3], [4, 5], cross=True, self_=True) if step < 2 else None
        null, _, eps = denoiser(rows, sigma, texts, share).chunk(3)
        target = target + (following - sigma) * (null + 2.5 * (eps - null))
    denoiser.rows.clear()
    windows = {"cross_steps": (0, 0.4), "self_steps": (0, 0.4)}
    edited = edit_guided(denoiser, path, refined, null_text, **windows)
    assert denoiser.rows == [6, 6, 4, 4, 4]
    assert (edited - target).abs().max() <= close * target.abs().max()


def test_without_a_null_text_the_empty_prompt_takes_its_place(denoiser, trajectory, refined, null_text):
    empty = replace(null_text, embeddings=refined.negative.expand(5, -1, -1, -1))
    expected = edit_guided(denoiser, trajectory, refined, empty)
    torch.testing.assert_close(edit_guided(denoiser, trajectory, refined), expected)


def test_guidance_one_on_equal_prompts_replays_the_inversion(mixture, encoder, latent, sigmas):
    trajectory = invert(mixture, latent, sigmas(20), torch.zeros(1, 12, 6), fixed_point_iterations=30)
    refined = encode_pair(encoder, DESCRIPTION, trajectory)
    edited = edit_guided(mixture, trajectory, refined, guidance_scale=1.0)
    torch.testing.assert_close(edited, latent, rtol=0, atol=1e-6)


class Recorder:
    """A denoiser that notes which attention is shared at each step, and between which rows."""

    def __init__(self):
        self.shared, self.rows = [], []

    def __call__(self, latent, sigma, context, control=None):
        self.shared.append((control is not None and control.cross, control is not None and control.self_))
        self.rows.append(control and (control.source_rows, control.target_rows))
        return torch.zeros_like(latent)


@pytest.mark.parametrize("edit", [edit_direct, edit_guided])
def test_ranges_are_fractions_of_the_steps(trajectory, refined, edit):
    recorder = Recorder()
    edit(recorder, trajectory, refined, cross_steps=(0.0, 0.8), self_steps=(0.2, 0.4))
    assert recorder.shared == [(True, False), (True, True), (True, False), (True, False), (False, False)]
    assert recorder.rows[-1] is None  # no control where nothing is shared
    assert recorder.rows[0] == (((0, 1), (2, 3)) if edit is edit_direct else ((4, 5), (2, 3)))


def test_all_steps_are_shared_by_default(trajectory, refined):
    recorder = Recorder()
    edit_direct(recorder, trajectory, refined)
    assert recorder.shared == [(True, True)] * 5


def test_images_of_a_batch_are_edited_independently(denoiser, trajectory, refined):
    both = edit_direct(denoiser, trajectory, refined)
    alone = edit_direct(
        denoiser,
        replace(trajectory, latents=trajectory.latents[:, 1:]),
        replace(refined, source=refined.source[:, 1:], target=refined.target[:, 1:], latent_shape=(1, 3, 8, 8)),
    )
    torch.testing.assert_close(both[1:], alone)


@pytest.mark.parametrize("edit", [edit_direct, edit_guided])
def test_reports_every_step(denoiser, trajectory, refined, edit):
    calls = []
    edited = edit(denoiser, trajectory, refined, callback=lambda *args: calls.append(args))
    assert [call[:2] for call in calls] == [(step, 5) for step in range(1, 6)]
    torch.testing.assert_close(calls[-1][2], edited)  # the last prediction of the clean target is the result


@pytest.mark.parametrize("edit", [edit_direct, edit_guided])
def test_refuses_what_belongs_to_another_trajectory(denoiser, trajectory, refined, edit):
    with pytest.raises(ValueError, match=r"^`refined`: it was made for latents \(1, 3, 8, 8\)"):
        edit(denoiser, trajectory, replace(refined, latent_shape=(1, 3, 8, 8)))
    with pytest.raises(ValueError, match="`refined`: it was made for 4 steps"):
        edit(denoiser, trajectory, replace(refined, sigmas=refined.sigmas[1:]))
    with pytest.raises(ValueError, match="other levels between"):
        edit(denoiser, trajectory, replace(refined, sigmas=refined.sigmas * 1.01))
    with pytest.raises(ValueError, match="`refined`: got target contexts"):
        edit(denoiser, trajectory, replace(refined, target=refined.target[:, :1]))
    with pytest.raises(ValueError, match=r"`self_steps`: got \(0.5, 0.2\), expected 0 <= start <= end <= 1"):
        edit(denoiser, trajectory, refined, self_steps=(0.5, 0.2))
    assert denoiser.rows == []


def test_refuses_a_null_text_of_another_trajectory(denoiser, trajectory, refined, null_text):
    with pytest.raises(ValueError, match="`null_text`: it was made for latents"):
        edit_guided(denoiser, trajectory, refined, replace(null_text, latent_shape=(2, 3, 9, 8)))
    with pytest.raises(ValueError, match="`null_text`: it was made for 5 steps"):
        edit_guided(denoiser, trajectory, refined, replace(null_text, sigmas=null_text.sigmas * 2))
    with pytest.raises(ValueError, match="`null_text`: it has embeddings"):
        edit_guided(denoiser, trajectory, refined, replace(null_text, embeddings=null_text.embeddings[..., :5]))


def test_says_when_the_null_text_was_made_for_another_guidance(denoiser, trajectory, refined, null_text, caplog):
    with caplog.at_level(logging.WARNING):
        edit_guided(denoiser, trajectory, refined, null_text, guidance_scale=2.5)
        assert caplog.text == ""
        edit_guided(denoiser, trajectory, refined, null_text, guidance_scale=5.0)
    assert "optimized for 2.5" in caplog.text
