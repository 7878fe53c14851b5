"""Describing the picture: by hand, by statistics or by a vision model on this machine (paper eq. 1)."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from ..core.errors import InputError, renamed
from ..core.types import ImagingDescription as Description
from ..description.parser import make, object_name, parse
from ..host.describe.local import describe_locally
from ..host.image import as_batch, check_mask
from ..host.model_folders import folder_names
from ..methods.routed.harmonizer import RoutedHarmonizer as Harmonizer
from .errors import errors_name, noted
from .types import CATEGORY_DESCRIBE, Descriptions, ImagingDescription, RoutedHarmonizer

STRICT_TOOLTIP = (
    "On: words outside the vocabulary are refused. Off: a synonym becomes the vocabulary's word ('gloomy' becomes "
    "'dull'). Any other word stays, and the model understands it or not."
)


def picked(found: tuple[Description, ...], index: int, note: str = "") -> io.NodeOutput:
    """One of several descriptions, its text and all of them. The node shows the list, the picked one marked.

    Args:
        found: at least one description.
        index: from 0; after the last description comes the first again.
        note: a line below the list.
    """
    index %= len(found)
    lines = [f"{'>' if number == index else '  '} {description}" for number, description in enumerate(found)]
    shown = "\n".join([*lines, note] if note else lines)
    return io.NodeOutput(found[index], str(found[index]), found, ui=ui.PreviewText(shown))


class TextDescribe(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TextDescribe",
            display_name="Describe by Text",
            category=CATEGORY_DESCRIBE,
            search_aliases=["prompt", "words", "manual description", "how it looks", "提示词", "文字描述"],
            description="Say what was pasted and how the two regions look: an object, words for the foreground, words "
            "for the background. The edit gives the object the background's words.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                io.String.Input(
                    "description",
                    default="",
                    optional=True,
                    tooltip="The whole description in one line, such as 'cat & (foreground) bright summer & "
                    "(background) dusk cold'. If it is empty, the three fields below are used.",
                ),
                io.String.Input(
                    "object",
                    default="object",
                    optional=True,
                    tooltip="Name of the pasted object, such as 'cat'. 'object' is neutral.",
                ),
                io.String.Input(
                    "foreground",
                    default="daylight",
                    optional=True,
                    tooltip="How the pasted object looks now, in words of the vocabulary. The edit leads away from "
                    "them. 'daylight' is neutral.",
                ),
                io.String.Input(
                    "background",
                    default="daylight",
                    optional=True,
                    tooltip="How the scene looks, in words of the vocabulary. The edit leads the object towards them. "
                    "'daylight' is neutral.",
                ),
                io.Boolean.Input("strict", default=True, optional=True, advanced=True, tooltip=STRICT_TOOLTIP),
            ],
            outputs=[
                ImagingDescription.Output("description", tooltip="Object, foreground words and background words."),
                io.String.Output("text", tooltip="The description in its one-line form."),
                Descriptions.Output("descriptions", tooltip="The same as a list of one, for Harmonize Composite."),
            ],
        )

    @classmethod
    def execute(
        cls,
        description: str = "",
        object: str = "object",  # noqa: A002 (the input's name)
        foreground: str = "daylight",
        background: str = "daylight",
        strict: bool = True,
    ) -> io.NodeOutput:
        with errors_name("TextDescribe", text="description", name="object") as notes:
            written = description.strip()
            result = parse(written, strict) if written else make(object, foreground, background, strict)
        shown = ui.PreviewText(str(result))
        return noted(notes, io.NodeOutput(result, str(result), (result,), ui=shown))


class LocalDescribe(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        model = io.Combo.Input(
            "model",
            options=folder_names("vlm"),
            tooltip="A folder in models/VLM: a copy of a model's repository with config.json and safetensors. "
            "Nothing is downloaded.",
        )
        return io.Schema(
            node_id="LocalDescribe",
            display_name="Describe Locally",
            category=CATEGORY_DESCRIBE,
            search_aliases=[
                "caption",
                "interrogate",
                "auto prompt",
                "color statistics",
                "vlm",
                "clip interrogator",
                "反推",
                "自动描述",
            ],
            description="Describe the picture on this machine: from color statistics of its two regions, or by a "
            "vision model of yours. Nothing is uploaded or downloaded.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                io.Image.Input("image", tooltip="The composite, at any size; of a batch, the first."),
                io.Mask.Input("mask", tooltip="1 on the pasted object, of the image's size."),
                io.String.Input(
                    "object",
                    default="object",
                    tooltip="Name of the pasted object, such as 'car', 'tree' or 'cat'. The provider statistics "
                    "compares the object with the usual look of its kind. 'object' is neutral: any object.",
                ),
                io.DynamicCombo.Input(
                    "provider",
                    options=[
                        io.DynamicCombo.Option("statistics", []),
                        io.DynamicCombo.Option("clip", [model]),
                        io.DynamicCombo.Option("vlm", [model]),
                    ],
                    optional=True,
                    tooltip="statistics: from color statistics, without a model. clip: the words that a CLIP or SigLIP "
                    "model finds most like each region. vlm: a vision-language model answers the task prompt.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**32 - 1,
                    optional=True,
                    control_after_generate=io.ControlAfterGenerate.fixed,
                    tooltip="Which of the alternatives to give. 0 is the best; higher numbers are less likely. After "
                    "the last comes the first again. In a loop, link description_seed here.",
                ),
                io.Mask.Input(
                    "importance",
                    optional=True,
                    tooltip="Optional. A map from 0 to 1 of the image's size, high where the scene looks like the "
                    "object. The statistics count places with larger values more, and places with 0 not at all. Only "
                    "the ratios count: a map with one value everywhere is neutral, as is no map. Values on the object "
                    "are not used. With a harmonizer it is used as in Routed Harmonize, where the values count, "
                    "not the ratios. No effect with clip and vlm, which look at the whole picture.",
                ),
                RoutedHarmonizer.Input(
                    "harmonizer",
                    optional=True,
                    tooltip="From Load Routed Harmonizer. Connected: the provider statistics names the look that this "
                    "network would give the object, which is right more often. Unconnected: it estimates the look from "
                    "the colors of the scene. No effect with clip and vlm.",
                ),
                io.Image.Input(
                    "current_image",
                    optional=True,
                    tooltip="For a loop: the picture that the pass starts from, from Iterate Loop. The provider "
                    "statistics then finds the foreground's words in it, so that each pass asks only for what is left "
                    "to change. Unconnected: in the composite. No effect with clip and vlm.",
                ),
                io.Mask.Input(
                    "current_mask",
                    optional=True,
                    tooltip="The mask of current_image, of its size. Connect both or neither.",
                ),
            ],
            outputs=[
                ImagingDescription.Output("description", tooltip="Object, foreground words and background words."),
                io.String.Output("text", tooltip="The description in its one-line form."),
                Descriptions.Output("descriptions", tooltip="All alternatives, for Pick Description."),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        mask: Tensor,
        object: str,  # noqa: A002 (the input's name)
        provider: dict[str, Any] | None = None,  # the choice and its own inputs
        seed: int = 0,
        importance: Tensor | None = None,
        harmonizer: Harmonizer | None = None,
        current_image: Tensor | None = None,
        current_mask: Tensor | None = None,
    ) -> io.NodeOutput:
        with errors_name("LocalDescribe", name="object", model="provider.model") as notes:
            name, choice = object_name(object), provider or {"provider": "statistics"}
            weights = None if importance is None else as_batch(importance)[0]
            own_mask = check_mask(mask, image)[0]
            found = describe_locally(
                image[0, ..., :3],
                own_mask,
                name,
                **choice,
                importance=weights,
                harmonizer=harmonizer,
                current=_current(current_image, current_mask),
            )
        return noted(notes, picked(found, seed))


def _current(image: Tensor | None, mask: Tensor | None) -> tuple[Tensor, Tensor] | None:
    """The first picture of a batch, and its mask.

    Raises:
        InputError: when one of both is missing, or the mask has another size.
    """
    if image is None and mask is None:
        return None
    if image is None or mask is None:
        missing = "current_image" if image is None else "current_mask"
        raise InputError(missing, "nothing is connected, expected current_image and current_mask together, or neither.")
    with renamed(image="current_image", mask="current_mask"):
        return image[0, ..., :3], check_mask(mask, image)[0]
