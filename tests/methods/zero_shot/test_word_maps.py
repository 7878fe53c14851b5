"""Word maps: which tokens, which noise levels, which contexts."""

from dataclasses import replace

import pytest
import torch

from diff_harmonization.attention.maps import record_maps
from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.methods.zero_shot.refinement import RefinementSettings, encode_pair, refine
from diff_harmonization.methods.zero_shot.types import Trajectory
from diff_harmonization.methods.zero_shot.word_maps import word_maps


@pytest.fixture
def refined(denoiser, encoder, trajectory, description, mask):
    settings = RefinementSettings(learning_rate=0.05, regularization_weight=0.0)
    return refine(denoiser, encoder, trajectory, description, mask, settings)


def mean_maps(denoiser, trajectory, steps, contexts):
    """Of tokens, from whole evaluations of single pictures' rows."""
    maps = [
        record_maps(denoiser, trajectory.latents[step], trajectory.sigmas[step], contexts[step], (2, 2))[0]
        for step in steps
    ]
    return torch.stack(maps).mean(0)


def test_words_are_sums_over_tokens_and_means_over_all_levels(denoiser, encoder, trajectory, description, refined):
    foreground, background = word_maps(denoiser, encoder, trajectory, description, refined, levels=50)
    assert (foreground.words, foreground.conditions) == (("dog", "summertime", "dim"), 2)
    assert (background.words, background.conditions) == (("dog", "icy", "blue", "dusk"), 3)
    spans = ((1,), (2, 3, 4), (5,)), ((1,), (2,), (3,), (4,))  # summ|erti|me
    plain = encode_pair(encoder, description, trajectory)
    pairs = (plain.source, refined.source), (plain.background, refined.background)
    for found, tokens, contexts in zip((foreground, background), spans, pairs, strict=True):
        for maps, context in zip((found.before, found.after), contexts, strict=True):
            expected = mean_maps(denoiser, trajectory, range(5), context)
            expected = torch.stack([expected[:, list(span)].sum(1) for span in tokens], 1)
            torch.testing.assert_close(maps, expected)
        assert (found.before - found.after).abs().max() > 1e-4


def test_levels_spread_over_the_trajectory(denoiser, encoder, trajectory, description, refined):
    calls = []
    denoiser.rows.clear()
    maps, _ = word_maps(
        denoiser, encoder, trajectory, description, refined, levels=3, callback=lambda *args: calls.append(args[:2])
    )
    assert calls == [(n, 6) for n in range(1, 7)] and denoiser.rows == [4] * 6
    expected = mean_maps(denoiser, trajectory, (0, 2, 4), refined.source)[:, [5]]
    torch.testing.assert_close(maps.after[:, 2:], expected)


def test_maps_of_words_as_they_are_do_not_change(denoiser, encoder, trajectory, description):
    plain = encode_pair(encoder, description, trajectory)
    for maps in word_maps(denoiser, encoder, trajectory, description, plain):
        torch.testing.assert_close(maps.before, maps.after)


def test_nothing_above_the_last_map_runs(denoiser, encoder, trajectory, description, refined):
    word_maps(denoiser, encoder, trajectory, description, refined)
    assert denoiser.visited == 6


def test_what_belongs_to_something_else_is_refused(denoiser, encoder, trajectory, description, refined):
    shorter = Trajectory(trajectory.latents[1:], trajectory.sigmas[1:])
    with pytest.raises(ValueError, match="^`refined`: it was made for 5 steps"):
        word_maps(denoiser, encoder, shorter, description, refined)
    other = ImagingDescription("dog", ("dim",), ("icy", "blue", "dusk"))
    with pytest.raises(ValueError, match="^`refined`: it was made from other words than those of the description"):
        word_maps(denoiser, encoder, trajectory, other, refined)
    with pytest.raises(ValueError, match="^`description`: it has no foreground words"):
        word_maps(denoiser, encoder, trajectory, replace(description, foreground=()), refined)
