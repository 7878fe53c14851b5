"""Train the evaluator: `python -m diff_harmonization.training.evaluator.train --photos FOLDER --work FOLDER`.

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

from ...data.photos import read_photos
from ...evaluator.checkpoint import NETWORKS, read_network
from ...evaluator.networks import HarmonyNetwork, RegionNetwork, with_pretrained
from .crops import Crops, cut_crops
from .sampler import VERSIONS, Sampler

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
NEW_LAYERS = ("head.", "body.conv_stem.", "conv1.", "fc.")  # the classes and the mask's channel: new
NEW_LAYERS_PACE = 3.0
EMA_DECAY = 0.997
ORDER_WEIGHT = 1.0
SHARPNESS = 6.0  # of the order: versions two ranks apart are told apart four times in five


def soft_label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of logits [B,2] against soft labels [B], 1 = harmonious."""
    return functional.cross_entropy(logits, torch.stack((1 - labels, labels), dim=1))


def order_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of which of two versions of one photo is the better, surer the farther apart their labels are.

    logits: [G*VERSIONS,2], labels: [G*VERSIONS], a photo's versions together.
    """
    margin = (logits[:, 1] - logits[:, 0]).unflatten(0, (-1, VERSIONS))
    first, second = torch.triu_indices(VERSIONS, VERSIONS, 1)
    labels = labels.unflatten(0, (-1, VERSIONS))
    better = (SHARPNESS * (labels[:, first] - labels[:, second])).sigmoid()
    return functional.binary_cross_entropy_with_logits(margin[:, first] - margin[:, second], better)


def load_crops(photos: Path, work: Path, reduction: int, per_photo: int) -> Crops:
    cache = work / f"crops-{reduction}-{per_photo}.pt"
    if not cache.is_file():
        temporary = cache.with_suffix(".tmp")
        crops = cut_crops(read_photos(photos, "evaluator_train"), reduction, per_photo, random.Random(0))
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


@torch.no_grad()
def calibrate(network: HarmonyNetwork, sampler: Sampler, groups: int, batches: int = 12) -> None:
    """Set every batch normalization to the statistics of the first batches, where they then stay.

    A batch holds few photos, in versions that are alike: statistics of its own would be noise.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    network.train()
    for step in range(batches):
        network.classify(sampler.batch(step, groups)[0].to(DEVICE))


def schedule(step: int, steps: int, warmup: int = 50) -> float:
    """Learning rate factor: linear warm-up, then a cosine to zero."""
    return min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


class Training:
    """The network, the moving average of its weights and the optimizer; what a checkpoint holds."""

    def __init__(self, network: HarmonyNetwork, learning_rate: float) -> None:
        self.network, self.learning_rate, self.step = network.eval(), learning_rate, 0
        self.average = copy.deepcopy(network).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(parameter_groups(network), lr=learning_rate, weight_decay=0.02)

    def learn(self, inputs: Tensor, labels: Tensor, factor: float) -> tuple[float, float]:
        """One step at `factor` of the learning rate. Returns the losses of labels and of order."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * group["pace"] * factor
        logits, labels = self.network.classify(inputs.to(DEVICE)), labels.to(DEVICE)
        losses = soft_label_loss(logits, labels), order_loss(logits, labels)
        self.optimizer.zero_grad(set_to_none=True)
        (losses[0] + ORDER_WEIGHT * losses[1]).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        follow(self.average, self.network, self.step)
        self.step += 1
        return losses[0].item(), losses[1].item()

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True, map_location=DEVICE)
        self.step = state.pop("step")
        for name, value in state.items():
            getattr(self, name).load_state_dict(value)

    def save(self, path: Path) -> None:
        state = {name: getattr(self, name).state_dict() for name in ("network", "average", "optimizer")}
        temporary = path.with_suffix(".tmp")
        torch.save(state | {"step": self.step}, temporary)
        temporary.replace(path)


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, step: int) -> None:
    """Exponential moving average of the weights. The batch statistics of both stay as calibrated."""
    decay = min(EMA_DECAY, (step + 1) / (step + 10))
    for smooth, value in zip(average.parameters(), network.parameters(), strict=True):
        smooth.lerp_(value, 1 - decay)


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
    groups: Annotated[int, typer.Option(help=f"Photos in a batch, {VERSIONS} versions of each.")] = 18,
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
    network = start(architecture, initial, initial_backbone).to(DEVICE, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    crops, checkpoint = load_crops(photos, work, network.reduction, per_photo), work / "checkpoint.pt"
    coarse, fine = Sampler(crops.halved(), seed=1), Sampler(crops, seed=1)
    typer.echo(f"{sum(p.numel() for p in network.parameters()) / 1e6:.1f}M parameters, {len(crops.objects)} squares")
    if initial is None and not checkpoint.is_file():
        calibrate(network, coarse, groups)
    training = Training(network, learning_rate)
    if checkpoint.is_file():
        training.load(checkpoint)
    began, first, losses = time.monotonic(), training.step, []
    while training.step < steps:
        sampler = coarse if training.step < coarse_share * steps else fine
        inputs, labels = sampler.batch(training.step, groups)
        losses.append(training.learn(inputs, labels, schedule(training.step, steps)))
        if training.step % 50 == 0:
            labeled, ordered = torch.tensor(losses[-50:]).mean(0).tolist()
            pace = (time.monotonic() - began) / (training.step - first)
            typer.echo(f"step {training.step} label loss {labeled:.4f} order loss {ordered:.4f} {pace:.2f} s/step")
        expired = time.monotonic() - began > minutes * 60
        if training.step % 250 == 0 or training.step == steps or expired:
            training.save(checkpoint)
            export(training.average, work / "evaluator.safetensors")
        if expired:
            break


if __name__ == "__main__":
    typer.run(main)
