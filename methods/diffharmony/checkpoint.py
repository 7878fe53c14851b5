"""Files of Harmony-VAEs: diffusers' names of an AutoencoderKL, with a conditional encoder and skips beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ...core.errors import InputError
from ...core.weights import misfit, read_table

EXPECTED = "expected DiffHarmony's condition VAE (condition_vae/diffusion_pytorch_model.safetensors of its release)"
LEVELS = 4
ENCODER = "conditional_encoder."

# Where a tensor of the network stands in the file.
RENAMED = (
    (r"^mask_conv\.", f"{ENCODER}add_conv_in."),
    (r"^skips\.", f"{ENCODER}down_block_skip_convs."),
    (r"^mid_skip\.", f"{ENCODER}mid_block_skip_conv."),
    (r"^latent_skip\.", "latent_skip_conv."),
    (r"\.norm_out\.", ".conv_norm_out."),
    (r"\.nin_shortcut\.", ".conv_shortcut."),
    (r"\.down\.(\d)\.block\.", r".down_blocks.\1.resnets."),
    (r"\.down\.(\d)\.downsample\.", r".down_blocks.\1.downsamplers.0."),
    (r"\.up\.(\d)\.block\.", lambda match: f".up_blocks.{LEVELS - 1 - int(match[1])}.resnets."),
    (r"\.up\.(\d)\.upsample\.", lambda match: f".up_blocks.{LEVELS - 1 - int(match[1])}.upsamplers.0."),
    (r"\.mid\.block_(\d)\.", lambda match: f".mid_block.resnets.{int(match[1]) - 1}."),
    (r"\.mid\.attn_1\.norm\.", ".mid_block.attentions.0.group_norm."),
    (r"\.mid\.attn_1\.([qkv])\.", r".mid_block.attentions.0.to_\1."),
    (r"\.mid\.attn_1\.proj_out\.", ".mid_block.attentions.0.to_out.0."),
)
LINEAR = re.compile(r"\.attentions\.0\.to_\w+(\.0)?\.weight$")  # 1x1 convolutions of the network


def released_name(name: str) -> str:
    """The file's name for a tensor of the network.

    >>> released_name("decoder.up.3.block.0.norm1.weight")
    'decoder.up_blocks.0.resnets.0.norm1.weight'
    """
    for pattern, replacement in RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def released_tensors(own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a file of a network holds beside `encoder`, from the network's own tensors."""
    named = ((released_name(name), value) for name, value in own.items())
    return {name: value[..., 0, 0] if LINEAR.search(name) else value for name, value in named}


def network_tensors(path: Path, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A file's tensors under the network's names. Nothing but tensors is read: no code of the file runs.

    Args:
        path: a safetensors or a PyTorch file.
        own: the network's tensors; only names and shapes count.

    Returns:
        A tensor for each of `own`. The plain encoder, which no decoding needs, is left out.

    Raises:
        InputError: when the file cannot be read, or is of something else.
    """
    state = read_table(path, EXPECTED)
    if not any(name.startswith(ENCODER) for name in state):
        raise InputError("path", f"{path.name} is no Harmony-VAE: it has no conditional encoder; {EXPECTED}.")
    released = released_tensors(own)
    if wrong := misfit(released | _plain_encoder(own), state):
        raise InputError("path", f"{path.name} is no Harmony-VAE: {wrong}; {EXPECTED}.")
    return {name: state[released_name(name)].reshape(value.shape) for name, value in own.items()}


def _plain_encoder(own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The plain encoder is what the conditional one was copied from, so it has the same tensors."""
    plain = {name: value for name, value in own.items() if name.startswith(ENCODER)}
    return {name.replace(ENCODER, "encoder.", 1): value for name, value in released_tensors(plain).items()}
