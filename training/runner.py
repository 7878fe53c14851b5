"""One training of any network: steps, a moving average of its weights, and a checkpoint to go on from."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..core.files import replacing
from .schedules import Schedule

logger = logging.getLogger(__name__)

Losses = Mapping[str, Tensor]  # named terms; their sum is what is made smaller


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What a run needs beside the network and its optimizer."""

    steps: int
    schedule: Schedule
    average_decay: float  # of the moving average of the weights, 0 to 1
    gradient_norm: float  # longer gradients are shortened to this
    log_every: int  # steps
    save_every: int  # steps
    minutes: float = math.inf  # the run stops after this long


class Run:
    """A network, its optimizer and the moving average of its weights, at a step."""

    def __init__(self, network: nn.Module, optimizer: torch.optim.Optimizer, settings: RunSettings) -> None:
        self.network, self.optimizer, self.settings = network, optimizer, settings
        self.average = AveragedModel(network, multi_avg_fn=rising_average(settings.average_decay))
        self.average.requires_grad_(False)
        self.full_rates = [group["lr"] for group in optimizer.param_groups]
        self.step = 0
        self._go_on_from(0)

    def learn(self, losses: Losses) -> dict[str, float]:
        """One step of the optimizer, of the schedule and of the average. Returns the values of the losses."""
        self.optimizer.zero_grad(set_to_none=True)
        torch.stack([*losses.values()]).sum().backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.gradient_norm)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        self.scheduler.step()
        self.step += 1
        return {name: loss.item() for name, loss in losses.items()}

    def save(self, path: Path) -> None:
        """Write the checkpoint: weights, their average, the optimizer's state, and the step."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        with replacing(path) as temporary:
            torch.save(state, temporary)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint. The learning rate follows this run's settings.

        Raises:
            ValueError: when the file is no checkpoint of this network.
        """
        device = next(self.network.parameters()).device
        state = torch.load(path, weights_only=True, map_location=device)
        try:
            self.network.load_state_dict(state["network"])
            self.average.module.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self._go_on_from(state["step"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise ValueError(
                f"{path} is no checkpoint of this network; give another folder for the work, or remove the file to "
                "start afresh."
            ) from error

    def _go_on_from(self, step: int) -> None:
        """Schedule and average depend on the step alone, so a checkpoint holds nothing of them but that."""
        self.step = step
        self.average.n_averaged.fill_(step + 1)  # the start counts as the first, or it would be forgotten at once
        for group, rate in zip(self.optimizer.param_groups, self.full_rates, strict=True):
            group["initial_lr"] = rate
        self.scheduler = LambdaLR(self.optimizer, self.settings.schedule, last_epoch=step - 1)


def rising_average(decay: float) -> Callable:
    """The update of an exponential moving average that forgets its start soon.

    With n weights averaged so far, the old average counts for min(decay, n / (n + 9)).
    """

    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
        number = int(count)
        get_ema_multi_avg_fn(min(decay, number / (number + 9)))(averaged, current, number)

    return update


def train(run: Run, losses: Callable[[int], Losses], checkpoint: Path, export: Callable[[nn.Module], None]) -> None:
    """Learn until the last step or until time is up; run it again to go on.

    Args:
        run: goes on from `checkpoint` where there is one.
        losses: step -> what that step's batch gives. It must depend on the step alone, so that a run that was stopped
            ends as one that was not.
        checkpoint: written every so many steps and at the end.
        export: writes the averaged network, whenever a checkpoint is written.
    """
    if checkpoint.is_file():
        run.load(checkpoint)
    settings, first, began = run.settings, run.step, time.monotonic()
    recent: deque[dict[str, float]] = deque(maxlen=settings.log_every)
    expired = False
    while run.step < settings.steps and not expired:
        recent.append(run.learn(losses(run.step)))
        elapsed = time.monotonic() - began
        expired = elapsed > settings.minutes * 60
        if run.step % settings.log_every == 0:
            means = (f"{name} {sum(values[name] for values in recent) / len(recent):.4f}" for name in recent[0])
            logger.info("step %d %s %.2f s/step", run.step, " ".join(means), elapsed / (run.step - first))
        if run.step % settings.save_every == 0 or run.step == settings.steps or expired:
            run.save(checkpoint)
            export(run.average.module)


def training_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def parameter_count(network: nn.Module) -> str:
    """In millions, such as "3.2M parameters"."""
    return f"{sum(parameter.numel() for parameter in network.parameters()) / 1e6:.1f}M parameters"
