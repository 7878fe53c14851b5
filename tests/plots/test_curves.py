import torch

from diff_harmonization.plots.curves import loss_curve
from diff_harmonization.plots.sheet import Sheet


def test_a_curve_is_a_picture_that_follows_its_values():
    falling, rising = loss_curve([3.0, 2.0, 1.0], "Loss"), loss_curve([1.0, 2.0, 3.0], "Loss")
    assert falling.shape == rising.shape and falling.shape[0] == 1 and falling.shape[3] == 3
    assert 0 <= falling.min() < falling.max() <= 1
    assert not torch.equal(falling, rising)


def test_one_value_and_none_are_drawn():
    assert loss_curve([1.0], "Loss").shape == loss_curve([], "Loss").shape


def test_places_on_a_sheet_are_pixels_from_the_top_left():
    sheet = Sheet(60, 40)
    sheet.picture(10, 5, 20, 10).imshow([[[1.0, 0.0, 0.0]]], aspect="auto")
    red = (sheet.as_image()[0] - torch.tensor([1.0, 0.0, 0.0])).abs().amax(-1) < 0.02
    assert sheet.as_image().shape == (1, 40, 60, 3)
    assert torch.equal(red.nonzero().amin(0), torch.tensor([5, 10]))
    assert torch.equal(red.nonzero().amax(0), torch.tensor([14, 29]))
