import pytest
import timm
import torch
from published import published
from settled import settled

from diff_harmonization.core.efficientnet import BLOCK_WIDTHS, EfficientNetLite0, SameConv2d, widened_state


@pytest.mark.parametrize("side", [128, 97])  # "SAME" pads odd sides otherwise
def test_lite0_is_timms(side):
    """timm's tf_efficientnet_lite0 registers the same tensors in the same order, under other names."""
    ours, theirs = settled(EfficientNetLite0()), timm.create_model("tf_efficientnet_lite0").eval()
    own = list(ours.state_dict().values())
    theirs.load_state_dict(theirs.state_dict() | dict(zip(list(theirs.state_dict())[: len(own)], own, strict=True)))
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(side))
    with torch.no_grad():
        assert torch.allclose(ours(image)[-1], theirs.blocks(theirs.bn1(theirs.conv_stem(image))), atol=1e-4)


def test_fewer_blocks_are_the_first_of_all():
    whole, part = settled(EfficientNetLite0()), EfficientNetLite0(depth=5).eval()
    part.load_state_dict({name: value for name, value in whole.state_dict().items() if name in part.state_dict()})
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps, all_maps = part(image), whole(image)
    assert [values.shape[1] for values in all_maps] == list(BLOCK_WIDTHS)
    assert len(maps) == 5 and all(torch.equal(a, b) for a, b in zip(maps, all_maps[:5], strict=True))


@pytest.mark.parametrize(("side", "kernel", "stride", "out"), [(7, 3, 2, 4), (8, 3, 2, 4), (8, 5, 1, 8), (9, 5, 2, 5)])
def test_same_padding_keeps_the_side_over_the_stride(side, kernel, stride, out):
    assert SameConv2d(1, 1, kernel, stride)(torch.zeros(1, 1, side, side)).shape[-2:] == (out, out)


def test_pretrained_maps_are_those_of_the_rgb_network():
    """Whatever the mask, before the first training step."""
    rgb = settled(EfficientNetLite0())
    body = EfficientNetLite0(4).eval()
    body.load_state_dict(widened_state(body, published(rgb.state_dict())))
    squares = torch.rand(2, 4, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        ours, theirs = body(squares), rgb(squares[:, :3])
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(ours, theirs, strict=True))


def test_other_weights_are_refused_as_initial_backbone():
    with pytest.raises(ValueError, match=r"initial backbone has \d+ tensors, first conv1.weight; expected those of an"):
        widened_state(EfficientNetLite0(4), timm.create_model("resnet18").state_dict())
