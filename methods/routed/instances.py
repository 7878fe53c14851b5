"""Instances of a picture and what each looks like (paper sec. 3.1): masks, and embeddings of the carried backbone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ...core.efficientnet import BLOCK_WIDTHS, EfficientNetLite0
from ...core.errors import InputError
from ...core.masks import foreground, keep_visible, mask_on_grid, require_scene, require_selection
from ...core.weights import shipped_weights

if TYPE_CHECKING:
    from skimage.graph import RAG

MANIFEST = Path(__file__).with_name("instances.json")
SIDE = 320  # of the picture that instances are found in, its longer one, pixels
STRIDE = 16  # of the embeddings' map
DEPTH = 11  # blocks of the backbone: the last ones before it shrinks once more
# Over-segmentation (Felzenszwalb and Huttenlocher 2004): small even parts, which their embeddings then join.
SCALE, SMOOTHING, LEAST_PIXELS = 100.0, 0.6, 120
JOINED = 0.5  # cosine distance of neighbors that are still one instance
OWN = 0.5  # share of a given mask on the object by which it is the object itself
LEAST_SHARE = 0.05  # of one cell of the embeddings' map: less of an instance cannot be embedded


@dataclass(frozen=True)
class Instances:
    """What a picture holds beside the pasted object, and the object itself.

    The masks have a small size of their own, see `small_size`. All is on the CPU.
    """

    masks: Tensor  # [N,h,w] in 0-1; the object is none of them, and covers none of them
    embeddings: Tensor  # [N,C]
    object_mask: Tensor  # [h,w] in 0-1
    object_embedding: Tensor  # [C]


class Backbone(nn.Module):
    """EfficientNet-Lite0 up to stride 16, as it was trained on ImageNet, less the embeddings' mean over photographs.

    What all parts of photographs have in common would make any two of them alike.
    """

    mean: Tensor  # [C]

    def __init__(self) -> None:
        super().__init__()
        self.body = EfficientNetLite0(depth=DEPTH)
        self.register_buffer("mean", torch.zeros(BLOCK_WIDTHS[DEPTH - 1]))

    def forward(self, image: Tensor) -> Tensor:
        """[B,3,H,W] in 0-1 -> [B,C,H/16,W/16]."""
        return self.body(image * 2 - 1)[-1] - self.mean[:, None, None]


def load_backbone() -> Backbone:
    """The shipped backbone, in evaluation mode, float32.

    Raises:
        FileNotFoundError, ValueError: when its file is missing or damaged.
    """
    backbone = Backbone()
    state = {name: value.float() for name, value in load_file(shipped_weights(MANIFEST)).items()}
    backbone.load_state_dict(backbone.state_dict() | state)
    return backbone.eval().requires_grad_(False)


def find_instances(image: Tensor, mask: Tensor, backbone: Callable[[Tensor], Tensor]) -> Instances:
    """The parts of a picture by over-segmentation; neighbors that the backbone finds alike are joined.

    Args:
        image: [H,W,3], sRGB in 0-1.
        mask: [H,W], 1 on the pasted object.
        backbone: see `Backbone`; it may work on another device.

    Raises:
        InputError: when the mask is empty, or leaves no scene.
    """
    small, object_mask = small_picture(image, mask)
    labels = segment(small, object_mask)
    features = backbone(small).cpu()
    found = join(labels, embed(features, _shares(labels, features.shape[-2:])))
    instances = _instances(features, _planes(found), object_mask)
    if instances is None:
        raise InputError("mask", "it leaves too little of the picture, so there is no scene to look like.")
    return instances


def given_instances(
    image: Tensor, mask: Tensor, masks: Tensor, backbone: Callable[[Tensor], Tensor], parameter: str = "masks"
) -> Instances:
    """Instances that somebody else has found, such as a segmentation model, as this method wants them.

    Args:
        image: [H,W,3], sRGB in 0-1.
        mask: [H,W], 1 on the pasted object.
        masks: [N,H',W'] of the same picture, in 0-1. They may overlap each other and the object, which they lose. A
            mask that lies mostly on the object is the object, and does not count.
        backbone: see `Backbone`; it may work on another device.
        parameter: the name that the calling function has for the masks, or for what gives them.

    Raises:
        InputError: when the mask is empty or leaves no scene, or no instance is left beside the object.
    """
    small, object_mask = small_picture(image, mask)
    whole = mask_on_grid(masks.float().cpu(), object_mask.shape)
    beside = whole * (1 - object_mask)
    others = beside.sum((1, 2)) > (1 - OWN) * whole.sum((1, 2))
    instances = _instances(backbone(small).cpu(), beside[others], object_mask)
    if instances is None:
        raise InputError(
            parameter,
            f"none of {len(masks)} masks is large enough and lies beside the pasted object. There must be one for each "
            f"part of the scene.",
        )
    return instances


def small_size(height: int, width: int) -> tuple[int, int]:
    """The (height, width) in which instances of a picture are found: multiples of 16, the longer side 320."""
    factor = SIDE / max(height, width)
    return max(1, round(height * factor / STRIDE)) * STRIDE, max(1, round(width * factor / STRIDE)) * STRIDE


def small_picture(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The picture [1,3,h,w] and the mask [h,w] that instances are found in, on the CPU.

    Raises:
        InputError: when the mask is empty, or covers everything.
    """
    require_selection(mask[None])
    size = small_size(*image.shape[:2])
    small = interpolate(image.movedim(-1, 0)[None].float(), size, mode="bilinear", antialias=True).clamp(0, 1)
    plane = keep_visible(mask_on_grid(mask[None].float(), size))[0]
    require_scene(plane)
    return small.cpu(), plane.cpu()


