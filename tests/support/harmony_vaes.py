"""Harmony-VAEs of random weights, and files of the released form."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from checkpoints import Weights
from safetensors.torch import save_file
from tiny_models import fill, tiny_vae
from torch import Tensor

from diff_harmonization.host.diffharmony.vae import HostHarmonyVAE, empty_network
from diff_harmonization.methods.diffharmony.checkpoint import ENCODER, released_tensors
from diff_harmonization.methods.diffharmony.network import HarmonyVAE


def fresh_network(vae=None) -> HarmonyVAE:
    """A network around the parts of a plain VAE, its skips at zero."""
    plain = copy.deepcopy((vae or tiny_vae()).first_stage_model)
    return HarmonyVAE(plain.encoder, plain.decoder, plain.quant_conv, plain.post_quant_conv)


def lively_network(seed: int = 5) -> HarmonyVAE:
    """A small network whose skips do something."""
    network = fresh_network()
    fill(network, seed)
    return network


def lively_vae() -> HostHarmonyVAE:
    return HostHarmonyVAE("lively", lively_network())


def released_state() -> dict[str, Tensor]:
    """Every tensor of the released file, random; all are views of a little noise."""
    weights = Weights()
    released = released_tensors(empty_network().state_dict())
    encoder = {
        name.replace(ENCODER, "encoder.", 1): value
        for name, value in released.items()
        if name.startswith(ENCODER) and "skip_conv" not in name and "add_conv_in" not in name
    }
    return {name: weights(name, tuple(value.shape)) for name, value in (released | encoder).items()}


def write_released(path: Path, state: dict[str, Tensor] | None = None) -> Path:
    """A file of the released form: a pickle stores views once, safetensors in full."""
    state = released_state() if state is None else state
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file({name: value.contiguous() for name, value in state.items()}, path)
    else:
        torch.save(state, path)
    return path
