"""The loop around a visible body: describe, edit, judge, repeat (paper sec. 3.3)."""

from __future__ import annotations

import math

from comfy_api.latest import io
from torch import Tensor

from ..core.types import ImagingDescription as Description
from ..description.statistics.plausibility import FARTHEST
from ..evaluator.model import HarmonyEvaluator as Evaluator
from ..host.image import check_mask
from ..host.loop.expansion import LoopFlow as Flow
from ..host.loop.expansion import NextPass, end_pass, start_loop
from ..loop.policy import LoopPolicy, NewDescriptions
from ..loop.states import LoopResult
from .errors import errors_name, noted
from .types import CATEGORY_LOOP, HarmonyEvaluator, ImagingDescription, LoopFlow

LIMITS = LoopPolicy()


def limit_inputs() -> list[io.Input]:
    """The loop's limits, for every node that runs it."""
    return [
        io.Int.Input(
            "k",
            default=LIMITS.k,
            min=1,
            max=100,
            tooltip="Number of trial passes. Each starts from the composite and follows its own description; the loop "
            "continues from the best of them. The paper's value is 3. Use 1 if you have only one description.",
        ),
        io.Int.Input(
            "max_passes",
            default=LIMITS.max_passes,
            min=1,
            max=100,
            tooltip="The loop ends after this many passes at the latest. Trials count, too.",
        ),
        io.Combo.Input(
            "new_descriptions",
            options=["best other trial", "next seed"],
            default=LIMITS.new_descriptions,
            tooltip="Where the next description comes from after the score has fallen twice. best other trial: the "
            "best trial with other words; if there is none, the loop ends. next seed: a new seed. A "
            "remote describe node then asks again; a list gives its next entry, and starts again after its last.",
        ),
    ]


def margin_input(default: float) -> io.Input:
    """The margin, for every node that runs the loop."""
    return io.Float.Input(
        "margin",
        default=default,
        min=0.0,
        max=1.0,
        step=0.005,
        optional=True,
        advanced=True,
        tooltip="How much more a later picture must score to become the result. 0 takes any higher score, as the paper "
        "does. A larger value keeps the earlier picture when the judge is in doubt.",
    )


def take_input() -> io.Input:
    """The choice of another state than the loop's own, for every node that runs it."""
    return io.Int.Input(
        "take",
        default=-1,
        min=-1,
        max=1000,
        optional=True,
        tooltip="Which of the loop's pictures to give, counted as in passes: 0 is the composite. -1 gives the one that "
        "the loop chose. The buttons on this node set it. Another number does not run the loop again.",
    )


def taken(take: int) -> int | None:
    """The value of `take_input`."""
    return None if take < 0 else take


def result_outputs(lists: bool = True) -> list[io.Output]:
    """What a loop gives besides its picture; `result_values` has the values."""
    return [
        io.Image.Output(
            "passes", tooltip="The picture of every state as a batch: the composite, the proposals, then each pass."
        ),
        io.Float.Output("scores", is_output_list=lists, tooltip="The score of every state, as a list."),
        io.String.Output(
            "descriptions",
            is_output_list=lists,
            tooltip="The words of every pass, and how a proposal was made. The composite's are empty.",
        ),
        io.String.Output(
            "decisions",
            is_output_list=lists,
            tooltip="The decision on every state: propose, start, trial, continue, regenerate or conclude.",
        ),
        io.Int.Output("chosen", tooltip="Number of the chosen state in the lists. 0 is the composite itself."),
        io.String.Output(
            "reasons", is_output_list=lists, tooltip="Why each state was taken or refused. The composite's is empty."
        ),
    ]


def result_values(result: LoopResult) -> tuple[Tensor, list[float], list[str], list[str], int, list[str]]:
    """The values of `result_outputs`."""
    described = result.descriptions[1 + len(result.proposals) :]
    words = ["", *result.proposals, *("" if description is None else str(description) for description in described)]
    return result.images, list(result.scores), words, list(result.actions), result.chosen, list(result.reasons)


