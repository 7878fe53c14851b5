import torch

from diff_harmonization.mini.diffharmony.unet import SIZE


def test_squares_about_the_object(squares):
    assert squares.images.shape[1:] == (3, SIZE, SIZE) and squares.masks.shape[1:] == (1, SIZE, SIZE)
    assert len(squares.objects) == 10 and squares.natural.all()
    share = squares.masks.float().mean((1, 2, 3)) / 255
    assert (share > 0.02).all() and (share < 0.95).all()


def test_the_first_square_is_the_evaluator_s(photo_set, squares):
    """Twice the object's size or the picture's shorter side, so that the object is in the middle."""
    rows, columns = (squares.masks[0, 0] > 127).nonzero().float().mean(0)
    assert abs(rows - SIZE / 2) < 4 and abs(columns - SIZE / 2) < 8
    assert squares.images.dtype == torch.uint8
