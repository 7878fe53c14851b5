from dataclasses import replace

import pytest
import torch
from routed_networks import lively_network

from diff_harmonization.core.view import Rectangle
from diff_harmonization.methods.routed.harmonizer import LEAST_SIDE, MARGINS, Proposal, RoutedHarmonizer, seen_square
from diff_harmonization.methods.routed.network import SIDE
from diff_harmonization.methods.routed.transform import LOCAL, TERMS, ColorTransform

HEIGHT, WIDTH = 90, 120


@pytest.fixture(scope="module")
def harmonizer():
    return RoutedHarmonizer("lively", lively_network())


@pytest.fixture
def image():
    cells = torch.rand(9, 12, 3, generator=torch.Generator().manual_seed(0))
    return 0.2 + 0.6 * cells.repeat_interleave(10, 0).repeat_interleave(10, 1)


@pytest.fixture
def mask():
    """A box whose square has whole pixels on both sides."""
    mask = torch.zeros(HEIGHT, WIDTH)
    mask[30:60, 40:70] = 1
    return mask


@pytest.fixture
def importance(mask):
    noise = torch.rand(9, 12, generator=torch.Generator().manual_seed(1))
    return torch.maximum(mask, noise.repeat_interleave(10, 0).repeat_interleave(10, 1))


def test_a_proposal(harmonizer, image, mask, importance):
    proposal = harmonizer.look(image, mask, importance)
    assert proposal.square == Rectangle(15, 25, 60, 60)
    out, lut = proposal.applied(image, mask)
    assert out.shape == image.shape
    assert torch.equal(out[mask == 0], image[mask == 0])
    assert (out - image)[mask > 0].abs().mean() > 0.01
    assert torch.equal(lut.table, proposal.applied(image, mask, local=False)[1].table)


