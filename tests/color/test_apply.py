import pytest
import torch

from diff_harmonization.color import ColorLUT, apply_lut
from diff_harmonization.color import apply as module
from diff_harmonization.color.lut import grid_colors

DARKER = ColorLUT(grid_colors(9) * 0.5)


def picture(batch: int = 1, height: int = 37, width: int = 53) -> torch.Tensor:
    return torch.rand(batch, height, width, 3, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1


def disc(height: int = 37, width: int = 53, radius: float = 13) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return ((y - 18).square() + (x - 25).square() < radius**2).float()[None]


@pytest.mark.parametrize("interpolation", ["trilinear", "tetrahedral"])
@pytest.mark.parametrize("feather", [0, 1, 6])
def test_outside_is_bit_identical_and_inside_changes(feather, interpolation):
    image, mask = picture(), disc()
    out = apply_lut(image, DARKER, mask, feather=feather, interpolation=interpolation)
    assert torch.equal(out[mask == 0], image[mask == 0])
    torch.testing.assert_close(out[0, 18, 25], image[0, 18, 25] * 0.5)
    assert not torch.equal(out, image)


def test_without_feather_the_whole_mask_changes():
    image, mask = picture(), disc()
    out = apply_lut(image, DARKER, mask)
    torch.testing.assert_close(out[mask > 0], image[mask > 0] * 0.5)


def test_amount_zero_is_bit_identical_and_half_is_half_way():
    image, mask = picture(), disc()
    nothing = apply_lut(image, DARKER, mask, amount=0.0)
    assert torch.equal(nothing, image) and nothing is not image
    half = apply_lut(image, DARKER, mask, amount=0.5)
    torch.testing.assert_close(half[mask > 0], image[mask > 0] * 0.75)


def test_a_soft_mask_blends():
    image = picture()
    out = apply_lut(image, DARKER, torch.full((1, 37, 53), 0.25))
    torch.testing.assert_close(out, image * 0.875)


def test_the_feather_rises_inwards_to_full_strength():
    image = torch.full((1, 41, 60, 3), 0.8)
    mask = torch.zeros(1, 41, 60)
    mask[:, :, 20:] = 1
    change = (image - apply_lut(image, DARKER, mask, feather=8))[0, 20, :, 0] / 0.4
    assert (change.diff() >= -1e-5).all()
    assert (change[:20] == 0).all()
    assert 0 < change[22] < 0.3 and 0.3 < change[24] < 0.7
    torch.testing.assert_close(change[28:], torch.ones(32))  # the picture's border is no edge


def test_tiles_do_not_show(monkeypatch):
    image, mask = picture(), disc()
    whole = apply_lut(image, DARKER, mask, feather=3)
    monkeypatch.setattr(module, "TILE_PIXELS", 64)
    assert torch.equal(apply_lut(image, DARKER, mask, feather=3), whole)


def test_each_image_has_its_mask_or_all_share_one():
    images = picture(2)
    masks = torch.cat((disc(), torch.zeros(1, 37, 53)))
    out = apply_lut(images, DARKER, masks)
    assert torch.equal(out[1], images[1]) and not torch.equal(out[0], images[0])
    shared = apply_lut(images, DARKER, disc())
    for index in range(2):
        assert torch.equal(shared[index], apply_lut(images[index : index + 1], DARKER, disc())[0])


def test_no_mask_means_everywhere_and_the_input_is_kept():
    image = picture()
    kept = image.clone()
    torch.testing.assert_close(apply_lut(image, DARKER), kept * 0.5)
    assert torch.equal(image, kept)


def test_half_precision_keeps_its_dtype():
    image = picture().half()
    out = apply_lut(image, DARKER, disc())
    assert out.dtype == torch.float16
    torch.testing.assert_close(out[0, 18, 25], image[0, 18, 25] * 0.5)


def test_the_bounding_box():
    mask = torch.zeros(5, 7)
    assert module.bounding_box(mask) is None
    mask[1, 2] = mask[3, 5] = 1
    assert module.bounding_box(mask) == (1, 4, 2, 6)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"mask": torch.ones(1, 5, 5)}, r"`mask`: got shape \(1, 5, 5\)"),
        ({"amount": 1.5}, "`amount`: got 1.5"),
        ({"feather": -1}, "`feather`: got -1"),
        ({"interpolation": "nearest"}, "nearest"),
        ({"image": torch.rand(1, 4, 4, 4)}, "RGB"),
    ],
)
def test_bad_input_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        apply_lut(**{"image": picture(), "lut": DARKER, **arguments})
