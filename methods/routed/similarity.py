"""Who looks like the object (ISEM, paper sec. 3.2): the spatial importance map S."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, interpolate

from .instances import Instances


def similarities(instances: Instances) -> Tensor:
    """How much each instance looks like the object: cosine of the embeddings, [N] in 0-1, negative ones 0.

    Paper eq. 10 sums the query over all instances; the evident intent is the object's own embedding as the query.
    """
    return cosine_similarity(instances.embeddings, instances.object_embedding[None]).clamp_min(0)


def importance_map(instances: Instances, size: tuple[int, ...] | None = None) -> Tensor:
    """S: every pixel's similarity to the object; 1 on the object itself, 0 where there is no instance.

    Where instances overlap, the most similar one counts.

    Args:
        instances: of the picture.
        size: (height, width) of the map; None for the size of the instances' masks.

    Returns:
        [H,W] in 0-1.
    """
    painted = (similarities(instances)[:, None, None] * instances.masks).amax(0)
    whole = torch.maximum(painted, instances.object_mask)
    if size is None:
        return whole
    return interpolate(whole[None, None], size, mode="bilinear", align_corners=False)[0, 0].clamp(0, 1)
