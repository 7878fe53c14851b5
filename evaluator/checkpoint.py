"""Which network a file of weights is for."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from ..core.errors import InputError
from ..core.view import ViewMode
from ..core.weights import misfit, read_table
from .networks import HarmonyNetwork, RegionNetwork, ResNet50, WholePictureClassifier

PROBE = Path(__file__).with_name("classifier.json")  # of the whole picture's classifier; its body is the evaluator's
MANIFEST = Path(__file__).with_name("weights.json")  # of the evaluator that ships
NETWORKS: dict[str, type[HarmonyNetwork]] = {"lite0": RegionNetwork, "resnet50": ResNet50}

# The authors' evaluator: a stem of four channels, then the parts of a ResNet-50 after its own stem, by number (1 and 2,
# activation and pooling, have no weights), then the classes.
REFERENCE_STEM = "inp_encoder.weight"
REFERENCE = (
    (r"inp_encoder\.", "conv1."),
    (r"encoder\.0\.", "bn1."),
    (r"encoder\.([3-6])\.", lambda match: f"layer{int(match[1]) - 2}."),
    (r"classify_fc\.", "fc."),
)

EXPECTED = (
    "expected weights that this pack trained, or a ResNet-50 with four input channels and two classes in "
    "torchvision's names or in those of the authors' evaluator (inp_encoder, encoder, classify_fc)"
)


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors or a PyTorch file. Nothing but tensors is read: no code of the file runs.

    Raises:
        InputError: when the file cannot be read, or holds something else than a table of weights.
    """
    return read_table(path, EXPECTED)


def read_network(state: dict[str, Tensor], source: str) -> tuple[HarmonyNetwork, ViewMode]:
    """The network of a state dict in evaluation mode, float32, and what it was trained to look at.

    Args:
        state: weights that training exported, a ResNet-50 in torchvision's (and timm's) names, or the authors'
            evaluator, which looks at the whole picture stretched to a square.
        source: name of the file, for the error.

    Raises:
        InputError: when the layout is none of these.
    """
    view: ViewMode = "crop"
    if REFERENCE_STEM in state:
        state, view = {_from_reference(name): value for name, value in state.items()}, "whole"
    network = RegionNetwork() if "body.conv_stem.weight" in state else ResNet50()
    own = network.state_dict()
    counters = {name for name in own if name.endswith("num_batches_tracked")}  # old files and exports have none
    state = {name: value for name, value in state.items() if name not in counters}
    if wrong := misfit({name: value for name, value in own.items() if name not in counters}, state):
        raise InputError("state", f"{source} is not a harmony evaluator: {wrong}; {EXPECTED}.")
    network.load_state_dict({**own, **{name: value.float() for name, value in state.items()}})
    return network.eval().requires_grad_(False), view


def read_classifier(probe: dict[str, Tensor], evaluator: dict[str, Tensor]) -> tuple[HarmonyNetwork, ViewMode]:
    """The whole picture's classifier in evaluation mode, float32, and what it looks at.

    Args:
        probe: weights that the training exported.
        evaluator: those of the embedded evaluator, whose body it was fitted on.
    """
    network = WholePictureClassifier()
    body = {name: value for name, value in evaluator.items() if name.startswith("body.")}
    counters = {name: value for name, value in network.state_dict().items() if name.endswith("num_batches_tracked")}
    network.load_state_dict({name: value.float() for name, value in (probe | body).items()} | counters)
    return network.eval().requires_grad_(False), "whole"


def _from_reference(name: str) -> str:
    for pattern, replacement in REFERENCE:
        renamed, count = re.subn(f"^{pattern}", replacement, name)
        if count:
            return renamed
    return name
