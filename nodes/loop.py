"""The loop around a visible body: describe, edit, judge, repeat (paper sec. 3.3)."""

from comfy_api.latest import io

from ..host.image import check_mask
from ..host.loop.expansion import end_pass, start_loop
from ..loop.policy import LoopPolicy
from .types import CATEGORY, ImagingDescription, LoopFlow

CATEGORY = f"{CATEGORY}/loop"
LIMITS = LoopPolicy()


def limit_inputs() -> list[io.Input]:
    """The loop's limits, for every node that runs it."""
    return [
        io.Int.Input(
            "k",
            default=LIMITS.k,
            min=1,
            max=100,
            tooltip="Trial passes from the composite, one a description; the best is gone on with. The paper's value "
            "is 3; take 1 where there is one description only.",
        ),
        io.Int.Input(
            "max_passes",
            default=LIMITS.max_passes,
            min=1,
            max=100,
            tooltip="The loop ends after so many passes, trials included, if it has not before. A larger number goes "
            "on from the passes that are done.",
        ),
        io.Combo.Input(
            "new_descriptions",
            options=["best other trial", "next seed"],
            default=LIMITS.new_descriptions,
            tooltip="Where another description comes from when the score has fallen twice. best other trial: the "
            "next best of the k trials, of those that say something else. next seed: a seed not had before, for which "
            "a remote describe node asks again; a list gives its next entry, and begins anew at its end.",
        ),
    ]


def result_outputs(lists: bool = True) -> list[io.Output]:
    """What a loop has to tell besides its picture."""
    return [
        io.Image.Output("passes", tooltip="Every state's picture as a batch: first the composite, then each pass."),
        io.Float.Output("scores", is_output_list=lists, tooltip="Every state's score, as a list."),
        io.String.Output(
            "descriptions", is_output_list=lists, tooltip="Every pass's words; the composite's are empty."
        ),
        io.String.Output(
            "decisions",
            is_output_list=lists,
            tooltip="What was decided on every state: start, trial, continue, regenerate or conclude.",
        ),
        io.Int.Output("chosen", tooltip="Index of the best state in the lists; 0 is the composite itself."),
    ]


class IterateLoop(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="IterateLoop",
            display_name="Iterate Loop",
            category=CATEGORY,
            description="The loop begins here: what lies between this node and Iterate Loop End is run again and "
            "again, each pass on what an earlier one made.",
            inputs=[
                io.Image.Input("image", tooltip="The composite's working view, one picture."),
                io.Mask.Input("mask", tooltip="1 on the pasted object, of the image's size."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**31,
                    tooltip="The first description's seed; others count up from it. 0 is the neutral choice.",
                ),
            ],
            outputs=[
                LoopFlow.Output("flow", tooltip="For Iterate Loop End, and nothing else."),
                io.Image.Output("image", tooltip="The picture that this pass starts from, in full precision."),
                io.Mask.Output("mask", tooltip="Its mask, the same in every pass."),
                io.Int.Output(
                    "description_seed",
                    tooltip="For the describe node's seed: another one for another description.",
                ),
                io.Int.Output("pass_index", tooltip="Number of this pass, from 1."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, image, mask, seed: int) -> io.NodeOutput:
        image = image[..., :3]
        mask = check_mask(mask, image, "IterateLoop")
        return io.NodeOutput(start_loop(cls.hidden.unique_id, image, seed), image, mask, seed, 1)


def end_schema(node_id: str, display_name: str, lists: bool) -> io.Schema:
    return io.Schema(
        node_id=node_id,
        display_name=display_name,
        category=CATEGORY,
        description="The loop ends here: judges each pass by its score, runs the next one or concludes, and gives the "
        "best picture of all, the composite included. Finished passes are shown here and kept in the host's temp "
        "folder, whatever becomes of the later ones.",
        inputs=[
            LoopFlow.Input("flow", tooltip="From Iterate Loop."),
            io.Image.Input("image", tooltip="What the pass made of Iterate Loop's image, of the same size."),
            io.Float.Input(
                "score",
                default=0.0,
                min=0.0,
                max=1.0,
                force_input=True,
                tooltip="Its score from Harmony Score; higher is better.",
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
                "description", optional=True, tooltip="The pass's description, for the record; unconnected: none."
            ),
        ],
        outputs=[
            io.Image.Output("image", tooltip="The best picture of all states, the composite included."),
            *result_outputs(lists),
        ],
        hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
        enable_expand=True,
    )


class LoopEnd(io.ComfyNode):
    """Both ends of a pass; the host keeps a node's schema on its class, so neither is the other's base."""

    @classmethod
    def execute(
        cls, flow, image, score, first_score, k, max_passes, new_descriptions, description=None
    ) -> io.NodeOutput:
        policy, words = LoopPolicy(k, max_passes, new_descriptions), "" if description is None else str(description)
        outputs, shown, expansion = end_pass(
            cls.hidden.dynprompt, cls.hidden.unique_id, flow, image[..., :3], score, first_score, words, policy
        )
        return io.NodeOutput(*outputs, ui=shown, expand=expansion)


class IterateLoopEnd(LoopEnd):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return end_schema("IterateLoopEnd", "Iterate Loop End", lists=True)


class IterateLoopPass(LoopEnd):
    """The end of each further pass. The host unpacks lists that an expansion gives, so here each is a single value."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        schema = end_schema("IterateLoopPass", "Iterate Loop End (further pass)", lists=False)
        schema.description = "Iterate Loop End makes one of these for each further pass; it is not placed by hand."
        schema.is_dev_only = True
        return schema
