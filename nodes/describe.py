"""Describing the picture: by hand, by statistics or by a vision model on this machine (paper eq. 1)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from comfy_api.latest import io, ui

from ..core.types import ImagingDescription as Description
from ..description.parser import make, parse
from ..host.describe.local import describe_locally
from ..host.describe.model_folders import KEY, model_folders
from ..host.image import check_mask
from .types import CATEGORY, Descriptions, ImagingDescription

CATEGORY = f"{CATEGORY}/describe"


@contextmanager
def errors_name(place: str) -> Iterator[None]:
    """Let an error say which node and input it is about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def picked(found: tuple[Description, ...], index: int) -> io.NodeOutput:
    """One of several descriptions, its text and all of them, which the node shows; past the last they begin anew."""
    chosen = found[index % len(found)]
    listing = "\n".join(f"{'>' if description is chosen else '  '} {description}" for description in found)
    return io.NodeOutput(chosen, str(chosen), found, ui=ui.PreviewText(listing))


class TextDescribe(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TextDescribe",
            display_name="Describe by Text",
            category=CATEGORY,
            description="Say what was pasted and how the two regions look: an object, words for the foreground, words "
            "for the background. The edit gives the object the background's words.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                io.String.Input(
                    "description",
                    default="",
                    optional=True,
                    tooltip="The whole description in one line, such as 'cat & (foreground) bright summer & "
                    "(background) dusk cold'. Leave it empty to use the three fields below.",
                ),
                io.String.Input(
                    "object",
                    default="object",
                    optional=True,
                    tooltip="Name of the pasted object, such as 'cat'; 'object' says nothing.",
                ),
                io.String.Input(
                    "foreground",
                    default="daylight",
                    optional=True,
                    tooltip="How the pasted object looks now: words from the vocabulary; 'daylight' is neutral.",
                ),
                io.String.Input(
                    "background",
                    default="daylight",
                    optional=True,
                    tooltip="How the scene looks, which the object shall look like; 'daylight' is neutral.",
                ),
                io.Boolean.Input(
                    "strict",
                    default=True,
                    optional=True,
                    advanced=True,
                    tooltip="Refuse words outside the vocabulary. Off: a synonym becomes the vocabulary's word "
                    "('gloomy': 'dull'), any other word stays, as far as the model understands it.",
                ),
            ],
            outputs=[
                ImagingDescription.Output("description", tooltip="Object, foreground words and background words."),
                io.String.Output("text", tooltip="The description in its one-line form."),
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
        if description.strip():
            with errors_name("TextDescribe, input description"):
                result = parse(description, strict)
        else:
            with errors_name("TextDescribe"):
                result = make(object, foreground, background, strict)
        return io.NodeOutput(result, str(result), ui=ui.PreviewText(str(result)))


class LocalDescribe(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        models = sorted(model_folders()) or [f"(models/{KEY} holds no model folder)"]
        model = io.Combo.Input(
            "model",
            options=models,
            tooltip=f"A folder in models/{KEY}: a model's repository as it is, with config.json and safetensors. "
            "Nothing is downloaded.",
        )
        return io.Schema(
            node_id="LocalDescribe",
            display_name="Describe Locally",
            category=CATEGORY,
            description="Describe the picture on this machine: from color statistics of its two regions, or by a "
            "vision model of yours. Nothing is uploaded or downloaded.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                io.Image.Input("image", tooltip="The composite, at any size."),
                io.Mask.Input("mask", tooltip="1 on the pasted object, of the image's size."),
                io.String.Input(
                    "object",
                    default="object",
                    tooltip="Name of the pasted object, such as 'car', 'tree' or 'person': its usual look is what the "
                    "words of statistics are relative to. 'object' is the neutral choice.",
                ),
                io.DynamicCombo.Input(
                    "provider",
                    options=[
                        io.DynamicCombo.Option("statistics", []),
                        io.DynamicCombo.Option("clip", [model]),
                        io.DynamicCombo.Option("vlm", [model]),
                    ],
                    optional=True,
                    tooltip="statistics: color statistics, no model. clip: the words that a CLIP or SigLIP model finds "
                    "most like each region. vlm: a vision-language model answers the task prompt.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**32 - 1,
                    optional=True,
                    control_after_generate=io.ControlAfterGenerate.fixed,
                    tooltip="Which of the alternatives to give: 0 is the best, past the last they begin anew. Link the "
                    "loop's description_seed here.",
                ),
            ],
            outputs=[
                ImagingDescription.Output("description", tooltip="Object, foreground words and background words."),
                io.String.Output("text", tooltip="The description in its one-line form."),
                Descriptions.Output("descriptions", tooltip="All alternatives, for Pick Description."),
            ],
        )

    @classmethod
    def execute(cls, image, mask, object: str, provider: dict[str, Any] | None = None, seed: int = 0) -> io.NodeOutput:  # noqa: A002
        mask = check_mask(mask, image, "LocalDescribe")
        with errors_name("LocalDescribe, input object"):
            name = make(object, "daylight", "daylight").object
        found = describe_locally(image[0, ..., :3], mask[0], name, **provider or {"provider": "statistics"})
        return picked(found, seed)
