import logging

import comfy.sd
import pytest
import torch

from diff_harmonization.host.image import check_importance, check_mask, decode, encode

IMAGE = torch.zeros(2, 8, 6, 3)


def test_mask_is_spread_over_the_batch():
    mask = torch.zeros(8, 6)
    mask[2:4] = 0.7
    out = check_mask(mask, IMAGE)
    assert out.shape == (2, 8, 6) and torch.equal(out[1], mask)


@pytest.mark.parametrize("shape", [(1, 6, 8), (3, 8, 6), (1, 1, 8, 6)])
def test_mask_of_another_size_is_refused(shape):
    with pytest.raises(ValueError, match="^`mask`: got .*6x8"):
        check_mask(torch.ones(shape), IMAGE)


def test_empty_mask_is_refused():
    mask = torch.ones(2, 8, 6)
    mask[1] = 0.39  # below 100/255
    with pytest.raises(ValueError, match="^`mask`: the mask is empty"):
        check_mask(mask, IMAGE)


def test_mask_of_nearly_everything_earns_a_hint(caplog):
    with caplog.at_level(logging.WARNING):
        check_mask(torch.ones(1, 8, 6), IMAGE)
    assert "100%" in caplog.text and "inverted" in caplog.text


@pytest.mark.parametrize("shape", [(8, 6), (1, 8, 6), (2, 8, 6)])
def test_importance_is_spread_over_the_batch(shape):
    """It may be nothing anywhere, and everything everywhere: a map is no selection."""
    importance = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    out = check_importance(importance, IMAGE)
    assert out.shape == (2, 8, 6)
    assert torch.equal(out[1], importance.reshape(-1, 8, 6)[-1])
    assert check_importance(0 * importance, IMAGE).max() == 0


@pytest.mark.parametrize("shape", [(6, 8), (1, 6, 8), (3, 8, 6), (1, 1, 8, 6), (2, 4, 3)])
def test_importance_of_another_size_is_refused(shape):
    with pytest.raises(ValueError, match="^`importance`: got .*6x8.*from the same image"):
        check_importance(torch.ones(shape), IMAGE)


def test_vae_round_trip(executor):
    vae = comfy.sd.VAE(sd={"pixel_space_vae": torch.tensor(1.0)})
    image = torch.rand(1, 8, 8, 4, generator=torch.Generator().manual_seed(0))
    latent = encode(vae, image)
    assert latent.shape == (1, 3, 8, 8)
    torch.testing.assert_close(decode(vae, latent), image[..., :3])