def test_what_the_network_is_shown(harmonizer, image, mask, importance):
    """The squares around the object, then their mirror images, in the network's own size."""
    seen = []

    def network(*values):
        seen.append(values)
        return harmonizer.network(*values)

    RoutedHarmonizer("watched", network).look(image, mask, importance)
    (shown,) = seen
    squares = len(MARGINS)
    assert [tuple(values.shape) for values in shown] == [(2 * squares, channels, SIDE, SIDE) for channels in (3, 1, 1)]
    for values, plane in zip(shown, (image.movedim(-1, 0), mask, importance), strict=True):
        assert torch.equal(values[:squares].flip(-1), values[squares:])
        middle = plane[..., 45, 55]
        assert torch.allclose(values[0, ..., SIDE // 2, SIDE // 2].squeeze(), middle, atol=1e-5)
        assert values.min() >= plane.min() - 1e-6 and values.max() <= plane.max() + 1e-6
    for margin, plane in zip(MARGINS, shown[1], strict=False):  # the first half, around a box of 30 pixels
        assert plane.mean().item() == pytest.approx((30 / max(margin * 30, LEAST_SIDE)) ** 2, rel=0.05)


def test_the_mean_of_what_the_squares_propose(image, mask, importance):
    """The global change is the mean of all, the local one that of the first square and its mirror image."""
    curve, local = torch.randn(6, 3, TERMS), torch.randn(6, LOCAL, 4, 4)
    proposed = ColorTransform(torch.arange(18.0).reshape(6, 3, 1, 1), curve, local)
    proposal = RoutedHarmonizer("fixed", lambda *seen: proposed).look(image, mask, importance)
    assert torch.allclose(proposal.transform.curve, curve.mean(0, keepdim=True))
    assert torch.allclose(proposal.transform.local[0], (local[0] + local[3].flip(-1)) / 2)
    assert torch.equal(proposal.transform.center, proposed.center[:1])


def test_the_mean_of_the_picture_and_its_mirror_image(harmonizer, image, mask, importance):
    proposal = harmonizer.look(image, mask, importance)
    mirrored = harmonizer.look(image.flip(1), mask.flip(1), importance.flip(1))
    assert mirrored.square == replace(proposal.square, left=WIDTH - proposal.square.left - proposal.square.width)
    out = proposal.applied(image, mask)[0]
    assert torch.allclose(mirrored.applied(image.flip(1), mask.flip(1))[0], out.flip(1), atol=1e-5)


def test_strength(harmonizer, image, mask, importance):
    proposal = harmonizer.look(image, mask, importance)
    out, lut = proposal.applied(image, mask, strength=0)
    assert torch.equal(out, image) and out is not image
    assert torch.allclose(lut.table, proposal.applied(image, mask, strength=1e-9)[1].table, atol=1e-6)
    inside = mask > 0
    distances = [
        (proposal.applied(image, mask, strength)[0] - image)[inside].abs().mean().item() for strength in (0.5, 1, 2)
    ]
    assert 0.005 < distances[0] < distances[1] < distances[2]
    with pytest.raises(ValueError, match="^`strength`: got -0.1, expected 0 or more"):
        proposal.applied(image, mask, strength=-0.1)


def test_without_the_local_change_the_lut_is_the_result(harmonizer, image, mask, importance):
    proposal = harmonizer.look(image, mask, importance)
    out, lut = proposal.applied(image, mask, local=False)
    inside = mask > 0
    assert torch.allclose(out[inside], lut.sample(image[inside]), atol=1e-6)
    assert not torch.allclose(out[inside], proposal.applied(image, mask)[0][inside], atol=1e-3)


def test_the_local_change_lies_over_the_square_that_was_seen(harmonizer, image, mask, importance):
    proposal = harmonizer.look(image, mask, importance)
    elsewhere = Proposal(Rectangle(20, 35, 60, 60), proposal.transform)
    assert not torch.allclose(elsewhere.applied(image, mask)[0], proposal.applied(image, mask)[0], atol=1e-3)


def test_a_soft_mask_is_kept(harmonizer, image, mask, importance):
    """Below the threshold a mask does not count as object, and still what it covers is blended."""
    soft = torch.where(mask > 0, mask, 0.25 * (importance > 0.5))
    proposal = harmonizer.look(image, soft, importance)
    assert proposal.square == Rectangle(15, 25, 60, 60)
    out = proposal.applied(image, soft)[0]
    whole = proposal.applied(image, torch.ones_like(mask))[0]
    assert torch.allclose(out, torch.lerp(image, whole, soft[..., None]), atol=1e-5)


def test_resolution_hardly_matters(harmonizer, image, mask, importance):
    big = [values.repeat_interleave(4, 0).repeat_interleave(4, 1) for values in (image, mask, importance)]
    small = harmonizer.look(image, mask, importance).applied(image, mask)[0]
    out = harmonizer.look(*big).applied(*big[:2])[0]
    assert out.shape == (4 * HEIGHT, 4 * WIDTH, 3)
    shrunk = out.reshape(HEIGHT, 4, WIDTH, 4, 3).mean((1, 3))
    assert (shrunk - small)[mask > 0].abs().mean() < 0.2 * (small - image)[mask > 0].abs().mean()


@pytest.mark.parametrize("parameter", ["mask", "importance"])
def test_sizes_that_differ(harmonizer, image, mask, importance, parameter):
    planes = {"mask": mask, "importance": importance, parameter: torch.ones(64, 50)}
    with pytest.raises(ValueError, match=f"^`{parameter}`: got 50x64, expected 120x90 like the image"):
        harmonizer.look(image, **planes)


def test_an_empty_mask(harmonizer, image, mask, importance):
    with pytest.raises(ValueError, match="^`mask`: the mask is empty"):
        harmonizer.look(image, 0 * mask, importance)


def test_a_mask_of_everything(harmonizer, image, mask, importance):
    with pytest.raises(ValueError, match="^`mask`: the mask covers the whole picture"):
        harmonizer.look(image, torch.ones_like(mask), importance)


def test_the_importance_is_1_on_the_object_whatever_is_given(harmonizer, image, mask, importance):
    """People paint where the scene shows how the object should look, and leave the object black."""
    given, painted = (harmonizer.look(image, mask, plane) for plane in (importance, importance * (1 - mask)))
    assert torch.equal(given.transform.curve, painted.transform.curve)


def test_a_faint_importance_stays_faint(image, mask):
    planes = seen_square(image, mask, torch.full_like(mask, 0.2), Rectangle(15, 25, 60, 60))
    assert planes[2][planes[1] == 0].max() == pytest.approx(0.2, abs=1e-5)
    assert planes[2][planes[1] == 1].min() == 1


def test_a_small_object_is_seen_with_its_scene(harmonizer, image, importance):
    mask = torch.zeros(HEIGHT, WIDTH)
    mask[40:43, 50:52] = 1
    square = harmonizer.look(image, mask, importance).square
    assert (square.height, square.width) == (LEAST_SIDE, LEAST_SIDE)
    assert square.top < 40 < square.top + LEAST_SIDE and square.left < 50 < square.left + LEAST_SIDE
