import pytest
import torch
from skimage.color import rgb2lab

from diff_harmonization.description.statistics.appearance import region_appearance


def test_appearance_is_that_of_lab_statistics():
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 9, 7, 3, generator=generator)
    mask = (torch.rand(2, 9, 7, generator=generator) > 0.5).float()
    for picture, region, got in zip(image, mask, region_appearance(image, mask), strict=True):
        lab = torch.from_numpy(rgb2lab(picture.double().numpy()))[region > 0]
        expected = [*lab.mean(0), lab[:, 1:].norm(dim=-1).mean(), lab[:, 0].std(correction=0)]
        assert got.tolist() == pytest.approx([float(value) for value in expected], abs=0.05)


def test_appearance_ignores_what_lies_outside():
    image, mask = torch.rand(8, 8, 3, generator=torch.Generator().manual_seed(1)), torch.zeros(8, 8)
    mask[2:5, 3:6] = 1
    painted = torch.where(mask[..., None] > 0, image, torch.tensor([1.0, 0.0, 0.0]))
    assert torch.equal(region_appearance(image, mask), region_appearance(painted, mask))
