import pytest
import torch

from diff_harmonization.color.apply import apply_lut
from diff_harmonization.color.fit import fit_lut
from diff_harmonization.core.view import Rectangle
from diff_harmonization.methods.diffharmony.carry import carried, pasted, resized

WHOLE = Rectangle(0, 0, 40, 60)


@pytest.fixture
def picture():
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(1, 40, 60)
    mask[:, 10:30, 20:50] = 1
    mask[:, 8:10, 20:50] = 0.5
    return torch.rand(1, 40, 60, 3, generator=generator), mask


def test_the_mask_blends_and_leaves_the_rest_bit_identical(picture):
    image, mask = picture
    out = pasted(image, mask, 1 - image)
    assert torch.equal(out[mask == 0], image[mask == 0])
    assert torch.equal(out[mask == 1], (1 - image)[mask == 1])
    torch.testing.assert_close(out[mask == 0.5], torch.full_like(out[mask == 0.5], 0.5))


def test_a_level_square_stays_level_at_any_size():
    for height, width in ((40, 60), (8, 8), (16, 16)):
        out = resized(torch.full((1, 16, 16, 3), 0.3), height, width)
        torch.testing.assert_close(out, torch.full((1, height, width, 3), 0.3))


def test_pixels_are_enlarged_and_pasted(picture):
    image, mask = picture
    before, after = torch.rand(1, 16, 16, 3), torch.full((1, 16, 16, 3), 0.25)
    out, lut = carried(image, mask, WHOLE, before, after, torch.ones(1, 16, 16), "pixels")
    assert lut is None and torch.equal(out, pasted(image, mask, resized(after, 40, 60)))


def test_pixels_of_a_part_go_where_they_were_cut(picture):
    image, mask = picture
    after = torch.full((1, 16, 16, 3), 0.25)
    out, _ = carried(image, mask, Rectangle(5, 12, 20, 24), after, after, torch.ones(1, 16, 16), "pixels")
    seen = torch.zeros(1, 40, 60)
    seen[:, 5:25, 12:36] = 1
    torch.testing.assert_close(out, pasted(image, mask * seen, torch.full_like(image, 0.25)))


def test_a_lut_keeps_the_details(picture):
    image, mask = picture
    before = torch.rand(1, 16, 16, 3, generator=torch.Generator().manual_seed(1))
    after, weights = 0.5 * before, torch.ones(1, 16, 16)
    out, lut = carried(image, mask, WHOLE, before, after, weights, "lut")
    assert lut is not None and torch.equal(lut.table, fit_lut(before, after, weights).table)
    assert torch.equal(out, apply_lut(image, lut, mask))
    assert (out - 0.5 * image)[mask == 1].abs().mean() < 0.02
    assert torch.equal(out[mask == 0], image[mask == 0])


def test_another_way_is_refused(picture):
    image, mask = picture
    with pytest.raises(ValueError, match="^`carry`: got 'both', expected one of pixels, lut"):
        carried(image, mask, WHOLE, image, image, mask, "both")
