"""Describing the picture with Gemini, a vision-language model of Google's (paper eq. 1)."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from ..description.gemini.provider import MODEL, Question
from ..description.pictures import encode_pictures
from ..host.describe.gemini import ask_gemini
from ..host.image import check_mask
from .describe import STRICT_TOOLTIP, picked
from .errors import errors_name, noted
from .types import CATEGORY_DESCRIBE, Descriptions, ImagingDescription


class GeminiDescribe(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GeminiDescribe",
            display_name="Describe with Gemini",
            category=CATEGORY_DESCRIBE,
            search_aliases=["caption", "interrogate", "auto prompt", "google", "vlm", "反推", "自动描述"],
            description="Let Google's Gemini describe the pasted object and the scene. This uploads two pictures to "
            "Google, the composite and the mask, with at most 1024 pixels on a side. Google charges your account for "
            "it. The API key comes from the environment variable GEMINI_API_KEY or GOOGLE_API_KEY, or from the file "
            "user/__diff_harmonization/gemini_api_key.txt; it is never part of a workflow.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                io.Image.Input("image", tooltip="The composite, at any size; of a batch, the first."),
                io.Mask.Input("mask", tooltip="1 on the pasted object, of the image's size."),
                io.String.Input(
                    "model",
                    default=MODEL,
                    tooltip="Name of a Gemini model that reads pictures. Google retires a model after "
                    "about a year. 'gemini-flash-latest' is always the newest.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**32 - 1,
                    control_after_generate=io.ControlAfterGenerate.fixed,
                    tooltip="Which description to give. With count 3, seeds 0 to 2 pick from the first answer, and "
                    "seeds 3 to 5 from a second answer, which costs another request. 0 is the most fitting.",
                ),
                io.Int.Input(
                    "count",
                    default=3,
                    min=1,
                    max=10,
                    tooltip="Number of different descriptions in one answer (K in the paper). They cost one request "
                    "together. 1 gives the most fitting description alone.",
                ),
                io.Boolean.Input(
                    "strict",
                    default=True,
                    optional=True,
                    advanced=True,
                    tooltip=f"{STRICT_TOOLTIP} Gemini is asked again after a refusal.",
                ),
                io.Int.Input(
                    "max_calls",
                    default=8,
                    min=1,
                    max=100,
                    optional=True,
                    advanced=True,
                    tooltip="How many requests one run of the workflow may send at most. Repeated requests count, "
                    "and so do those of all other nodes of this kind.",
                ),
                io.Int.Input(
                    "timeout",
                    default=60,
                    min=10,
                    max=600,
                    optional=True,
                    advanced=True,
                    tooltip="Seconds to wait for one reply. A request that fails is repeated up to 3 times. Raise it "
                    "if your connection is slow.",
                ),
            ],
            outputs=[
                ImagingDescription.Output("description", tooltip="The description that the seed picks."),
                io.String.Output("text", tooltip="The same description in its one-line form."),
                Descriptions.Output("descriptions", tooltip="All descriptions of this answer."),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        mask: Tensor,
        model: str,
        seed: int,
        count: int,
        strict: bool = True,
        max_calls: int = 8,
        timeout: int = 60,
    ) -> io.NodeOutput:
        with errors_name("GeminiDescribe") as notes:
            pictures = encode_pictures(image[0, ..., :3], check_mask(mask, image)[0])
            question = Question(pictures=pictures, model=model.strip(), count=count, strict=strict)
            found, sent = ask_gemini(question, seed // count, timeout, max_calls)
        return noted(notes, picked(found, seed % count, f"{sent} of {max_calls} requests sent in this run"))
