import pytest
import torch
from torch.nn.functional import interpolate

from diff_harmonization.methods.diffharmony.conditioning import latent_frame, latent_mask


def test_the_mask_is_sampled_at_the_nearest_pixels():
    mask = torch.rand(2, 48, 64, generator=torch.Generator().manual_seed(0))
    small = latent_mask(mask, (6, 8))
    binary = (mask >= 100 / 255).float()
    assert small.shape == (2, 1, 6, 8) and set(small.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(small, interpolate(binary[:, None], scale_factor=1 / 8, mode="nearest"))
    assert torch.equal(small[:, 0], binary[:, ::8, ::8])


def test_an_object_that_falls_between_the_pixels_is_refused():
    mask = torch.zeros(2, 16, 16)
    mask[0] = mask[1, 1:8, 1:8] = 1
    with pytest.raises(ValueError, match="^`mask`: the object is so small .* latent's size, 2x2"):
        latent_mask(mask, (2, 2))


@pytest.mark.parametrize("channels", [(), (3,)])
def test_the_frame_is_even_at_both_ends(channels):
    picture = torch.arange(21 * 27.0).reshape(1, 21, 27)
    picture = picture[..., None].expand(1, 21, 27, 3) if channels else picture
    frame = latent_frame(picture, (2, 3), 8)
    assert torch.equal(frame, picture[:, 2:18, 1:25])
    assert latent_frame(frame, (2, 3), 8).shape == frame.shape
    assert torch.equal(latent_frame(picture, (5, 6), 4), picture[:, :20, 1:25])


def test_another_size_is_refused():
    with pytest.raises(ValueError, match="^`image`: got 64x48 .* for a latent of 8x8, expected 64x64"):
        latent_frame(torch.zeros(1, 48, 64), (8, 8), 8)
