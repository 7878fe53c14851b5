import re

import pytest
import torch
from harmony_vaes import released_state, write_released

from diff_harmonization.host.diffharmony.vae import empty_network
from diff_harmonization.methods.diffharmony.checkpoint import network_tensors, released_name, released_tensors


@pytest.fixture(scope="module")
def own():
    return empty_network().state_dict()


@pytest.fixture(scope="module")
def state():
    return released_state()


@pytest.mark.parametrize(
    ("name", "released"),
    [
        ("mask_conv.bias", "conditional_encoder.add_conv_in.bias"),
        ("skips.11.weight", "conditional_encoder.down_block_skip_convs.11.weight"),
        ("mid_skip.weight", "conditional_encoder.mid_block_skip_conv.weight"),
        ("latent_skip.bias", "latent_skip_conv.bias"),
        ("quant_conv.weight", "quant_conv.weight"),
        ("conditional_encoder.conv_in.weight", "conditional_encoder.conv_in.weight"),
        ("conditional_encoder.down.2.block.1.norm1.bias", "conditional_encoder.down_blocks.2.resnets.1.norm1.bias"),
        (
            "conditional_encoder.down.1.block.0.nin_shortcut.weight",
            "conditional_encoder.down_blocks.1.resnets.0.conv_shortcut.weight",
        ),
        (
            "conditional_encoder.down.0.downsample.conv.weight",
            "conditional_encoder.down_blocks.0.downsamplers.0.conv.weight",
        ),
        ("conditional_encoder.norm_out.weight", "conditional_encoder.conv_norm_out.weight"),
        ("decoder.up.3.block.2.conv1.weight", "decoder.up_blocks.0.resnets.2.conv1.weight"),
        ("decoder.up.1.upsample.conv.bias", "decoder.up_blocks.2.upsamplers.0.conv.bias"),
        ("decoder.mid.block_2.conv2.weight", "decoder.mid_block.resnets.1.conv2.weight"),
        ("decoder.mid.attn_1.norm.weight", "decoder.mid_block.attentions.0.group_norm.weight"),
        ("decoder.mid.attn_1.q.weight", "decoder.mid_block.attentions.0.to_q.weight"),
        ("decoder.mid.attn_1.proj_out.bias", "decoder.mid_block.attentions.0.to_out.0.bias"),
    ],
)
def test_names(name, released):
    assert released_name(name) == released


def test_names_are_those_that_the_host_knows(state):
    """The host's own table brings a plain VAE's part of the file to its own names, and ours agree."""
    import comfy.diffusers_convert

    plain = {name: value for name, value in state.items() if name.startswith(("decoder.", "encoder."))}
    theirs = comfy.diffusers_convert.convert_vae_state_dict(plain)
    own = empty_network().state_dict()
    for name, value in theirs.items():
        ours = name.replace("encoder.", "conditional_encoder.") if name.startswith("encoder.") else name
        assert own[ours].shape == value.shape


def test_a_file_of_every_key_is_read(own, state, tmp_path):
    assert len(state) == 2 * 106 + 138 + 4 + 2 + 26 + 2  # encoders, decoder, quantization, mask, skips, latent's skip
    tensors = network_tensors(write_released(tmp_path / "vae.bin", state), own)
    assert tensors.keys() == own.keys()
    assert all(tensors[name].shape == value.shape for name, value in own.items())
    name = "decoder.up_blocks.3.resnets.0.conv1.weight"
    assert torch.equal(tensors["decoder.up.0.block.0.conv1.weight"], state[name])
    linear = state["decoder.mid_block.attentions.0.to_k.weight"]
    assert torch.equal(tensors["decoder.mid.attn_1.k.weight"][..., 0, 0], linear)


def refused(tmp_path, own, state, said):
    path = write_released(tmp_path / "vae.bin", state)
    with pytest.raises(ValueError, match=said) as error:
        network_tensors(path, own)
    assert "\n" not in str(error.value) and str(error.value).endswith("of its release).")


def test_a_plain_vae_is_refused(tmp_path, own, state):
    extra = r"conditional_encoder|latent_skip"
    plain = {name: value for name, value in state.items() if not re.match(extra, name)}
    refused(tmp_path, own, plain, "^`path`: vae.bin is no Harmony-VAE: it has no conditional encoder; expected Diff")


@pytest.mark.parametrize(
    "name", ["conditional_encoder.down_block_skip_convs.7.weight", "latent_skip_conv.bias", "encoder.conv_in.weight"]
)
def test_a_missing_tensor_is_named(tmp_path, own, state, name):
    less = {key: value for key, value in state.items() if key != name}
    refused(tmp_path, own, less, f"vae.bin is no Harmony-VAE: {re.escape(name)} is missing; expected")


def test_another_shape_and_a_stranger_are_named(tmp_path, own, state):
    name = "conditional_encoder.add_conv_in.weight"
    other = state | {name: torch.zeros(128, 2, 3, 3)}
    refused(tmp_path, own, other, rf"{re.escape(name)} is \(128, 2, 3, 3\) where \(128, 1, 3, 3\) is expected")
    refused(tmp_path, own, state | {"extra": torch.zeros(1)}, "extra is not expected")


@pytest.mark.parametrize("name", ["vae.safetensors", "vae.bin"])
def test_a_file_that_is_no_weights(tmp_path, own, name):
    (tmp_path / name).write_bytes(b"no weights at all")
    with pytest.raises(ValueError, match=f"^`path`: {name} cannot be read as weights: .*; expected DiffHarmony's"):
        network_tensors(tmp_path / name, own)


def test_no_code_of_a_file_runs(tmp_path, own):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"a": Evil()}, tmp_path / "vae.bin")
    with pytest.raises(ValueError, match="cannot be read"):
        network_tensors(tmp_path / "vae.bin", own)
    assert not (tmp_path / "ran").exists()


def test_something_else_than_a_table(tmp_path, own):
    torch.save([torch.zeros(1)], tmp_path / "vae.bin")
    with pytest.raises(ValueError, match="vae.bin holds a list, not a table of weights"):
        network_tensors(tmp_path / "vae.bin", own)


def test_released_tensors_are_what_is_read(tmp_path, own, state):
    tensors = network_tensors(write_released(tmp_path / "vae.bin", state), own)
    written = released_tensors(tensors)
    assert all(torch.equal(value, state[name]) for name, value in written.items())
