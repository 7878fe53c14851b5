"""Descriptions in the user's hands: picked, edited and added to in the graph."""

from __future__ import annotations

from typing import Literal

from comfy_api.latest import io

from ..core.types import ImagingDescription as Description
from ..description.parser import parse_lines
from .describe import STRICT_TOOLTIP, picked
from .errors import errors_name
from .types import CATEGORY_DESCRIBE, Descriptions, ImagingDescription


class DescribePicker(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DescribePicker",
            display_name="Pick Description",
            category=CATEGORY_DESCRIBE,
            search_aliases=["choose prompt", "select description", "edit words", "variants", "选择提示词"],
            description="Pick one of several descriptions. You can edit them and add your own. The node shows them "
            "all.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                Descriptions.Input(
                    "descriptions",
                    optional=True,
                    tooltip="From a describe node. If nothing is connected, only the text below counts.",
                ),
                io.String.Input(
                    "text",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="Your own descriptions, each on a line of its own, such as 'cat & (foreground) bright "
                    "summer & (background) dusk cold'. Empty: only the connected descriptions count.",
                ),
                io.Combo.Input(
                    "mode",
                    options=["append", "replace"],
                    default="append",
                    optional=True,
                    tooltip="append: your lines follow the connected descriptions. replace: your lines take their "
                    "place. To edit descriptions, copy the lines that this node shows into the text.",
                ),
                io.Int.Input(
                    "index",
                    default=0,
                    min=0,
                    max=2**32 - 1,
                    optional=True,
                    tooltip="Which description to give, from 0. After the last comes the first again. In a loop, link "
                    "description_seed here.",
                ),
                io.Boolean.Input("strict", default=True, optional=True, advanced=True, tooltip=STRICT_TOOLTIP),
            ],
            outputs=[
                ImagingDescription.Output("description", tooltip="The picked description."),
                io.String.Output("text", tooltip="The picked description in its one-line form."),
                Descriptions.Output("descriptions", tooltip="All descriptions, the picked one among them."),
            ],
        )

    @classmethod
    def execute(
        cls,
        descriptions: tuple[Description, ...] = (),
        text: str = "",
        mode: Literal["append", "replace"] = "append",
        index: int = 0,
        strict: bool = True,
    ) -> io.NodeOutput:
        with errors_name("DescribePicker"):
            written = parse_lines(text, strict)
            found = written if mode == "replace" else (*descriptions, *written)
            if not found:
                raise ValueError("There is nothing to pick from. Connect input descriptions, or write into input text.")
            return picked(found, index)
