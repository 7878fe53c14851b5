import math

import pytest
import torch
from torch.nn.functional import interpolate

from diff_harmonization.core.view import Rectangle
from diff_harmonization.evaluator.model import HarmonyEvaluator, evaluator_input, object_square


@pytest.fixture
def picture():
    generator = torch.Generator().manual_seed(0)
    image, mask = torch.rand(3, 90, 120, 3, generator=generator), torch.zeros(3, 90, 120)
    for row, (top, left) in enumerate([(30, 40), (10, 5), (50, 80)]):
        mask[row, top : top + 20, left : left + 25] = 1
    return image, mask


def redness(square):
    """A classifier of closed form: the object's mean red, in [-1,1], is the logit."""
    red = (square[:, 0] * square[:, 3]).sum((1, 2)) / square[:, 3].sum((1, 2))
    return torch.stack((torch.zeros_like(red), red), dim=1)


@pytest.mark.parametrize("view", ["crop", "whole"])
def test_the_score_is_the_second_classs_probability(view):
    image, mask = torch.zeros(2, 64, 64, 3), torch.zeros(2, 64, 64)
    mask[:, 20:40, 20:40] = 1
    image[0, 20:40, 20:40, 0] = 1
    scores = HarmonyEvaluator("redness", redness, view).score(image, mask)
    assert scores.shape == (2,)
    # the crop is enlarged, so that the object's edge is a blend
    expected = [1 / (1 + math.exp(-red)) for red in (1, -1)]
    assert scores.tolist() == pytest.approx(expected, abs=0.02)


def test_a_batch_scores_as_its_pictures_alone_do(picture):
    evaluator = HarmonyEvaluator("redness", redness)
    alone = [evaluator.score(image[None], mask[None]) for image, mask in zip(*picture, strict=True)]
    assert torch.equal(evaluator.score(*picture), torch.cat(alone))


def test_no_gradient_is_kept(picture):
    image = picture[0].clone().requires_grad_()
    assert not HarmonyEvaluator("redness", redness).score(image, picture[1]).requires_grad


def test_the_input_is_rgb_about_zero_and_the_mask(picture):
    image, mask = picture[0][:1], picture[1][:1]
    square = evaluator_input(image, mask)
    assert square.shape == (1, 4, 256, 256)
    window = image[:, 15:65, 27:77].movedim(-1, 1)  # 50 pixels about (40, 52.5)
    expected = interpolate(window, (256, 256), mode="bilinear") * 2 - 1
    assert torch.allclose(square[:, :3], expected, atol=1e-5)
    assert square[:, 3].mean().item() == pytest.approx(20 * 25 / 50**2, abs=0.01)


def test_the_whole_view_is_the_picture_stretched(picture):
    image, mask = picture[0][:1], picture[1][:1]
    square = evaluator_input(image, mask, "whole")
    expected = interpolate(image.movedim(-1, 1), (256, 256), mode="bilinear") * 2 - 1
    assert torch.allclose(square[:, :3], expected, atol=1e-5)
    assert square[:, 3].mean().item() == pytest.approx(mask.mean().item(), abs=0.01)


@pytest.mark.parametrize(
    ("picture", "box", "rectangle"),
    [
        ((100, 100), (40, 40, 20, 20), (30, 30, 40, 40)),
        ((100, 100), (45, 30, 10, 40), (10, 10, 80, 80)),  # the longer side counts
        ((100, 100), (80, 0, 20, 20), (60, 0, 40, 40)),  # moved inside
        ((60, 200), (10, 90, 40, 40), (0, 80, 60, 60)),  # a low picture: its height, and still a square
        ((200, 60), (90, 10, 40, 40), (80, 0, 60, 60)),
        ((60, 200), (0, 0, 60, 200), (0, 70, 60, 60)),  # the object is cut rather than stretched
    ],
)
def test_the_rectangle_is_a_square_around_the_object(picture, box, rectangle):
    mask, (top, left, height, width) = torch.zeros(picture), box
    mask[top : top + height, left : left + width] = 1
    assert object_square(mask) == Rectangle(*rectangle)


def test_an_object_in_parts_that_no_square_shows_is_an_error():
    mask = torch.zeros(1, 60, 400)
    mask[:, 20:40, :20] = mask[:, 20:40, -20:] = 1
    with pytest.raises(ValueError, match="^`mask`: .*so far apart"):
        HarmonyEvaluator("redness", redness).score(torch.rand(1, 60, 400, 3), mask)


def test_its_own_view_is_seen_whole(picture):
    """The loop scores working views: cutting about the object again changes nothing."""
    image, mask = picture[0][:1], picture[1][:1]
    square = evaluator_input(image, mask)
    again = evaluator_input((square[:, :3].movedim(1, -1) + 1) / 2, square[:, 3])
    assert torch.allclose(again, square, atol=1e-5)


def test_an_empty_mask(picture):
    with pytest.raises(ValueError, match="^`mask`: the mask is empty"):
        HarmonyEvaluator("redness", redness).score(picture[0], torch.zeros(3, 90, 120))
