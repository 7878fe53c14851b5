import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from diff_harmonization.data.recoloring.lab import recolor
from diff_harmonization.description.statistics.appearance import AXES
from diff_harmonization.description.statistics.norms import load_norms
from diff_harmonization.description.statistics.words import COMPOUNDS, SPELLED_OUT, offset_of
from diff_harmonization.description.vocabulary import WORDS
from diff_harmonization.training.crops import Crops
from diff_harmonization.training.mini import sampler as sampler_module
from diff_harmonization.training.mini.crops import SIZE
from diff_harmonization.training.mini.looks import object_looks
from diff_harmonization.training.mini.sampler import (
    Sampler,
    caption,
    draw_aim,
    random_tones,
    tones_towards,
)

GOLDENS = Path(__file__).with_name("goldens")


def box_mask(height: int, width: int, top: int, left: int, h: int, w: int) -> torch.Tensor:
    mask = torch.zeros(height, width)
    mask[top : top + h, left : left + w] = 1
    return mask


def crops_of(images, masks):
    names = ["tree", "car", "person", "building", "sky", "zeppelin"]
    return Crops(images, masks, names, torch.ones(6, dtype=torch.bool), list("abcdef"))


@pytest.fixture(scope="module")
def crops():
    generator = torch.Generator().manual_seed(0)
    images = (torch.rand(6, 3, SIZE, SIZE, generator=generator) * 155 + 50).byte()
    masks = (box_mask(SIZE, SIZE, 16, 16, 32, 32) * 255).byte().expand(6, 1, SIZE, SIZE)
    return crops_of(images, masks)


def test_recoloring_leaves_the_rest_untouched():
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    region = box_mask(32, 32, 8, 8, 16, 16).expand(3, 1, 32, 32).clone()
    region[2] = 0
    changed = recolor(images, region, random_tones(images, region, torch.Generator().manual_seed(1)))
    outside = (region == 0).expand_as(images)
    assert torch.equal(changed[outside], images[outside])
    assert (changed - images)[:2][:, :, 8:24, 8:24].abs().mean(dim=(1, 2, 3)).min() > 0.01
    assert 0 <= changed.min() <= changed.max() <= 1


def test_captions_start_with_the_object_and_speak_the_vocabulary():
    dice, offset = random.Random(0), torch.tensor([-1.3, 0.0, -0.7, -0.9, 0.0])
    captions = [caption("tree", offset, dice) for _ in range(400)]
    assert 0.05 < captions.count("") / 400 < 0.15
    heads, tails = zip(*((words[0], words[1:]) for words in map(str.split, captions) if words), strict=True)
    assert set(heads) == {"tree", "object"}
    assert all(tail and set(tail) <= set(WORDS) for tail in tails)
    said = {word for tail in tails for word in tail}
    assert not said & set(SPELLED_OUT), "the text encoder never reads these"
    assert said & set(COMPOUNDS) >= {"windy"}
    assert {len(tail) for tail in tails} >= {2, 3}, "now and then a word is left out"


def test_aims_speak_of_every_axis_alike():
    dice = random.Random(0)
    aims = torch.stack([draw_aim(dice) for _ in range(500)])
    share = (aims != 0).float().mean(0)
    assert share.min() > 0.4 and share.max() < 0.6
    assert set((aims != 0).sum(1).tolist()) == {1, 2, 3, 4}


@pytest.mark.parametrize("axis", AXES)
def test_an_object_gets_the_look_that_is_aimed_at(axis):
    generator = torch.Generator().manual_seed(0)
    images = 0.35 + 0.2 * torch.rand(2, 3, 24, 24, generator=generator) + torch.tensor([0.1, 0.0, 0.05])[:, None, None]
    masks = box_mask(24, 24, 4, 4, 12, 12).expand(2, 1, 24, 24)
    looks, index = object_looks(images, masks), AXES.index(axis)
    aimed = looks.clone()
    aimed[:, index] += torch.tensor([4.0, -3.0])
    asked = torch.zeros(2, 5, dtype=torch.bool)
    asked[:, index] = True
    got = object_looks(recolor(images, masks, tones_towards(looks, aimed, asked)), masks)
    assert torch.allclose(got[:, index], aimed[:, index], atol=0.3)
    if axis in ("lightness", "contrast"):
        others = [other for other in range(5) if other != index]
        assert torch.allclose(got[:, others], looks[:, others], atol=0.8)