def segment(image: Tensor, mask: Tensor) -> np.ndarray:
    """Small even parts of a picture [1,3,h,w]: labels [h,w] from 1; 0 is the object of the mask [h,w]."""
    from skimage.segmentation import felzenszwalb  # half a second, which a start without it should not wait for

    pixels = image[0].movedim(0, -1).double().cpu().numpy()
    labels = felzenszwalb(pixels, scale=SCALE, sigma=SMOOTHING, min_size=LEAST_PIXELS) + 1
    labels[foreground(mask).cpu().numpy()] = 0
    return labels


def join(labels: np.ndarray, embeddings: Tensor) -> np.ndarray:
    """Join neighbors until none of them are alike.

    Args:
        labels: [h,w]; 0 is the object, which stays apart.
        embeddings: [N,C], of the labels above 0 in their order.

    Returns:
        Labels [h,w], from 1; 0 is the object.
    """
    from skimage.graph import RAG, merge_hierarchical  # see `segment`

    graph = RAG(data=neighbors(labels))
    sizes = np.bincount(labels.ravel())
    for label, embedding in zip(_present(labels).tolist(), embeddings.cpu().numpy(), strict=True):
        graph.add_node(label, labels=[label], embedding=embedding * sizes[label])

    def distance(graph: RAG, first: int, second: int) -> float:
        a, b = (graph.nodes[node]["embedding"] for node in (first, second))
        return 1 - float(a @ b) / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-6)

    def merge(graph: RAG, source: int, target: int) -> None:
        graph.nodes[target]["embedding"] = graph.nodes[target]["embedding"] + graph.nodes[source]["embedding"]

    def weigh(graph: RAG, source: int, target: int, neighbor: int) -> dict[str, float]:
        return {"weight": distance(graph, target, neighbor)}

    for first, second in graph.edges:
        graph.edges[first, second]["weight"] = distance(graph, first, second)
    joined = merge_hierarchical(
        labels, graph, thresh=JOINED, rag_copy=False, in_place_merge=True, merge_func=merge, weight_func=weigh
    )
    return np.where(labels == 0, 0, joined + 1)


def neighbors(labels: np.ndarray) -> list[tuple[int, int]]:
    """The pairs of labels above 0 that lie side by side in [h,w]. RAG finds the same, pixel by pixel in Python."""
    sides = ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:]))
    pairs = np.concatenate([np.stack((first.ravel(), second.ravel())) for first, second in sides], axis=1)
    first, second = pairs[:, (pairs[0] != pairs[1]) & (pairs > 0).all(0)]
    count = int(labels.max()) + 1
    codes = np.unique(np.minimum(first, second) * count + np.maximum(first, second))
    return [divmod(code, count) for code in codes.tolist()]


def embed(features: Tensor, weights: Tensor) -> Tensor:
    """Mean [N,C] of features [1,C,h,w] under weights [N,h,w]."""
    flat = weights.flatten(1)
    return flat @ features[0].flatten(1).T / flat.sum(1, keepdim=True).clamp_min(1e-6)


def _instances(features: Tensor, masks: Tensor, object_mask: Tensor) -> Instances | None:
    """The masks [N,h,w] that are large enough, with their embeddings; None when there is none."""
    weights = mask_on_grid(torch.cat((masks, object_mask[None])), features.shape[-2:])
    large = weights[:-1].sum((1, 2)) > LEAST_SHARE
    if not large.any():
        return None
    own = embed(features, weights[-1:])[0]
    return Instances(masks[large], embed(features, weights[:-1][large]), object_mask, own)


def _present(labels: np.ndarray) -> np.ndarray:
    """The labels above 0, rising."""
    counts = np.bincount(labels.ravel())
    counts[0] = 0
    return counts.nonzero()[0]


def _planes(labels: np.ndarray) -> Tensor:
    """The masks [N,h,w] of the labels above 0, in their order."""
    return torch.from_numpy(labels[None] == _present(labels)[:, None, None]).float()


def _shares(labels: np.ndarray, grid: tuple[int, ...]) -> Tensor:
    """What `mask_on_grid` gives for the masks of the labels above 0, [N,h,w], without the masks of hundreds."""
    height, width = (side // cells for side, cells in zip(labels.shape, grid, strict=True))
    cells = np.add.outer(np.arange(labels.shape[0]) // height * grid[1], np.arange(labels.shape[1]) // width)
    count, size = int(labels.max()) + 1, grid[0] * grid[1]
    pixels = np.bincount((labels * size + cells).ravel(), minlength=count * size).reshape(count, *grid)
    return torch.from_numpy(pixels[_present(labels)]).float() / (height * width)
