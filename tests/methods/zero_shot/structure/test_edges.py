import pytest
import torch

from diff_harmonization.methods.zero_shot.structure.edges import EdgeLoss
from diff_harmonization.methods.zero_shot.structure.pidinet import PiDiNetEdges
from diff_harmonization.methods.zero_shot.structure.sobel import sobel_edges


@pytest.fixture
def mask():
    mask = torch.zeros(2, 24, 20)
    mask[:, 4:20, 3:17] = 1
    return mask


def test_terms_by_hand():
    image, mask = torch.zeros(1, 3, 2, 2), torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    loss = EdgeLoss(image, mask, [(lambda x: x, 1.0), (lambda x: 2 * x[:, :1], 0.1)])
    # inside the mask: mean over 3x4 of 0.25 in two of four columns, and over 4 of 1 in two
    torch.testing.assert_close(loss(image + 0.5), torch.tensor([0.25 / 2 + 0.1 * 1.0 / 2]))


def test_the_composite_itself_costs_nothing(image, mask, network):
    loss = EdgeLoss(image, mask, [(sobel_edges, 1.0), (PiDiNetEdges(network(20)), 0.1)])
    assert torch.equal(loss(image), torch.zeros(2))


def test_a_shift_of_color_costs_less_than_a_blur(image, mask):
    """What the terms are for: light may change, structure may not."""
    loss = EdgeLoss(image, mask, [(sobel_edges, 1.0)])
    shifted, blurred = image + 0.2, torch.nn.functional.avg_pool2d(image, 5, 1, 2, count_include_pad=False)
    assert (loss(shifted) < 1e-3 * loss(blurred)).all()


def test_only_the_foreground_counts_and_images_do_not_mix(image, mask, network):
    loss = EdgeLoss(image, mask, [(sobel_edges, 1.0)])
    outside = image.clone()
    outside[:, :, :2] = 0.0
    assert torch.equal(loss(outside), torch.zeros(2))
    other = image.clone()
    other[1, :, 8:12] += 0.3
    first, second = loss(other)
    assert first == 0 and second > 0


# Scaled to the tolerance; a network with random weights finds next to no edges.
@pytest.mark.parametrize(("detector", "weight"), [("sobel", 1e2), ("pidinet", 1e5)])
def test_gradient_matches_finite_differences(float64, image, mask, network, detector, weight):
    found = sobel_edges if detector == "sobel" else PiDiNetEdges(network(20))
    loss = EdgeLoss(image, mask.double(), [(found, weight)])
    decoded = (image + 0.1 * torch.randn(image.shape, generator=torch.Generator().manual_seed(3))).requires_grad_()
    assert torch.autograd.gradcheck(loss, decoded, eps=1e-7, atol=1e-6, rtol=1e-4, fast_mode=True)
    (gradient,) = torch.autograd.grad(loss(decoded).sum(), decoded)
    assert gradient.abs().max() > 1e-3


def test_pidinets_term_moves_the_picture(image, mask, network):
    """Descending it alone brings the edges back, which takes a gradient that is more than noise."""
    loss = EdgeLoss(image, mask, [(PiDiNetEdges(network(20)), 1.0)])
    decoded = torch.nn.functional.avg_pool2d(image, 5, 1, 2, count_include_pad=False).requires_grad_()
    before = loss(decoded)
    optimizer = torch.optim.Adam([decoded], lr=0.01)
    for _ in range(20):
        optimizer.zero_grad()
        loss(decoded).sum().backward()
        optimizer.step()
    assert (loss(decoded) < 0.5 * before).all()


def test_other_shapes_are_refused(image, mask):
    with pytest.raises(ValueError, match=r"mask \[B,H,W\], got \(2, 3, 24, 20\) and \(2, 24, 19\)"):
        EdgeLoss(image, mask[..., :19], [])
    with pytest.raises(ValueError, match=r"made for \(2, 3, 24, 20\), got a picture \(2, 3, 20, 24\)"):
        EdgeLoss(image, mask, [])(image.transpose(2, 3))
