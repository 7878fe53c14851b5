from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from diff_harmonization.training.crops import Crops
from diff_harmonization.training.evaluator import sampler as sampler_module
from diff_harmonization.training.evaluator.sampler import (
    COMPOSITE_LABEL,
    VERSIONS,
    Sampler,
    augment,
    edges_touched,
    paste,
)

GOLDENS = Path(__file__).with_name("goldens")


def test_a_batch(crops):
    sampler = Sampler(crops, seed=0)
    inputs, labels = sampler.batch(0, 3)
    assert inputs.shape == (3 * VERSIONS, 4, 64, 64)
    assert inputs[:, :3].min() >= -1 and inputs[:, :3].max() <= 1
    assert inputs[:, 3].min() >= 0 and inputs[:, 3].max() <= 1
    again, other = sampler.batch(0, 3), sampler.batch(1, 3)
    assert torch.equal(again[0], inputs) and torch.equal(again[1], labels)
    assert not torch.equal(other[0], inputs)


def test_a_seed_gives_the_batch_that_it_always_gave():
    images = torch.randint(256, (6, 3, 64, 64), generator=torch.Generator().manual_seed(0)).byte()
    masks = torch.zeros(6, 1, 64, 64, dtype=torch.uint8)
    masks[..., 16:48, 16:48] = 255
    natural, ids = torch.tensor([True] * 4 + [False] * 2), [f"t{index}" for index in range(6)]
    crops = Crops(images, masks, ["tree", "car"] * 3, natural, ids)
    inputs, labels = Sampler(crops, 5).batch(7, 20)
    stored = load_file(GOLDENS / "batch.safetensors")
    assert torch.allclose(inputs[..., ::8, ::8], stored["inputs"], atol=4e-6)  # a few roundings of a value in [-1,1]
    assert torch.allclose(labels, stored["labels"])


@pytest.mark.parametrize(("row", "best"), [(0, 1.0), (15, COMPOSITE_LABEL)])
def test_versions_of_a_photo_share_all_but_the_objects_color(crops, row, best):
    sampler, generator, untouched = Sampler(crops, seed=0), torch.Generator(), 0
    for seed in range(20):
        inputs, labels = sampler.versions(row, generator.manual_seed(seed))
        assert (inputs[:, 3] == inputs[:1, 3]).all()
        # softening spreads the object's edge, and the moved edge of the mask may lie inside the object
        scene = (torch.nn.functional.max_pool2d(inputs[:1, 3:], 9, 1, 4) == 0).expand(VERSIONS, 3, -1, -1)
        assert torch.allclose(inputs[:, :3][scene], inputs[:1, :3].expand(VERSIONS, -1, -1, -1)[scene], atol=1e-6)
        assert (labels <= best).all()
        if labels[0] != labels[1]:
            assert (inputs[0, :3] - inputs[1, :3]).abs().max() > 1e-2
        untouched += bool(labels[0] == best)
    assert 8 <= untouched <= 18


def test_kinds_of_photo_are_drawn_alike_for_every_kind_of_object(crops):
    weights = Sampler(crops, seed=0).weights
    for name in ("tree", "car"):
        shares = [
            weights[[o == name and n == kind for o, n in zip(crops.objects, crops.natural.tolist(), strict=True)]].sum()
            for kind in (True, False)
        ]
        assert shares[0] == pytest.approx(shares[1])


def test_augmentation_treats_versions_alike(picture):
    image, mask = picture
    for seed in range(20):
        images, plane = augment(image.expand(2, -1, -1, -1), mask, torch.Generator().manual_seed(seed))
        assert torch.equal(images[0], images[1])
        assert plane.shape == mask.shape and plane.min() >= 0 and plane.max() <= 1
        assert images.min() >= 0 and images.max() <= 1


def test_a_paste_puts_anothers_object_into_the_box_of_this_one():
    image, other = torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32)
    mask, other_mask = torch.zeros(2, 1, 1, 32, 32)
    mask[..., 4:12, 8:28] = 1
    other_mask[..., 10:20, 10:20] = 1
    pasted, plane = paste(image, mask, other, other_mask)
    assert torch.equal(plane, mask)  # a box becomes a box
    assert torch.equal(pasted, mask.expand(1, 3, -1, -1))
    assert image.max() == 0


def test_a_paste_keeps_the_shape_of_the_pasted():
    mask, disc = torch.ones(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    disc[0, 0] = ((y - 16) ** 2 + (x - 16) ** 2 < 100).float()
    pasted, plane = paste(torch.zeros(1, 3, 32, 32), mask, torch.ones(1, 3, 32, 32), disc)
    assert plane.mean().item() == pytest.approx(disc.sum().item() / 19**2, abs=0.02)
    assert torch.allclose(pasted, plane.expand(1, 3, -1, -1))


@pytest.mark.parametrize(("box", "edges"), [((0, 5, 3, 9), "t---"), ((2, 16, 0, 16), "-blr"), ((3, 5, 3, 5), "----")])
def test_edges_touched(box, edges):
    mask = torch.zeros(1, 16, 16, dtype=torch.uint8)
    mask[:, box[0] : box[1], box[2] : box[3]] = 255
    assert edges_touched(mask) == edges


def test_half_of_the_composites_are_made_of_two_natural_photos(crops, monkeypatch):
    made = []

    def spy(image, mask, other, other_mask):
        made.append((image, other))
        return paste(image, mask, other, other_mask)

    monkeypatch.setattr(sampler_module, "paste", spy)
    sampler, generator = Sampler(crops, seed=0), torch.Generator()
    for seed in range(30):
        sampler.versions(15, generator.manual_seed(seed))
    assert 8 <= len(made) <= 22
    natural = [(index, crops.images[index, None].float() / 255) for index in range(10)]
    for pair in made:
        ids = [next(crops.ids[i] for i, image in natural if torch.equal(image, side)) for side in pair]
        assert ids[0] != ids[1]
    before = len(made)
    sampler.versions(0, generator)
    assert len(made) == before  # a natural photo stays one


def test_a_kind_without_two_natural_photos_keeps_its_real_composites(crops):
    lonely = replace(crops, natural=crops.natural & False)
    inputs, labels = Sampler(lonely, seed=0).versions(0, torch.Generator().manual_seed(0))
    assert inputs.shape == (VERSIONS, 4, 64, 64)
    assert (labels <= COMPOSITE_LABEL).all()
