import pytest
import torch

from diff_harmonization.core.view import Rectangle, find_view, padded, square_around, working_view


def masked(height: int, width: int, box: tuple[int, int, int, int]) -> torch.Tensor:
    """A mask with 1 on (top, left, height, width)."""
    mask = torch.zeros(height, width, dtype=torch.bool)
    top, left, h, w = box
    mask[top : top + h, left : left + w] = True
    return mask


CASES = [
    # picture, mask's box (top, left, height, width), rectangle (top, left, height, width)
    ((100, 100), (40, 40, 20, 20), (30, 30, 40, 40)),  # in the middle
    ((100, 100), (40, 40, 21, 20), (29, 29, 42, 42)),  # odd side
    ((101, 99), (40, 40, 1, 1), (39, 39, 2, 2)),  # a single pixel
    ((100, 100), (45, 30, 10, 40), (10, 10, 80, 80)),  # wide object: the longer side counts
    ((100, 100), (30, 45, 40, 10), (10, 10, 80, 80)),  # high object
    ((100, 100), (0, 0, 20, 20), (0, 0, 40, 40)),  # corners
    ((100, 100), (80, 80, 20, 20), (60, 60, 40, 40)),
    ((100, 100), (0, 80, 20, 20), (0, 60, 40, 40)),
    ((100, 100), (2, 50, 20, 20), (0, 40, 40, 40)),  # one border
    ((60, 200), (10, 90, 40, 40), (0, 70, 60, 80)),  # the picture is too low: all of its height
    ((200, 60), (90, 10, 40, 40), (70, 0, 80, 60)),  # too narrow
    ((60, 200), (0, 0, 60, 200), (0, 0, 60, 200)),  # the mask is everything
    ((4000, 6000), (1000, 5000, 700, 900), (450, 4200, 1800, 1800)),
    ((7, 5), (6, 4, 1, 1), (5, 3, 2, 2)),
]


@pytest.mark.parametrize(("picture", "box", "rectangle"), CASES)
def test_crop(picture, box, rectangle):
    assert find_view(masked(*picture, box)) == Rectangle(*rectangle)


@pytest.mark.parametrize(("picture", "box", "rectangle"), CASES)
def test_whole(picture, box, rectangle):
    assert find_view(masked(*picture, box), "whole") == Rectangle(0, 0, *picture)


def test_any_rectangle_holds_the_mask_and_lies_in_the_picture():
    generator = torch.Generator().manual_seed(0)

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (1,), generator=generator))

    for _ in range(300):
        height, width = draw(1, 90), draw(1, 90)
        h, w = draw(1, height), draw(1, width)
        mask = masked(height, width, (draw(0, height - h), draw(0, width - w), h, w))
        view = find_view(mask)
        assert view.of(mask).sum() == mask.sum()
        assert 0 <= view.top <= view.top + view.height <= height
        assert 0 <= view.left <= view.left + view.width <= width
        assert view.height == min(height, 2 * max(h, w))
        assert view.width == min(width, 2 * max(h, w))


def test_scattered_masks_are_framed_together():
    mask = masked(100, 100, (20, 30, 2, 2)) | masked(100, 100, (48, 58, 2, 2))
    assert find_view(mask) == Rectangle(5, 15, 60, 60)


def test_an_empty_mask_is_an_error_in_crop_only():
    mask = torch.zeros(10, 12, dtype=torch.bool)
    with pytest.raises(ValueError, match="^`mask`: the mask is empty"):
        find_view(mask)
    assert find_view(mask, "whole") == Rectangle(0, 0, 10, 12)


@pytest.mark.parametrize("mode", ["crop", "whole"])
@pytest.mark.parametrize("size", [7, 64, 65])
@pytest.mark.parametrize(("height", "width"), [(33, 47), (130, 97), (64, 64)])
def test_views_are_squares_in_range(mode, size, height, width):
    image = torch.rand(2, height, width, 3, generator=torch.Generator().manual_seed(0))
    mask = masked(height, width, (5, 9, 11, 13)).float().expand(2, -1, -1)
    pixels, planes = working_view(image, mask, size, mode)
    assert pixels.shape == (2, size, size, 3)
    assert planes.shape == (2, size, size)
    for values in (pixels, planes):
        assert 0 <= values.min() <= values.max() <= 1


def test_a_view_of_the_rectangles_own_size_is_the_rectangle():
    image = torch.rand(1, 80, 90, 3, generator=torch.Generator().manual_seed(0))
    mask = masked(80, 90, (30, 40, 16, 16)).float()[None]
    pixels, planes = working_view(image, mask, 32)
    assert torch.allclose(pixels, image[:, 22:54, 32:64])
    assert torch.equal(planes, mask[:, 22:54, 32:64])


def test_shrinking_averages():
    """Stripes of one pixel become gray, not a sample of them."""
    image = (torch.arange(64) % 2).float()[None, None, :, None].expand(1, 64, 64, 3)
    mask = masked(64, 64, (16, 16, 32, 32)).float()[None]
    pixels, planes = working_view(image, mask, 16)
    assert torch.allclose(pixels, torch.full_like(pixels, 0.5))
    assert planes.mean() == pytest.approx(0.25)


def test_a_thin_object_stays_in_the_view():
    mask = torch.zeros(1, 1200, 1200)
    mask[:, :, 600:606] = 1
    _, view = working_view(torch.rand(1, 1200, 1200, 3), mask, 64)
    assert view.max() == 1
    assert (view > 0.5).any(dim=2).all()


def test_a_soft_mask_frames_what_the_losses_see():
    mask = torch.zeros(1, 100, 100)
    mask[:, 40:60, 40:60] = 0.45  # above 100/255
    assert working_view(torch.rand(1, 100, 100, 3), mask, 40)[1].max() == pytest.approx(0.45)


def test_picture_and_mask_stay_aligned():
    mask = masked(120, 150, (61, 83, 23, 31)).float()[None]
    image = mask[..., None].expand(-1, -1, -1, 3)
    pixels, planes = working_view(image, mask, 48)
    assert torch.equal(pixels[..., 0], planes)


def test_the_first_mask_places_the_rectangle_of_a_batch():
    mask = torch.stack([masked(100, 100, (0, 0, 10, 10)), masked(100, 100, (90, 90, 10, 10))]).float()
    _, planes = working_view(torch.zeros(2, 100, 100, 3), mask, 20)
    assert planes[0].sum() == 100
    assert planes[1].sum() == 0


def test_a_margin():
    mask = masked(100, 100, (40, 40, 20, 20))
    assert square_around((40, 60, 40, 60), mask.shape, margin=1.5) == Rectangle(35, 35, 30, 30)
    assert square_around((40, 60, 40, 60), mask.shape) == find_view(mask)


def test_a_small_object_is_shown_with_a_least_side():
    box, picture = (50, 52, 30, 33), (100, 60)
    assert square_around(box, picture, least=40) == Rectangle(31, 11, 40, 40)
    assert square_around(box, picture, least=80) == Rectangle(11, 0, 80, 60)  # as far as the picture goes
    assert square_around((50, 70, 10, 40), picture, least=40) == square_around((50, 70, 10, 40), picture)


def test_a_box_is_padded_as_far_as_the_picture_reaches():
    assert padded((2, 4, 3, 6), (20, 30), 2) == Rectangle(0, 1, 6, 7)
    assert padded((2, 4, 3, 6), (20, 30), 0) == Rectangle(2, 3, 2, 3)
    assert padded((18, 20, 29, 30), (20, 30), 5) == Rectangle(13, 24, 7, 6)
