"""Describing the picture: by hand or by statistics (paper eq. 1)."""

from collections.abc import Iterator
from contextlib import contextmanager

from comfy_api.latest import io, ui

from ..description.parser import make, parse
from ..description.statistics import describe
from ..host.image import check_mask
from .types import CATEGORY, ImagingDescription

CATEGORY = f"{CATEGORY}/describe"


@contextmanager
def _errors_name(place: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


class TextDescribe(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TextDescribe",
            display_name="Describe by Text",
            category=CATEGORY,
            description="Say what was pasted and how the two regions look: an object, words for the foreground, words "
            "for the background. The edit gives the object the background's words.",
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
            with _errors_name("TextDescribe, input description"):
                result = parse(description, strict)
        else:
            with _errors_name("TextDescribe"):
                result = make(object, foreground, background, strict)
        return io.NodeOutput(result, str(result), ui=ui.PreviewText(str(result)))


class LocalDescribe(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LocalDescribe",
            display_name="Describe by Statistics",
            category=CATEGORY,
            description="Describe the picture from color statistics of its two regions, relative to how such an object "
            "usually looks. Runs here: nothing is uploaded or downloaded.",
            inputs=[
                io.Image.Input("image", tooltip="The composite, at any size."),
                io.Mask.Input("mask", tooltip="1 on the pasted object, of the image's size."),
                io.String.Input(
                    "object",
                    default="object",
                    tooltip="Name of the pasted object, such as 'car', 'tree' or 'person': its usual look is what the "
                    "words are relative to. 'object' is the neutral choice.",
                ),
            ],
            outputs=[
                ImagingDescription.Output("description", tooltip="Object, foreground words and background words."),
                io.String.Output("text", tooltip="The description in its one-line form."),
            ],
        )

    @classmethod
    def execute(cls, image, mask, object: str) -> io.NodeOutput:  # noqa: A002 (the input's name)
        mask = check_mask(mask, image, "LocalDescribe")
        with _errors_name("LocalDescribe, input object"):
            name = make(object, "daylight", "daylight").object
        result = describe(image[0, ..., :3], mask[0], name)
        return io.NodeOutput(result, str(result), ui=ui.PreviewText(str(result)))
