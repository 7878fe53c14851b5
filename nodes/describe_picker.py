"""Descriptions in the user's hands: picked, edited and added to in the graph."""

from comfy_api.latest import io

from ..description.parser import parse_lines
from .describe import CATEGORY, errors_name, picked
from .types import Descriptions, ImagingDescription


class DescribePicker(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DescribePicker",
            display_name="Pick Description",
            category=CATEGORY,
            description="Pick one of several descriptions, and edit them or add your own. Shows them all.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                Descriptions.Input(
                    "descriptions",
                    optional=True,
                    tooltip="From a describe node. Unconnected: only what is written here.",
                ),
                io.String.Input(
                    "text",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="Descriptions of your own, one a line, such as 'cat & (foreground) bright summer & "
                    "(background) dusk cold'. Empty: none.",
                ),
                io.Combo.Input(
                    "mode",
                    options=["append", "replace"],
                    default="append",
                    optional=True,
                    tooltip="append: the text's lines follow the connected descriptions. replace: they take their "
                    "place; copy the lines shown below into the text and edit them.",
                ),
                io.Int.Input(
                    "index",
                    default=0,
                    min=0,
                    max=2**32 - 1,
                    optional=True,
                    tooltip="Which one to give, from 0; past the last they begin anew. Link the loop's "
                    "description_seed here.",
                ),
                io.Boolean.Input(
                    "strict",
                    default=True,
                    optional=True,
                    advanced=True,
                    tooltip="Refuse words outside the vocabulary. Off: any word may be used, as far as the model "
                    "understands it.",
                ),
            ],
            outputs=[
                ImagingDescription.Output("description", tooltip="The one picked."),
                io.String.Output("text", tooltip="The one picked, in its one-line form."),
                Descriptions.Output("descriptions", tooltip="All of them."),
            ],
        )

    @classmethod
    def execute(
        cls, descriptions=(), text: str = "", mode: str = "append", index: int = 0, strict: bool = True
    ) -> io.NodeOutput:
        with errors_name("DescribePicker, input text"):
            written = parse_lines(text, strict)
        found = written if mode == "replace" else (*descriptions, *written)
        if not found:
            raise ValueError(
                "DescribePicker: there is nothing to pick from; connect input descriptions, or write one in input text."
            )
        return picked(found, index)
