import pytest
import torch
from kornia.color import rgb_to_lab

from diff_harmonization.data.recoloring import (
    FULL_STRENGTH,
    RANKS,
    SHIFT,
    Tones,
    jitter,
    label_of,
    rank_of,
    recolor,
    region_statistics,
    transfer,
)


@pytest.mark.parametrize("wanted", [3.0, 10.0, 20.0])
def test_recoloring_goes_as_far_as_asked(picture, wanted):
    image, mask = picture
    tones = Tones(torch.ones(1, 3, 1, 1), torch.tensor([3.0, -4.0, 5.0]).reshape(1, 3, 1, 1))
    images, reached = recolor(image, mask, tones, torch.tensor([0.0, wanted]))
    assert torch.equal(images[0], image[0])
    assert torch.equal(images[1] * (1 - mask[0]), image[0] * (1 - mask[0]))
    distance = (rgb_to_lab(images[1:]) - rgb_to_lab(image)).norm(dim=1)[mask[:, 0] > 0].mean().item()
    assert distance == pytest.approx(wanted, rel=0.05)
    assert reached.tolist() == pytest.approx([0, wanted], rel=0.05)


def test_what_the_gamut_stops_counts_as_less(picture):
    image, mask = torch.full_like(picture[0], 0.95), picture[1]
    brighter = Tones(torch.ones(1, 3, 1, 1), torch.tensor([30.0, 0.0, 0.0]).reshape(1, 3, 1, 1))
    assert recolor(image, mask, brighter, torch.tensor([30.0]))[1] < 8


def test_transfer_gives_a_region_anothers_look(picture):
    image, mask = picture
    lab = rgb_to_lab(image)
    there = torch.tensor([40.0, 10.0, -20.0]).reshape(1, 3, 1, 1), torch.tensor([12.0, 20.0, 25.0]).reshape(1, 3, 1, 1)
    moved = transfer(*region_statistics(lab, mask), *there).of(lab)
    for got, expected in zip(region_statistics(moved, mask), there, strict=True):
        assert torch.allclose(got, expected, atol=1e-2)


def test_jitter_moves_the_mean_by_its_shift(picture):
    image, mask = picture
    lab = rgb_to_lab(image)
    mean, _ = region_statistics(lab, mask)
    generator = torch.Generator()
    moves = []
    for seed in range(300):
        moved, _ = region_statistics(jitter(mean, generator.manual_seed(seed)).of(lab), mask)
        moves.append((moved - mean).flatten())
    spread = torch.stack(moves).std(0)
    assert spread[0].item() == pytest.approx(SHIFT[0], rel=0.15)
    assert (spread[1:] > torch.tensor(SHIFT[1:]) * 0.85).all()


def test_ranks_and_labels():
    distances = torch.tensor([0.0, FULL_STRENGTH / 9, FULL_STRENGTH / 2.1, FULL_STRENGTH, 2 * FULL_STRENGTH])
    assert rank_of(distances).tolist() == [0, 1, 4, RANKS - 1, RANKS - 1]
    assert label_of(distances).tolist() == pytest.approx([1, 8 / 9, 5 / 9, 0, 0])
