import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from diff_harmonization.description.statistics.appearance import AXES, region_appearance
from diff_harmonization.description.statistics.norms import load_norms
from diff_harmonization.description.statistics.words import COMPOUNDS, offset_of
from diff_harmonization.description.vocabulary import WORDS
from diff_harmonization.training.crops import Crops
from diff_harmonization.training.mini.crops import SIZE
from diff_harmonization.training.mini.sampler import Sampler, caption, recolor_at_random

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
    changed = recolor_at_random(images, region, torch.Generator().manual_seed(1))
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
    assert {word for tail in tails for word in tail} & set(COMPOUNDS) >= {"shaded", "stormy"}


def test_caption_words_tie_to_the_look(crops):
    """The captions' words say on each axis what the recolored object shows."""
    norms, mask = load_norms(), box_mask(SIZE, SIZE, 16, 16, 32, 32)  # the same when flipped
    sampler = Sampler(crops, norms, seed=3)
    said, seen = [], []
    for step in range(12):
        images, _, captions = sampler.batch(step, 16)
        for image, text in zip(images, captions, strict=True):
            name, *words = text.split() or ["object"]
            if not words or name == "object":
                continue
            said.append(offset_of(words))
            seen.append(norms.offset(name, region_appearance(image.movedim(0, -1), mask)))
    correlation = torch.corrcoef(torch.cat((torch.stack(said), torch.stack(seen)), dim=1).T)
    for index, axis in enumerate(AXES[:3]):
        assert correlation[index, index + 5] > 0.7, axis


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
    images, masks, _ = Sampler(crops_of(images, masks), load_norms(), 5).batch(7, 20)
    stored = load_file(GOLDENS / "batch.safetensors")
    assert torch.allclose(images[..., ::8, ::8], stored["images"], atol=1e-6)
    assert torch.equal(masks[..., ::8, ::8], stored["masks"])


def test_batches_are_pictures(crops):
    images, masks, captions = Sampler(crops, load_norms(), 0).batch(0, 5)
    assert images.shape == (5, 3, SIZE, SIZE)
    assert masks.shape == (5, 1, SIZE, SIZE)
    assert len(captions) == 5
    assert 0 <= images.min() <= images.max() <= 1
    assert 0 <= masks.min() < masks.max() <= 1