def test_caption_words_tie_to_the_look(crops):
    """The captions' words say on each axis what the recolored object shows."""
    norms, mask = load_norms(), box_mask(SIZE, SIZE, 16, 16, 32, 32)  # the same when flipped
    sampler = Sampler(crops, norms, seed=3)
    said, seen = [], []
    for step in range(12):
        images, _, _, captions = sampler.batch(step, 16)
        for image, text in zip(images, captions, strict=True):
            name, *words = text.split() or ["object"]
            if not words or name == "object":
                continue
            said.append(offset_of(words))
            seen.append(sampler.offsets(image[None], mask[None, None], [name])[0])
    correlation = torch.corrcoef(torch.cat((torch.stack(said), torch.stack(seen)), dim=1).T)
    for index, axis in enumerate(AXES):
        assert correlation[index, index + 5] > 0.7, axis


def test_the_network_sees_less_or_more_than_some_captions_say(crops):
    """Of some objects what is seen is half done or overdone; the rest is seen as it is described."""
    sampler, mask = Sampler(crops, load_norms(), seed=3), box_mask(SIZE, SIZE, 16, 16, 32, 32) > 0
    described, shown, _, _ = sampler.batch(0, 60)
    apart = (described - shown).abs().amax((1, 2, 3)) > 0.02
    assert 0.15 < apart.float().mean() < 0.5
    beside = (described - shown).abs()[..., :12, :12]
    assert beside.max() < 1e-6, "words of an object change the object alone"
    assert (described - shown).abs()[apart][..., mask].mean() > 0.01
    assert shown.min() >= 0 and shown.max() <= 1


def test_what_is_overdone_lies_beyond_what_is_described(crops, monkeypatch):
    """Not a wish in every square: clipped colors and black ones come to a stop."""
    mask = box_mask(SIZE, SIZE, 16, 16, 32, 32) > 0

    def lightness(seen):
        monkeypatch.setattr(sampler_module, "SEEN", (seen, seen))
        described, shown, _, _ = Sampler(crops, load_norms(), seed=3).batch(0, 60)
        return (shown - described).abs()[..., mask].mean((1, 2)), shown[..., mask].mean((1, 2))

    (off, less), (none, just), (too, more) = (lightness(seen) for seen in (0.5, 1.0, 1.5))
    assert none.max() == 0 and (off > 0.02).sum() > 10 and (too > 0.02).sum() > 10
    moved = off > 0.02
    assert ((less - just) * (more - just) <= 0)[moved].float().mean() > 0.9, "to either side"


def test_batches_depend_on_seed_and_step_alone(crops):
    norms = load_norms()
    first, again, other_seed = Sampler(crops, norms, 1), Sampler(crops, norms, 1), Sampler(crops, norms, 2)
    again.batch(3, 4)
    for got, same in zip(first.batch(7, 4), again.batch(7, 4), strict=True):
        assert torch.equal(got, same) if isinstance(got, torch.Tensor) else got == same
    assert not torch.equal(first.batch(7, 4)[0], first.batch(8, 4)[0])
    assert not torch.equal(first.batch(7, 4)[0], other_seed.batch(7, 4)[0])


def test_a_seed_gives_the_batch_that_it_always_gave():
    images = torch.randint(256, (6, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(0)).byte()
    masks = (box_mask(SIZE, SIZE, 16, 16, 32, 32) * 255).byte().expand(6, 1, SIZE, SIZE)
    images, shown, masks, _ = Sampler(crops_of(images, masks), load_norms(), 5).batch(7, 20)
    stored = load_file(GOLDENS / "batch.safetensors")
    assert torch.allclose(images[..., ::8, ::8], stored["images"], atol=1e-5)  # CPUs differ by 2e-6
    assert torch.allclose(shown[..., ::8, ::8], stored["shown"], atol=1e-5)
    assert torch.equal(masks[..., ::8, ::8], stored["masks"])


def test_batches_are_pictures(crops):
    images, shown, masks, captions = Sampler(crops, load_norms(), 0).batch(0, 5)
    assert images.shape == shown.shape == (5, 3, SIZE, SIZE)
    assert masks.shape == (5, 1, SIZE, SIZE)
    assert len(captions) == 5
    assert 0 <= images.min() <= images.max() <= 1
    assert 0 <= masks.min() < masks.max() <= 1
