import pytest
import torch

from diff_harmonization.data.recoloring.lab import (
    FULL_STRENGTH,
    RANKS,
    SPREAD,
    Spread,
    Tones,
    jitter,
    join_tones,
    label_of,
    pixel_statistics,
    rank_of,
    recolor,
    recolor_by_degrees,
    region_mean,
    region_statistics,
    to_lab,
    to_rgb,
    transfer,
)


def rows(*values):
    return torch.tensor(values).reshape(1, -1, 1, 1)


def moved_by(*shift):
    nothing = torch.zeros(1, 3, 1, 1)
    return Tones(center=nothing, gain=nothing + 1, target=nothing, shift=rows(*shift))


def test_lab_round_trip():
    image = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(to_rgb(to_lab(image)), image, atol=1e-4)


def test_colors_outside_the_gamut_are_clipped():
    lab = torch.stack((rows(150.0, 0.0, 0.0)[0], rows(-20.0, 0.0, 0.0)[0], rows(50.0, 200.0, 200.0)[0]))
    rgb = to_rgb(lab)
    assert rgb.min() >= 0 and rgb.max() <= 1
    assert torch.allclose(rgb[:2].flatten(1).mean(1), torch.tensor([1.0, 0.0]), atol=1e-3)


def test_tones_scale_about_a_center_that_moves():
    tones = Tones(
        center=rows(50.0, 0.0, 0.0), gain=rows(2.0, 0.5, 0.5), target=rows(40.0, 0.0, 0.0), shift=rows(1.0, 2.0, 3.0)
    )
    assert tones.of(rows(60.0, 10.0, -10.0)).flatten().tolist() == [61.0, 7.0, -2.0]
    joined = join_tones([tones, moved_by(1.0, 1.0, 1.0)])
    assert joined.of(rows(60.0, 10.0, -10.0)).flatten(1).tolist() == [[61.0, 7.0, -2.0], [61.0, 11.0, -9.0]]


def test_statistics_are_of_the_region_alone(picture):
    image, mask = picture
    lab = to_lab(torch.where(mask > 0, image, torch.tensor(0.0)))
    pixels = lab[0, :, 8:24, 8:24].flatten(1)
    mean, deviation = region_statistics(lab, mask)
    assert torch.allclose(mean.flatten(), pixels.mean(1), atol=1e-3)
    assert torch.allclose(deviation.flatten(), pixels.std(1, correction=0), atol=1e-3)
    assert torch.equal(region_mean(lab, mask), mean)
    assert region_mean(lab, mask * 0).abs().max() == 0
    mean, deviation = pixel_statistics(lab, mask)
    assert torch.allclose(mean.flatten(), pixels.mean(1), atol=1e-3)
    assert torch.allclose(deviation.flatten(), pixels.std(1), atol=1e-3)


def test_recoloring_leaves_the_rest_untouched_and_goes_half_way_where_the_mask_does(picture):
    image, mask = picture
    tones = moved_by(10.0, -4.0, 5.0)
    whole, half = recolor(image, mask, tones), recolor(image, 0.5 * mask, tones)
    outside = (mask == 0).expand_as(image)
    assert torch.equal(whole[outside], image[outside])
    assert torch.equal(whole[~outside], to_rgb(to_lab(image) + rows(10.0, -4.0, 5.0))[~outside])
    assert torch.allclose(half, (whole + image) / 2, atol=1e-6)


@pytest.mark.parametrize("wanted", [3.0, 10.0, 20.0])
def test_recoloring_goes_as_far_as_asked(picture, wanted):
    image, mask = picture
    tones = moved_by(3.0, -4.0, 5.0)
    images, reached = recolor_by_degrees(image, mask, tones, torch.tensor([0.0, wanted]))
    assert torch.equal(images[0], image[0])
    assert torch.equal(images[1] * (1 - mask[0]), image[0] * (1 - mask[0]))
    distance = (to_lab(images[1:]) - to_lab(image)).norm(dim=1)[mask[:, 0] > 0].mean().item()
    assert distance == pytest.approx(wanted, rel=0.05)
    assert reached.tolist() == pytest.approx([0, wanted], rel=0.05)


def test_what_the_gamut_stops_counts_as_less(picture):
    image, mask = torch.full_like(picture[0], 0.95), picture[1]
    brighter = moved_by(30.0, 0.0, 0.0)
    assert recolor_by_degrees(image, mask, brighter, torch.tensor([30.0]))[1] < 8


def test_transfer_gives_a_region_anothers_look(picture):
    image, mask = picture
    lab = to_lab(image)
    there = torch.tensor([40.0, 10.0, -20.0]).reshape(1, 3, 1, 1), torch.tensor([12.0, 20.0, 25.0]).reshape(1, 3, 1, 1)
    moved = transfer(*region_statistics(lab, mask), *there).of(lab)
    for got, expected in zip(region_statistics(moved, mask), there, strict=True):
        assert torch.allclose(got, expected, atol=1e-2)


def test_jitter_moves_the_mean_by_its_shift_and_the_contrast_by_its_gain(picture):
    image, mask = picture
    lab = to_lab(image)
    before = region_statistics(lab, mask)
    spread = Spread(shift=(10.0, 3.0, 2.0), log_contrast=0.5, log_chroma=0.2)
    mean, deviation = region_statistics(jitter(before[0], rows(1.0, -1.0, 2.0, 1.0, -2.0), spread).of(lab), mask)
    contrast, chroma = torch.tensor([0.5, -0.4]).exp().tolist()
    assert mean[0, 0].item() == pytest.approx(before[0][0, 0].item() + 10, rel=1e-4)
    assert mean[0, 1].item() == pytest.approx(before[0][0, 1].item() * chroma - 3, abs=1e-2)
    assert mean[0, 2].item() == pytest.approx(before[0][0, 2].item() * chroma + 4, abs=1e-2)
    gains = (deviation / before[1]).flatten().tolist()
    assert gains == pytest.approx([contrast, chroma, chroma], rel=1e-3)


def test_jitter_spreads_as_far_as_it_says(picture):
    image, mask = picture
    lab = to_lab(image)
    mean, _ = region_statistics(lab, mask)
    normal = torch.randn(300, 5, 1, 1, generator=torch.Generator().manual_seed(0))
    moved, _ = region_statistics(jitter(mean.expand(300, -1, -1, -1), normal).of(lab), mask)
    spread = (moved - mean).flatten(1).std(0)
    assert spread[0].item() == pytest.approx(SPREAD.shift[0], rel=0.15)
    assert (spread[1:] > torch.tensor(SPREAD.shift[1:]) * 0.85).all()


def test_ranks_and_labels():
    distances = torch.tensor([0.0, FULL_STRENGTH / 9, FULL_STRENGTH / 2.1, FULL_STRENGTH, 2 * FULL_STRENGTH])
    assert rank_of(distances).tolist() == [0, 1, 4, RANKS - 1, RANKS - 1]
    assert label_of(distances).tolist() == pytest.approx([1, 8 / 9, 5 / 9, 0, 0])
