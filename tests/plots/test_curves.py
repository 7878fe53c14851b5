import torch

from diff_harmonization.plots.curves import loss_curve


def test_a_curve_is_a_picture_that_follows_its_values():
    falling, rising = loss_curve([3.0, 2.0, 1.0], "Loss"), loss_curve([1.0, 2.0, 3.0], "Loss")
    assert falling.shape == rising.shape and falling.shape[0] == 1 and falling.shape[3] == 3
    assert 0 <= falling.min() < falling.max() <= 1
    assert not torch.equal(falling, rising)


def test_one_value_and_none_are_drawn():
    assert loss_curve([1.0], "Loss").shape == loss_curve([], "Loss").shape
