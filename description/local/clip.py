"""The CLIP provider: the words that a contrastive image-text model finds most like each region (zero-shot)."""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from torch import Tensor

from ...core.masks import bounding_box, foreground
from ...core.types import Callback, ImagingDescription, silent
from ..pictures import to_picture
from ..vocabulary import CATEGORIES

PHRASES = {
    "brightness": "{} light",
    "weather": "{} weather",
    "temperature": "{} colors",
    "season": "{}",
    "time": "{}",
    "color tone": "{} tones",
    "environment": "{} scene",
}
GRAY = 0.5  # where a view shows nothing
CHOSEN = 3  # categories of a description: prompts stay short (paper app. D)


def describe_by_clip(
    model: Any,
    processor: Any,
    image: Tensor,
    mask: Tensor,
    name: str,
    count: int,
    callback: Callback = silent,
) -> tuple[ImagingDescription, ...]:
    """Descriptions by the words that are most likely for each region. They share the foreground's words.

    Only the categories of the vocabulary count in which the two regions differ most: the edit leads from the object's
    word of a category to the scene's.

    Args:
        model: a transformers zero-shot image classification model.
        processor: the model's processor.
        image: sRGB [H,W,3] in 0-1.
        mask: [H,W], 1 on the object, not empty.
        name: the object's name.
        count: how many descriptions to give at most.
        callback: called after each region; may raise to cancel.

    Returns:
        Distinct descriptions, the most likely first.
    """
    foreground = category_scores(model, processor, object_alone(image, mask), f"a photo of the {name}")
    callback(1, 2)
    background = category_scores(model, processor, scene_alone(image, mask), "a photo of the scene")
    callback(2, 2)
    chosen = differing_categories(foreground, background)
    now = tuple(_best(category, foreground)[0] for category in chosen)
    likely = most_likely(background, chosen, count + 1)
    # An alternative that gives the object its own words would change nothing.
    likely = [likely[0], *(words for words in likely[1:] if words != now)][:count]
    return tuple(ImagingDescription(name, now, words) for words in likely)


def object_alone(image: Tensor, mask: Tensor) -> Tensor:
    """A picture of the object alone.

    Args:
        image: [H,W,3] in 0-1.
        mask: [H,W], 1 on the object, not empty.

    Returns:
        The object's bounding box [h,w,3], gray outside of the object.
    """
    inside = foreground(mask)
    box = bounding_box(inside)
    assert box is not None
    top, bottom, left, right = box
    return torch.where(inside[..., None], image, GRAY)[top:bottom, left:right]


def scene_alone(image: Tensor, mask: Tensor) -> Tensor:
    """The picture [H,W,3] with its object in gray; arguments as for `object_alone`."""
    return torch.where(foreground(mask[..., None]), GRAY, image)


def category_scores(model: Any, processor: Any, view: Tensor, subject: str) -> dict[str, Tensor]:
    """How well each word of the vocabulary fits a view.

    Args:
        model: as for `describe_by_clip`.
        processor: as for `describe_by_clip`.
        view: [H,W,3] in 0-1.
        subject: how each caption begins, such as "a photo of the dog".

    Returns:
        Category -> log-probabilities of its words, in the vocabulary's order.
    """
    texts = [f"{subject}, {PHRASES[category].format(word)}" for category, words in CATEGORIES.items() for word in words]
    # Every text has the same length, which some of these models were trained with (SigLIP).
    inputs = processor(
        text=texts, images=to_picture(view), return_tensors="pt", padding="max_length", truncation=True
    ).to(model.device)
    logits = model(**inputs).logits_per_image[0].float().cpu()
    parts = logits.split([len(words) for words in CATEGORIES.values()])
    return {category: part.log_softmax(0) for category, part in zip(CATEGORIES, parts, strict=True)}


def differing_categories(foreground: dict[str, Tensor], background: dict[str, Tensor]) -> list[str]:
    """Up to CHOSEN categories whose best words differ, those with the most different words first; at least one."""
    apart = {c: (foreground[c].exp() - background[c].exp()).abs().sum().item() for c in CATEGORIES}
    ordered = sorted(CATEGORIES, key=lambda category: -apart[category])
    differing = [c for c in ordered if _best(c, foreground)[0] != _best(c, background)[0]]
    return (differing or ordered[:1])[:CHOSEN]


def most_likely(scores: dict[str, Tensor], categories: list[str], count: int) -> list[tuple[str, ...]]:
    """The `count` most probable choices of one word for each category, the best first."""
    choices = product(*(_best(category, scores)[:count] for category in categories))
    likelihood = {
        words: sum(scores[c][CATEGORIES[c].index(w)].item() for c, w in zip(categories, words, strict=True))
        for words in choices
    }
    return sorted(likelihood, key=lambda words: -likelihood[words])[:count]


def _best(category: str, scores: dict[str, Tensor]) -> list[str]:
    """The category's words, the most likely first."""
    order = torch.argsort(scores[category], descending=True, stable=True)
    return [CATEGORIES[category][index] for index in order.tolist()]
