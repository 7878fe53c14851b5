"""The VLM provider: a vision-language model answers the task prompt in its one-line form (paper eq. 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ...core.types import Callback, ImagingDescription, silent
from ..pictures import composite_and_mask
from ..prompt import task_prompt
from .reply import ConstrainedReply, Grammar, one_line

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 512  # of the pictures' longer side, pixels: the words need no detail, and every patch costs time


def describe_by_vlm(
    model: Any,
    processor: Any,
    image: Tensor,
    mask: Tensor,
    name: str,
    count: int,
    callback: Callback = silent,
) -> tuple[ImagingDescription, ...]:
    """Descriptions that the model says in its one-line form. Greedy, so the same arguments give the same words.

    Args:
        model: a transformers image-text-to-text model.
        processor: the model's processor, with a chat template that takes two pictures.
        image: sRGB [H,W,3] in 0-1.
        mask: [H,W], 1 on the object.
        name: the object's name.
        count: how many descriptions to give.
        callback: called at each token; may raise to cancel.

    Returns:
        `count` distinct descriptions, the model's own first. They share the foreground's words, and the background of
        each begins with another word.

    Raises:
        ValueError: when the model has no chat template, or no token that ends a reply.
    """
    inputs = ask(processor, composite_and_mask(image, mask, SIDE), task_prompt())
    inputs = inputs.to(model.device, model.dtype)
    found: list[ImagingDescription] = []
    begun: set[str] = set()  # first words of the backgrounds so far
    while len(found) < count:
        settled = found[0].foreground if found else ()
        reply = _reply(
            model, processor.tokenizer, inputs, one_line(name, settled, begun), _part(callback, len(found), count)
        )
        begun.add(reply.background[0])
        # The same words in another order are not another description. This ends, because each begins with a new word.
        if reply not in found:
            found.append(reply)
    return tuple(found)


def _part(callback: Callback, index: int, count: int) -> Callback:
    """Progress of one of `count` replies as a part of all."""
    return lambda step, total, preview=None: callback(index * total + step, count * total)


def ask(processor: Any, pictures: Sequence[Image], text: str) -> Any:
    """The model's inputs for a question about pictures.

    Raises:
        ValueError: when the processor has no chat template.
    """
    content = [*({"type": "image", "image": picture} for picture in pictures), {"type": "text", "text": text}]
    return processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )


def _reply(model: Any, tokenizer: Any, inputs: Any, grammar: Grammar, callback: Callback) -> ImagingDescription:
    def tokenize(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False)

    reply = ConstrainedReply(grammar, tokenize, end_tokens(model, tokenizer), callback)
    settings = {"max_new_tokens": reply.longest, "do_sample": False, "num_beams": 1, "pad_token_id": reply.ends[0]}
    model.generate(**inputs, **settings, logits_processor=[reply])
    if reply.result is None:
        raise RuntimeError(f"{type(model).__name__} stopped before its reply was complete.")
    return reply.result


def end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Ids that end the model's reply, as its own settings name them."""
    ends = model.generation_config.eos_token_id
    ends = tokenizer.eos_token_id if ends is None else ends
    if ends is None:
        raise ValueError("neither its generation settings nor its tokenizer name a token that ends a reply.")
    return list(ends) if isinstance(ends, (list, tuple)) else [ends]
