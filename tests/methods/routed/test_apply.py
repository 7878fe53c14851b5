import pytest
import torch
from routed_networks import random_transform
from torch.nn.functional import interpolate, pad

from diff_harmonization.color.lut import ColorLUT, grid_colors
from diff_harmonization.core.view import Rectangle
from diff_harmonization.methods.routed import apply as module
from diff_harmonization.methods.routed.apply import LUT_SIZE, apply_transform, global_lut
from diff_harmonization.methods.routed.transform import LOCAL, local_change

NOTHING = ColorLUT(grid_colors(2))
DARKER = ColorLUT(grid_colors(5) * 0.5)
HEIGHT, WIDTH = 40, 56
WHOLE = Rectangle(0, 0, HEIGHT, WIDTH)


@pytest.fixture
def image():
    return torch.rand(HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def mask():
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    return ((y - 22).square() + (x - 25).square() < 14**2).float()


@pytest.fixture
def local():
    return 0.1 * torch.randn(LOCAL, 16, 16, generator=torch.Generator().manual_seed(1))


def first(image):
    return image.movedim(-1, 0)[None]


def last(image):
    return image[0].movedim(0, -1)


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_that_is_the_square_becomes_what_the_transform_makes_of_it(image, seed):
    """But for the LUT's steps. Only colors that land at the gamut's edge, of which random ones have many, show them."""
    transform = random_transform(seed=seed)
    out = apply_transform(image, torch.ones(HEIGHT, WIDTH), global_lut(transform), transform.local[0], WHOLE)
    levels = 255 * (out - last(transform(first(image)))).abs()
    assert levels.mean() < 0.2
    assert (levels > 1).float().mean() < 0.05
    assert (out - image).abs().mean() > 0.02


def test_the_lut_holds_the_global_change_alone():
    transform = random_transform()
    lut = global_lut(transform, title="mine")
    assert lut.table.shape == (LUT_SIZE, LUT_SIZE, LUT_SIZE, 3) and lut.title == "mine"
    for index in ((0, 0, 0), (32, 0, 16), (7, 20, 31), (32, 32, 32)):
        color = torch.tensor(index).reshape(1, 3, 1, 1) / (LUT_SIZE - 1)
        assert torch.allclose(lut.table[index], transform.everywhere(color).flatten(), atol=1e-5)
    assert torch.allclose(global_lut(transform.scaled(0), 9).table, grid_colors(9), atol=1e-3)


def test_the_background_is_bit_identical_and_the_input_is_kept(image, mask, local):
    kept = image.clone()
    out = apply_transform(image, mask, DARKER, local, WHOLE)
    assert torch.equal(image, kept)
    assert torch.equal(out[mask == 0], image[mask == 0])
    assert (out != image)[mask > 0].any(-1).all()


def test_soft_masks_blend(image, mask, local):
    whole = apply_transform(image, torch.ones_like(mask), DARKER, local, WHOLE)
    soft = mask * torch.linspace(0, 1, WIDTH)
    out = apply_transform(image, soft, DARKER, local, WHOLE)
    assert torch.allclose(out, torch.lerp(image, whole, soft[..., None]), atol=1e-6)


def test_an_empty_mask_changes_nothing(image, local):
    out = apply_transform(image, torch.zeros(HEIGHT, WIDTH), DARKER, local, WHOLE)
    assert torch.equal(out, image) and out is not image


def test_without_a_local_change_the_lut_is_all(image, mask):
    out = apply_transform(image, mask, DARKER, None, Rectangle(5, 9, 31, 31))
    assert torch.allclose(out[mask > 0], 0.5 * image[mask > 0], atol=1e-6)


def test_no_numbers_are_no_local_change(image, mask, local):
    out = apply_transform(image, mask, DARKER, 0 * local, WHOLE)
    assert torch.allclose(out, apply_transform(image, mask, DARKER, None, WHOLE), atol=1e-6)


@pytest.mark.parametrize(
    "square",
    [WHOLE, Rectangle(6, 8, 32, 34), Rectangle(0, 0, 30, 30), Rectangle(12, 28, 28, 28), Rectangle(3, 0, 37, 20)],
    ids=str,
)
def test_the_map_lies_over_the_square_and_goes_on_beyond_it(image, local, square):
    """Against torch's own upsampling to the square's size, with its border repeated up to the picture's."""
    over = interpolate(local[None], (square.height, square.width), mode="bilinear", align_corners=False)
    right, below = WIDTH - square.left - square.width, HEIGHT - square.top - square.height
    numbers = pad(over, (square.left, right, square.top, below), mode="replicate")
    expected = last(local_change(first(image), numbers))
    out = apply_transform(image, torch.ones(HEIGHT, WIDTH), NOTHING, local, square)
    assert torch.allclose(out, expected, atol=1e-5)


@pytest.mark.parametrize(("nodes", "begin", "length"), [(16, 0, 50), (16, 7, 31), (16, 3, 9), (4, 20, 30), (1, 5, 6)])
def test_spread_weights_are_torchs_interpolation(nodes, begin, length):
    weights = module._spread(nodes, begin, length, 2, 48)
    values = torch.randn(1, 1, nodes, generator=torch.Generator().manual_seed(0))
    row = interpolate(values, length, mode="linear", align_corners=False)
    row = pad(row, (begin, 50 - begin - length), mode="replicate")[0, 0, 2:48]
    assert weights.shape == (46, nodes)
    assert torch.allclose(weights @ values[0, 0], row, atol=1e-6)
    assert torch.allclose(weights.sum(1), torch.ones(46), atol=1e-6)


@pytest.mark.parametrize("corner", [(0, 0), (HEIGHT - 9, WIDTH - 12), (0, WIDTH - 12)])
def test_an_object_at_the_pictures_border(image, local, corner):
    top, left = corner
    mask = torch.zeros(HEIGHT, WIDTH)
    mask[top : top + 9, left : left + 12] = 1
    square = Rectangle(min(top, HEIGHT - 24), min(left, WIDTH - 24), 24, 24)
    out = apply_transform(image, mask, NOTHING, local, square)
    whole = apply_transform(image, torch.ones_like(mask), NOTHING, local, square)
    assert torch.allclose(out[mask > 0], whole[mask > 0], atol=1e-6)
    assert torch.equal(out[mask == 0], image[mask == 0])


@pytest.mark.parametrize("pixels", [1, 64, 200])
def test_tiles_do_not_show(image, mask, local, monkeypatch, pixels):
    whole = apply_transform(image, mask, DARKER, local, WHOLE)
    monkeypatch.setattr(module, "TILE_PIXELS", pixels)
    assert torch.allclose(apply_transform(image, mask, DARKER, local, WHOLE), whole, atol=1e-6)


def test_values_stay_in_0_1(image, local):
    out = apply_transform(image, torch.ones(HEIGHT, WIDTH), NOTHING, 30 * local, WHOLE)
    assert out.min() >= 0 and out.max() <= 1
