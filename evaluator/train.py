"""Train the evaluator: `python -m diff_harmonization.evaluator.train --photos FOLDER --work FOLDER`.

It needs photographs and masks, and no one's scores. Resumable: run it again with the same folder and it goes on from
the last checkpoint. Needs no host.
"""

from __future__ import annotations

import copy
import math
import random
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from .checkpoint import NETWORKS, read_network
from .data import VERSIONS, Crops, Sampler, cut_crops, read_split
from .networks import HarmonyNetwork, RegionNetwork, with_pretrained

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
NEW_LAYERS = ("head.", "body.conv_stem.", "conv1.", "fc.")  # the classes and the mask's channel: new
NEW_LAYERS_PACE = 4.0
EMA_DECAY = 0.997
PAIR_WEIGHT = 1.0


def soft_label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of logits [B,2] against soft labels [B], 1 = harmonious."""
    return functional.cross_entropy(logits, torch.stack((1 - labels, labels), dim=1))


def order_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Logistic loss on which of two versions of one photo is the better, weighted by how far apart they are.

    logits: [G*VERSIONS,2], labels: [G*VERSIONS], a photo's versions together.
    """
    margin = (logits[:, 1] - logits[:, 0]).unflatten(0, (-1, VERSIONS))
    labels = labels.unflatten(0, (-1, VERSIONS))
    gap = labels[:, :, None] - labels[:, None, :]
    weight = gap.clamp_min(0)
    lead = margin[:, :, None] - margin[:, None, :]
    return (functional.softplus(-lead) * weight).sum() / weight.sum().clamp_min(1e-6)


def load_crops(photos: Path, work: Path, reduction: int, per_photo: int) -> Crops:
    cache = work / f"crops-{reduction}-{per_photo}.pt"
    if not cache.is_file():
        temporary = cache.with_suffix(".tmp")
        crops = cut_crops(read_split(photos, "train"), reduction, per_photo, random.Random(0))
        torch.save(vars(crops), temporary)
        temporary.replace(cache)
    return Crops(**torch.load(cache, weights_only=True))


def start(architecture: str, initial: Path | None, initial_backbone: Path | None) -> HarmonyNetwork:
    if initial is not None:
        return read_network(load_file(initial), initial.name)[0].requires_grad_(True)
    network = NETWORKS[architecture]()
    if initial_backbone is None:
        return network
    if not isinstance(network, RegionNetwork):
        raise typer.BadParameter(f"--initial-backbone is for lite0, not for {architecture}")
    return with_pretrained(network, torch.load(initial_backbone, weights_only=True, map_location="cpu"))


def parameter_groups(network: nn.Module) -> list[dict]:
    new = [p for name, p in network.named_parameters() if name.startswith(NEW_LAYERS)]
    rest = [p for name, p in network.named_parameters() if not name.startswith(NEW_LAYERS)]
    return [{"params": rest, "pace": 1.0}, {"params": new, "pace": NEW_LAYERS_PACE}]


def schedule(step: int, steps: int, warmup: int = 50) -> float:
    """Learning rate factor: linear warm-up, then a cosine to zero."""
    return min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, step: int) -> None:
    """Exponential moving average of the weights and of the batch statistics."""
    decay = min(EMA_DECAY, (step + 1) / (step + 10))
    for smooth, value in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if value.is_floating_point():
            smooth.lerp_(value, 1 - decay)
        else:
            smooth.copy_(value)


def export(network: nn.Module, path: Path) -> None:
    """Write the weights as fp16 safetensors."""
    state = network.state_dict()
    save_file({k: v.half().contiguous().cpu() for k, v in state.items() if v.is_floating_point()}, path)


def main(
    photos: Annotated[Path, typer.Option(help="Folder with images/, masks/ and index.csv.")],
    work: Annotated[Path, typer.Option(help="Checkpoints and exported weights go here.")],
    architecture: Annotated[str, typer.Option(help="lite0, the embedded one, or the paper's resnet50.")] = ("lite0"),
    initial_backbone: Annotated[
        Path | None, typer.Option(help="ImageNet weights of EfficientNet-Lite0 to start from (.pth); see README.md.")
    ] = None,
    initial: Annotated[
        Path | None, typer.Option(help="Exported weights to start from, when there is no checkpoint yet.")
    ] = None,
    steps: int = 2000,
    groups: Annotated[int, typer.Option(help=f"Photos in a batch, {VERSIONS} versions of each.")] = 8,
    coarse_share: Annotated[
        float, typer.Option(help="Share of the steps, from the first, at half the side: a quarter of the work.")
    ] = 0.7,
    learning_rate: float = 5e-4,
    per_photo: Annotated[int, typer.Option(help="Squares cut from each photo.")] = 3,
    minutes: Annotated[float, typer.Option(help="Stop after this long; run again to go on.")] = 1e9,
) -> None:
    if architecture not in NETWORKS:
        raise typer.BadParameter(f"--architecture {architecture}: expected one of {', '.join(NETWORKS)}")
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    network = start(architecture, initial, initial_backbone).to(DEVICE, memory_format=torch.channels_last).train()
    average = copy.deepcopy(network).requires_grad_(False)
    optimizer = torch.optim.AdamW(parameter_groups(network), lr=learning_rate, weight_decay=0.02)
    checkpoint, first = work / "checkpoint.pt", 0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True, map_location=DEVICE)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    crops = load_crops(photos, work, network.reduction, per_photo)
    coarse, fine = Sampler(crops.halved(), seed=1), Sampler(crops, seed=1)
    typer.echo(f"{sum(p.numel() for p in network.parameters()) / 1e6:.1f}M parameters, {len(crops.objects)} squares")

    def save(step: int) -> None:
        state = {"network": network, "average": average, "optimizer": optimizer}
        temporary = checkpoint.with_suffix(".tmp")
        torch.save({name: value.state_dict() for name, value in state.items()} | {"step": step}, temporary)
        temporary.replace(checkpoint)
        export(average, work / "evaluator.safetensors")

    began, losses = time.monotonic(), []
    for step in range(first, steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * group["pace"] * schedule(step, steps)
        inputs, labels = (coarse if step < coarse_share * steps else fine).batch(step, groups)
        logits = network.classify(inputs.to(DEVICE, memory_format=torch.channels_last))
        parts = soft_label_loss(logits, labels.to(DEVICE)), order_loss(logits, labels.to(DEVICE))
        optimizer.zero_grad(set_to_none=True)
        (parts[0] + PAIR_WEIGHT * parts[1]).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        follow(average, network, step)
        losses.append([part.item() for part in parts])
        done = step + 1
        if done % 50 == 0:
            recent = torch.tensor(losses[-50:]).mean(0).tolist()
            pace = (time.monotonic() - began) / (done - first)
            typer.echo(f"step {done} label loss {recent[0]:.4f} order loss {recent[1]:.4f} {pace:.2f} s/step")
        expired = time.monotonic() - began > minutes * 60
        if done % 250 == 0 or done == steps or expired:
            save(done)
        if expired:
            break


if __name__ == "__main__":
    typer.run(main)
