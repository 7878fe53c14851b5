import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from diff_harmonization.data.photos import Photo
from diff_harmonization.description.statistics.appearance import AXES, region_appearance
from diff_harmonization.description.statistics.norms import load_norms
from diff_harmonization.description.statistics.words import COMPOUNDS, offset_of
from diff_harmonization.description.vocabulary import WORDS
from diff_harmonization.training.mini.samples import (
    SIZE,
    Crops,
    Sampler,
    caption,
    cut_crops,
    random_view,
    recolor_at_random,
)

GOLDENS = Path(__file__).with_name("goldens")


def box_mask(height: int, width: int, top: int, left: int, h: int, w: int) -> torch.Tensor:
    mask = torch.zeros(height, width)
    mask[top : top + h, left : left + w] = 1
    return mask


@pytest.fixture(scope="module")
def crops():
    generator = torch.Generator().manual_seed(0)
    images = (torch.rand(6, 3, SIZE, SIZE, generator=generator) * 155 + 50).byte()
    masks = (box_mask(SIZE, SIZE, 16, 16, 32, 32) * 255).byte().expand(6, 1, SIZE, SIZE)
    return Crops(images, masks, ["tree", "car", "person", "building", "sky", "zeppelin"])


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A picture whose red channel is its mask."""
    folder = tmp_path_factory.mktemp("photos")
    mask = (box_mask(120, 160, 30, 40, 50, 60) * 255).byte().numpy()
    for name, pixels in (
        ("images/a.jpg", np.stack([mask, np.full_like(mask, 128), np.zeros_like(mask)], -1)),
        ("masks/a.png", mask),
    ):
        (folder / name).parent.mkdir()
        Image.fromarray(pixels).save(folder / name)
    return Photo("a", "tree", True, folder)


def test_crops_keep_picture_and_mask_together(photo):
    crops = cut_crops([photo], 5, random.Random(0))
    assert crops.images.shape == (5, 3, SIZE, SIZE)
    assert crops.masks.shape == (5, 1, SIZE, SIZE)
    assert crops.images.dtype == crops.masks.dtype == torch.uint8
    assert crops.objects == ["tree"] * 5
    difference = (crops.images[:, 0].float() - crops.masks[:, 0].float()).abs()
    assert difference.mean() < 8  # JPEG's blur along the edge
    assert not torch.equal(crops.images[0], crops.images[1])


def test_crops_too_small_to_see_are_left_out(tmp_path):
    for name, pixels in (("images/a.jpg", np.zeros((120, 160, 3), np.uint8)), ("masks/a.png", speck_mask())):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(pixels).save(tmp_path / name)
    with pytest.raises(ValueError, match="1 training photos give no crop"):
        cut_crops([Photo("a", "tree", True, tmp_path)], 3, random.Random(0))


def speck_mask() -> np.ndarray:
    return (box_mask(120, 160, 50, 50, 2, 2) * 255).byte().numpy()


@pytest.mark.parametrize("box", [(0, 0, 9, 12), (100, 130, 20, 30), (10, 10, 100, 140), (60, 80, 1, 1)])
def test_random_views_hold_the_middle_of_the_object(box):
    mask, dice = box_mask(120, 160, *box).bool(), random.Random(0)
    middle = box[0] + box[2] / 2, box[1] + box[3] / 2
    for _ in range(50):
        top, left, height, width = random_view(mask, dice)
        assert 0 <= top <= middle[0] <= top + height <= 120
        assert 0 <= left <= middle[1] <= left + width <= 160


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
    names = ["tree", "car", "person", "building", "sky", "zeppelin"]
    images, masks, _ = Sampler(Crops(images, masks, names), load_norms(), 5).batch(7, 20)
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
