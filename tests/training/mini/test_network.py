import pytest
import torch

from diff_harmonization.training.mini.looks import FARTHEST
from diff_harmonization.training.mini.network import FOREGROUND_WEIGHT, LOOK_WEIGHT, Network, Vocabulary


def test_encoding_pads_to_the_context_length_and_refuses_nothing_known():
    vocabulary = Vocabulary()
    rows = vocabulary.encode(["tree bright summer", ""])
    assert rows.shape == (2, 77)
    assert (rows < len(vocabulary.token_ids)).all()
    assert [vocabulary.token_ids[row] for row in rows[0].tolist()] == vocabulary.ids("tree bright summer")


def test_the_loss_is_that_of_the_preconditioned_target():
    """An untrained network answers zero, so its loss is the target's own mean square: about 1 at any noise level."""
    torch.manual_seed(0)
    network = Network(10)
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    masks = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(2)).round()
    rows = torch.zeros(4, 77, dtype=torch.long)
    with torch.no_grad():
        assert network.unet.inner(images, torch.zeros(4), network.context(rows)).abs().max() == 0
        found, again = (network.losses(images, images, masks, rows, torch.Generator().manual_seed(1)) for _ in range(2))
    assert found == again
    assert 0.8 < found["pixel loss"] < 1.5 and 0 < found["look loss"] < LOOK_WEIGHT * FARTHEST**2


def test_an_error_on_the_object_counts_more():
    """The untrained network answers zero. Where the noise is strong, that is wrong for white and nearly right for gray,
    so nearly all of the loss is the white half's: its weight shows in what it is when the object lies there."""
    torch.manual_seed(0)
    network = Network(10)
    masks, images = torch.zeros(4, 1, 64, 64), torch.full((4, 3, 64, 64), 0.5)
    masks[..., :32] = 1
    images[..., :32] = 1.0
    rows = torch.zeros(4, 77, dtype=torch.long)

    def loss(objects):
        generator = torch.Generator().manual_seed(1)
        return network.losses(images, images, objects, rows, generator, late_share=1.0)["pixel loss"].item()

    with torch.no_grad():
        everywhere, on_white, on_gray = loss(torch.ones_like(masks)), loss(masks), loss(1 - masks)
        nowhere = loss(torch.zeros_like(masks))
    assert everywhere == pytest.approx(nowhere)
    assert (on_white + on_gray) / 2 == pytest.approx(everywhere, rel=1e-5)
    assert 2 < on_white / on_gray < FOREGROUND_WEIGHT
