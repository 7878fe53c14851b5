import logging

import comfy.sd
import pytest
import torch

from diff_harmonization.host.image import check_importance, check_mask, check_regions, decode, encode

IMAGE = torch.zeros(2, 8, 6, 3)


def test_mask_is_spread_over_the_batch():
    mask = torch.zeros(8, 6)
    mask[2:4] = 0.7
    out = check_mask(mask, IMAGE)
    assert out.shape == (2, 8, 6) and torch.equal(out[1], mask)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 6, 8), "got 8x6 .*expected 6x8"),
        ((0, 8, 6), "got 6x8 .batch of 0"),
        ((3, 8, 6), "got 3 masks for 2 pictures"),
        ((1, 1, 8, 6), r"got shape \(1, 1, 8, 6\), expected masks \[batch, height, width\]"),
    ],
)
def test_mask_of_another_size_is_refused(shape, message):
    with pytest.raises(ValueError, match=f"^`mask`: {message}"):
        check_mask(torch.ones(shape), IMAGE)


def test_several_masks_of_one_picture_are_told_the_box_for_them():
    with pytest.raises(ValueError, match="^`mask`: got 3 masks for one picture.*Harmonize Instances"):
        check_mask(torch.ones(3, 8, 6), IMAGE[:1])


def test_what_the_host_gives_for_a_file_without_alpha_is_no_mask():
    with pytest.raises(ValueError, match="^`mask`: there is no mask.*Mask Editor"):
        check_mask(torch.zeros(1, 64, 64), IMAGE)


def test_a_mask_of_truth_values_is_taken():
    mask = torch.zeros(1, 8, 6, dtype=torch.bool)
    mask[:, 2:4] = True
    assert torch.equal(check_mask(mask, IMAGE), mask.float().expand(2, -1, -1))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_refused_by_name(value):
    mask = torch.zeros(8, 6)
    mask[2:4] = 1
    with pytest.raises(ValueError, match="^`mask`: it holds values that are no numbers"):
        check_mask(mask.masked_fill(mask == 0, value), IMAGE)
    with pytest.raises(ValueError, match="^`image`: it holds values that are no numbers"):
        check_mask(mask, torch.full_like(IMAGE, value))
    with pytest.raises(ValueError, match="^`regions`: it holds values that are no numbers"):
        check_regions(mask.masked_fill(mask == 0, value), IMAGE)


@pytest.mark.parametrize("shape", [(2, 8, 6, 1), (0, 8, 6, 3), (8, 6, 3)])
def test_what_is_no_picture_is_refused_by_name(shape):
    with pytest.raises(ValueError, match=r"^`image`: got shape \(.*at least one RGB picture"):
        check_mask(torch.ones(1, 8, 6), torch.zeros(shape))


def test_empty_mask_is_refused():
    mask = torch.ones(2, 8, 6)
    mask[1] = 0.39  # below 100/255
    with pytest.raises(ValueError, match="^`mask`: the mask is empty"):
        check_mask(mask, IMAGE)


def test_mask_of_nearly_everything_earns_a_hint(caplog):
    with caplog.at_level(logging.WARNING):
        check_mask(torch.ones(1, 8, 6), IMAGE)
    assert "100%" in caplog.text and "inverted" in caplog.text


def framed(inside, outside):
    """A mask [1,40,40] with a square of 20 in its middle."""
    mask = torch.full((1, 40, 40), outside)
    mask[:, 10:30, 10:30] = inside
    return mask


def test_a_scene_around_an_object_earns_the_hint_and_a_large_object_does_not(caplog):
    check_mask(framed(0.0, 1.0), torch.zeros(1, 40, 40, 3))
    assert "75%" in caplog.text and "inverted" in caplog.text
    caplog.clear()
    portrait = torch.zeros(1, 40, 40)
    portrait[:, 8:, 4:36] = 1  # fills most of the picture, and stands on its lower edge
    check_mask(portrait, torch.zeros(1, 40, 40, 3))
    check_mask(framed(1.0, 0.0), torch.zeros(1, 40, 40, 3))
    assert caplog.text == ""


@pytest.mark.parametrize("shape", [(8, 6), (1, 8, 6), (2, 8, 6)])
def test_importance_is_spread_over_the_batch(shape):
    """It may be nothing anywhere, and everything everywhere: a map is no selection."""
    importance = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    out = check_importance(importance, IMAGE)
    assert out.shape == (2, 8, 6)
    assert torch.equal(out[1], importance.reshape(-1, 8, 6)[-1])
    assert check_importance(0 * importance, IMAGE).max() == 0


@pytest.mark.parametrize("shape", [(6, 8), (1, 6, 8), (3, 8, 6), (2, 4, 3)])
def test_importance_of_another_size_is_refused(shape):
    with pytest.raises(ValueError, match="^`importance`: got .*6x8.*from the same image"):
        check_importance(torch.ones(shape), IMAGE)


def test_vae_round_trip(executor):
    vae = comfy.sd.VAE(sd={"pixel_space_vae": torch.tensor(1.0)})
    image = torch.rand(1, 8, 8, 4, generator=torch.Generator().manual_seed(0))
    latent = encode(vae, image)
    assert latent.shape == (1, 3, 8, 8)
    torch.testing.assert_close(decode(vae, latent), image[..., :3])
