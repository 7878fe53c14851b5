import torch

from diff_harmonization.plots.sheet import Sheet


def test_places_on_a_sheet_are_pixels_from_the_top_left():
    sheet = Sheet(60, 40)
    sheet.picture(10, 5, 20, 10).imshow([[[1.0, 0.0, 0.0]]], aspect="auto")
    red = (sheet.as_image()[0] - torch.tensor([1.0, 0.0, 0.0])).abs().amax(-1) < 0.02
    assert sheet.as_image().shape == (1, 40, 60, 3)
    assert torch.equal(red.nonzero().amin(0), torch.tensor([5, 10]))
    assert torch.equal(red.nonzero().amax(0), torch.tensor([14, 29]))
