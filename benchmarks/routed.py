"""The routed harmonizer as the benchmarks measure it, and its ablation. Needs the host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import torch
from rich.table import Table

from ..core.view import scaled
from ..data.composites import Pasted
from ..evaluator.model import HarmonyEvaluator
from ..host.network import HostNetwork
from ..host.routed.harmonizer import harmonize
from ..methods.routed.checkpoint import read_network
from ..methods.routed.harmonizer import RoutedHarmonizer
from .baselines import Method
from .speed import fastest

ROUTED = "routed"


def routed(harmonizer: RoutedHarmonizer, judge: HarmonyEvaluator | None = None, *, everything: bool = False) -> Method:
    """The method that applies the network's proposal.

    Args:
        harmonizer: the network.
        judge: chooses among strengths from 0 to 1; None applies 1.
        everything: S is 1 everywhere, as if all of the scene looked like the object. The network is the same: it was
            trained with S, unlike that of the training's `--no-importance`.
    """

    def method(pasted: Pasted) -> torch.Tensor:
        importance = torch.ones_like(pasted.mask) if everything else None
        image, mask = pasted.composite[None], pasted.mask[None]
        return harmonize(harmonizer, image, mask, importance=importance, judge=judge).image[0]

    return method


def then(first: Method, second: Method) -> Method:
    """The second method from the first one's result."""
    return lambda pasted: second(Pasted(pasted.id, pasted.object, first(pasted), pasted.mask))


def routed_methods(harmonizer: RoutedHarmonizer, judge: HarmonyEvaluator) -> dict[str, Method]:
    """The network's rows of the quality table."""
    return {
        ROUTED: routed(harmonizer),
        f"{ROUTED}, S = 1 everywhere": routed(harmonizer, everything=True),
        f"{ROUTED}, judged": routed(harmonizer, judge),
    }


def network_methods(files: Sequence[Path], taken: Iterable[str] = ()) -> dict[str, Method]:
    """A method for each file of a network, by the name of the file's folder: the ablation trains one in each.

    Args:
        files: of networks, each in a folder of its own.
        taken: names that other rows have.

    Raises:
        ValueError: when two rows would have one name, or a file holds something else.
    """
    names = [file.resolve().parent.name for file in files]
    counts = Counter([*taken, *names])
    if shared := [name for name in dict.fromkeys(names) if counts[name] > 1]:
        raise ValueError(
            f"a row is named by its file's folder, and more than one row would be named {', '.join(shared)}: put each "
            "file into a folder with a name of its own"
        )
    networks = [RoutedHarmonizer(file.name, HostNetwork(read_network(file))) for file in files]
    return dict(zip(names, map(routed, networks), strict=True))


def timings(harmonizer: RoutedHarmonizer, pasted: Pasted, sides: Sequence[int], repeats: int) -> Table:
    """Seconds of a picture at several sizes, the fastest of some repeats, with finding the instances, and without."""
    table = Table("longer side, pixels", "all", "without finding instances", title="Routed, seconds for each picture")
    for side in sides:
        factor = side / max(pasted.composite.shape[:2])
        image = scaled(pasted.composite.movedim(-1, 0), factor).movedim(0, -1)[None]
        mask = (scaled(pasted.mask[None], factor)[0] > 0.5).float()[None]
        whole = fastest(partial(harmonize, harmonizer, image, mask), repeats)
        alone = fastest(partial(harmonize, harmonizer, image, mask, importance=mask), repeats)
        table.add_row(f"{side}", f"{whole:.2f}", f"{alone:.2f}")
    table.caption = f"The object fills {100 * pasted.mask.mean().item():.0f}% of the picture."
    return table