class IterateLoop(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="IterateLoop",
            display_name="Iterate Loop",
            category=CATEGORY_LOOP,
            search_aliases=["for loop", "while loop", "repeat", "iterate", "循环"],
            description="The loop begins here. Everything between this node and Iterate Loop End runs in every pass. "
            "Each pass starts from the picture of an earlier one.",
            inputs=[
                io.Image.Input("image", tooltip="The composite's working view, one picture."),
                io.Mask.Input("mask", tooltip="1 on the pasted object. The same size as the image."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**31,
                    tooltip="Seed of the first description. The next ones count up from it. 0 is a good choice.",
                ),
            ],
            outputs=[
                LoopFlow.Output("flow", tooltip="Connect it to Iterate Loop End, and to nothing else."),
                io.Image.Output("image", tooltip="The picture that this pass starts from, in full precision."),
                io.Mask.Output("mask", tooltip="Its mask, the same in every pass."),
                io.Int.Output(
                    "description_seed",
                    tooltip="Connect it to the describe node's seed. It changes when the loop wants other words.",
                ),
                io.Int.Output("pass_index", tooltip="Number of this pass, from 1."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, image: Tensor, mask: Tensor, seed: int) -> io.NodeOutput:
        image = image[..., :3]
        with errors_name("IterateLoop") as notes:
            mask = check_mask(mask, image)
            flow = start_loop(cls.hidden.unique_id, image, mask, seed)
        return noted(notes, io.NodeOutput(flow, image, mask, seed, 1))


def end_schema(node_id: str, display_name: str, lists: bool) -> io.Schema:
    return io.Schema(
        node_id=node_id,
        display_name=display_name,
        category=CATEGORY_LOOP,
        search_aliases=["end loop", "for loop", "while loop", "best of n", "循环"],
        description="The loop ends here. It judges each pass by its score, and runs the next pass or stops. It gives "
        "the picture that it took last, the composite if it took none. Finished passes are shown here and kept in "
        "ComfyUI's temp folder, even if a later pass fails.",
        inputs=[
            LoopFlow.Input("flow", tooltip="From Iterate Loop."),
            io.Image.Input("image", tooltip="What the pass made of Iterate Loop's image. It must have the same size."),
            io.Float.Input(
                "score",
                default=0.0,
                min=0.0,
                max=1.0,
                force_input=True,
                tooltip="The pass's score, from Harmony Score. Higher is better.",
            ),
            io.Float.Input(
                "first_score",
                default=0.0,
                min=0.0,
                max=1.0,
                force_input=True,
                tooltip="The composite's own score, from another Harmony Score before the loop.",
            ),
            *limit_inputs(),
            ImagingDescription.Input(
                "description",
                optional=True,
                tooltip="The description of this pass. It is shown with the pass, and the loop can tell two trials "
                "with the same words. Unconnected: unknown.",
            ),
            margin_input(LIMITS.margin),
            io.Boolean.Input(
                "plausible",
                default=False,
                optional=True,
                advanced=True,
                tooltip="On: a picture whose object looks like no object of its kind is not taken, whatever its score. "
                "The kind is the object's name in the description. Off: the score alone decides, as in the paper.",
            ),
            io.Image.Input(
                "proposals",
                optional=True,
                tooltip="What other boxes made of the composite's working view, as a batch, weaker changes first. They "
                "compete with the passes, and the loop may continue from one. They do not count as passes. "
                "Unconnected: none.",
            ),
            HarmonyEvaluator.Input(
                "evaluator", optional=True, tooltip="From Load Harmony Evaluator. It scores the proposals."
            ),
            take_input(),
        ],
        outputs=[
            io.Image.Output("image", tooltip="The picture that was taken last; the composite if none was."),
            *result_outputs(lists),
        ],
        hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
        enable_expand=True,
    )


class LoopEnd(io.ComfyNode):
    """Both ends of a pass; the host keeps a node's schema on its class, so neither is the other's base."""

    @classmethod
    def execute(
        cls,
        flow: Flow,
        image: Tensor,
        score: float,
        first_score: float,
        k: int,
        max_passes: int,
        new_descriptions: NewDescriptions,
        description: Description | None = None,
        margin: float = LIMITS.margin,
        plausible: bool = False,
        proposals: Tensor | None = None,
        evaluator: Evaluator | None = None,
        take: int = -1,
    ) -> io.NodeOutput:
        prompt, node_id = cls.hidden.dynprompt, cls.hidden.unique_id
        with errors_name("IterateLoopEnd", judge="evaluator") as notes:
            policy = LoopPolicy(
                k=k,
                max_passes=max_passes,
                new_descriptions=new_descriptions,
                margin=margin,
                farthest=FARTHEST if plausible else math.inf,
            )
            outcome, shown = end_pass(
                prompt,
                node_id,
                flow,
                image[..., :3],
                score,
                first_score,
                description,
                policy,
                proposals,
                evaluator,
                taken(take),
            )
        if isinstance(outcome, NextPass):
            return noted(notes, io.NodeOutput(*outcome.links, ui=shown, expand=outcome.nodes))
        return noted(notes, io.NodeOutput(outcome.image, *result_values(outcome), ui=shown))


class IterateLoopEnd(LoopEnd):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return end_schema("IterateLoopEnd", "Iterate Loop End", lists=True)


class IterateLoopPass(LoopEnd):
    """The end of each further pass. The host unpacks lists that an expansion gives, so here each is a single value."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        schema = end_schema("IterateLoopPass", "Iterate Loop End (further pass)", lists=False)
        schema.description = "Iterate Loop End makes one of these for each further pass. Do not place it by hand."
        schema.is_dev_only = True
        return schema
