"""One pass with the host's models."""

from dataclasses import replace

import pytest
import torch
from tiny_models import tiny_clip, tiny_model, tiny_vae

from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.host.zero_shot import edit
from diff_harmonization.host.zero_shot.edit import Models, PassSettings, ZeroShotEdit, edit_once
from diff_harmonization.methods.zero_shot.null_text import NullTextSettings
from diff_harmonization.methods.zero_shot.refinement import RefinementSettings

WORDS = ImagingDescription("cat", ("warm",), ("cold",))
OTHER = ImagingDescription("cat", ("bright",), ("dark",))
SETTINGS = PassSettings(size=64, steps=2, strength=2.0, amount=1.0, refinement=RefinementSettings(steps_per_timestep=0))


@pytest.fixture(scope="module")
def models():
    return Models(tiny_model(), tiny_clip(), tiny_vae())


@pytest.fixture
def picture(executor):
    """A picture that is wider than high, and the mask of a box in it."""
    mask = torch.zeros(1, 48, 80)
    mask[:, 10:30, 20:40] = 1
    return torch.rand(1, 48, 80, 3, generator=torch.Generator().manual_seed(0)), mask


def test_a_pass_changes_the_object_and_not_a_bit_of_the_rest(models, picture):
    image, mask = picture
    made = edit_once(models, image, mask, WORDS, SETTINGS)
    assert made.shape == image.shape
    assert torch.equal(made[mask == 0], image[mask == 0])
    assert not torch.equal(made[mask == 1], image[mask == 1])


def test_at_strength_0_words_say_nothing(models, picture):
    made = [edit_once(models, *picture, words, replace(SETTINGS, strength=0.0)) for words in (WORDS, OTHER)]
    assert torch.equal(*made)
    assert not torch.equal(*(edit_once(models, *picture, words, SETTINGS) for words in (WORDS, OTHER)))


def test_amount_0_keeps_the_picture(models, picture):
    assert torch.equal(edit_once(models, *picture, WORDS, replace(SETTINGS, amount=0.0)), picture[0])


def test_amount_is_the_share_of_the_change(models, picture):
    image, _ = picture
    whole, half = (edit_once(models, *picture, WORDS, replace(SETTINGS, amount=amount)) for amount in (1.0, 0.5))
    torch.testing.assert_close(half - image, (whole - image) / 2, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "change",
    [
        {"framing": "whole"},
        {"self_steps": (0.0, 0.0)},
        {"null_text": NullTextSettings(), "edges": "none"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_has_an_effect(models, picture, change):
    plain, changed = (
        edit_once(models, *picture, WORDS, settings) for settings in (SETTINGS, replace(SETTINGS, **change))
    )
    assert not torch.equal(plain, changed)


def test_the_edit_is_guided_as_its_null_text_is(models, picture, caplog):
    settings = replace(SETTINGS, null_text=NullTextSettings(guidance_scale=4.0), edges="none")
    guided = edit_once(models, *picture, WORDS, settings)
    assert "will drift" not in caplog.text
    other = replace(SETTINGS, null_text=NullTextSettings(guidance_scale=2.5), edges="none")
    assert not torch.equal(guided, edit_once(models, *picture, WORDS, other))


def test_a_loops_edit_is_edit_once_and_inverts_a_picture_once(models, picture, monkeypatch):
    inverted, real = [], edit.invert_view
    monkeypatch.setattr(edit, "invert_view", lambda *a: inverted.append(a[1]) or real(*a))
    one, image = ZeroShotEdit(models, SETTINGS), picture[0]
    made = [one(*picture, words) for words in (WORDS, OTHER, WORDS)]
    assert len(inverted) == 1 and inverted[0] is image
    assert torch.equal(made[0], made[2]) and not torch.equal(made[0], made[1])
    assert torch.equal(made[0], edit_once(models, *picture, WORDS, SETTINGS))
    one(image.clone(), picture[1], WORDS)
    one(image, picture[1].clone(), WORDS)
    assert len(inverted) == 4  # edit_once's own, the other picture's, and the other mask's
