"""Describing the picture with Gemini, a vision-language model of Google's (paper eq. 1)."""

from comfy_api.latest import io, ui

from ..description.gemini.provider import MODEL, Question
from ..description.pictures import encode_pictures
from ..host.describe.gemini import ask_gemini
from ..host.image import check_mask
from .types import CATEGORY, Descriptions, ImagingDescription


class GeminiDescribe(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GeminiDescribe",
            display_name="Describe with Gemini",
            category=f"{CATEGORY}/describe",
            description="Let Google's Gemini describe the pasted object and the scene. Uploads two pictures to Google, "
            "the composite and the mask, at no more than 1024 pixels, and costs what your account with Google pays for "
            "it. The API key comes from the environment variable GEMINI_API_KEY or GOOGLE_API_KEY, or from the file "
            "user/__diff_harmonization/gemini_api_key.txt; it is never part of a workflow.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                io.Image.Input("image", tooltip="The composite, at any size; of a batch, the first."),
                io.Mask.Input("mask", tooltip="1 on the pasted object, of the image's size."),
                io.String.Input(
                    "model",
                    default=MODEL,
                    tooltip="Name of a Gemini model that reads pictures. Models are retired after a year or so; "
                    "'gemini-flash-latest' always names the newest.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**32 - 1,
                    control_after_generate=io.ControlAfterGenerate.fixed,
                    tooltip="Which description: an index into the list. With count 3, seeds 0 to 2 pick from the first "
                    "answer, 3 to 5 from a second one, which costs another request. 0 is the most fitting.",
                ),
                io.Int.Input(
                    "count",
                    default=3,
                    min=1,
                    max=10,
                    tooltip="How many different descriptions one answer has (K in the paper). All come in one request.",
                ),
                io.Boolean.Input(
                    "strict",
                    default=True,
                    optional=True,
                    advanced=True,
                    tooltip="Refuse words outside the vocabulary and ask again. Off: synonyms become the vocabulary's "
                    "words, any other word stays.",
                ),
                io.Int.Input(
                    "max_calls",
                    default=8,
                    min=1,
                    max=100,
                    optional=True,
                    advanced=True,
                    tooltip="How many requests one run of the workflow may send at most, repeated ones included, all "
                    "nodes of this kind together.",
                ),
                io.Int.Input(
                    "timeout",
                    default=60,
                    min=10,
                    max=600,
                    optional=True,
                    advanced=True,
                    tooltip="Seconds to wait for one reply. Requests that fail are repeated up to 3 times.",
                ),
            ],
            outputs=[
                ImagingDescription.Output("description", tooltip="The description that the seed picks."),
                io.String.Output("text", tooltip="The same in its one-line form."),
                Descriptions.Output("descriptions", tooltip="All descriptions of this answer."),
            ],
        )

    @classmethod
    def execute(
        cls, image, mask, model: str, seed: int, count: int, strict=True, max_calls: int = 8, timeout: int = 60
    ) -> io.NodeOutput:
        mask = check_mask(mask, image, "GeminiDescribe")
        question = Question(encode_pictures(image[0, ..., :3], mask[0]), model.strip(), count, strict)
        descriptions, sent = ask_gemini(question, seed // count, timeout, max_calls)
        chosen = descriptions[seed % count % len(descriptions)]
        listing = "\n".join(f"{'>' if description is chosen else '  '} {description}" for description in descriptions)
        note = f"{sent} of {max_calls} requests sent in this run"
        return io.NodeOutput(chosen, str(chosen), descriptions, ui=ui.PreviewText(f"{listing}\n{note}"))
