"""The stages with the host's objects."""

import pytest
import torch
from tiny_models import tiny_clip, tiny_model

from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.host.zero_shot.stages import (
    edit_trajectory,
    invert_latent,
    refine_words,
    scheduled_conditioning,
)
from diff_harmonization.methods.zero_shot.refinement import RefinementSettings
from diff_harmonization.methods.zero_shot.training_refinement import TrainingSettings
from diff_harmonization.mini.loader import load_mini

WORDS = ImagingDescription("cat", ("warm",), ("cold",))


@pytest.fixture(scope="module")
def models():
    return tiny_model(), tiny_clip()


@pytest.fixture
def trajectory(models, latent, executor):
    return invert_latent(*models, latent, steps=3)


def test_inversion_keeps_the_latent_and_every_level(trajectory, models, latent):
    assert trajectory.steps == len(trajectory.latents) - 1
    scaled = models[0].model.process_latent_in(latent)
    torch.testing.assert_close(trajectory.latents[-1].cpu(), scaled)


@pytest.mark.parametrize("settings", [RefinementSettings(steps_per_timestep=0), TrainingSettings(epochs=0)])
def test_without_optimizer_steps_both_styles_give_the_words_as_they_are(trajectory, models, settings):
    refined = refine_words(*models, trajectory, WORDS, torch.ones(1, 32, 32), settings)
    assert refined.losses == ()
    assert all(torch.equal(step, refined.source[0]) for step in refined.source)


@pytest.mark.parametrize(
    "settings", [RefinementSettings(steps_per_timestep=1), TrainingSettings(epochs=1, batch_size=1)]
)
def test_importance_reaches_both_styles_in_any_form_of_a_mask(executor, settings):
    model, clip, _ = load_mini()
    trajectory = invert_latent(model, clip, torch.rand(1, 3, 64, 64), steps=2)
    mask = torch.zeros(1, 64, 64)
    mask[:, 16:40, 20:48] = 1
    plain, same, weighed = (
        refine_words(model, clip, trajectory, WORDS, mask, settings, importance=importance)
        for importance in (None, torch.ones(64, 64), torch.linspace(0, 1, 64).expand(64, 64))
    )
    assert plain.losses == same.losses and torch.equal(plain.target, same.target)
    assert weighed.losses != plain.losses


def test_an_edit_of_strength_0_gives_the_latent_back(trajectory, models, latent):
    words = refine_words(*models, trajectory, WORDS, torch.ones(1, 32, 32), RefinementSettings(steps_per_timestep=0))
    torch.testing.assert_close(edit_trajectory(models[0], trajectory, words, strength=0.0), latent)
    assert not torch.allclose(edit_trajectory(models[0], trajectory, words, strength=1.0), latent)


def test_equal_contexts_are_one_entry():
    contexts = torch.ones(3, 1, 5, 4)
    ((context, options),) = scheduled_conditioning(contexts, torch.tensor([4.0, 2.0, 1.0, 0.0]))
    assert torch.equal(context, contexts[0]) and options == {}


def test_each_level_selects_its_own_context_and_no_other():
    sigmas = torch.tensor([8.0, 4.0, 2.0, 0.5, 0.0])
    contexts = torch.arange(4.0).view(4, 1, 1, 1).expand(-1, 1, 5, 4)
    entries = scheduled_conditioning(contexts, sigmas)
    for index, level in enumerate(sigmas[:-1].tolist()):
        chosen = [c for c, o in entries if o["timestep_end"] <= level <= o["timestep_start"]]
        assert len(chosen) == 1 and torch.equal(chosen[0], contexts[index])
