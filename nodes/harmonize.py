"""The loop in one box, for one pasted object or for several."""

from functools import partial

from comfy_api.latest import io

from ..host.loop.passes import keep_pass
from ..host.zero_shot.harmonize import Models, PassSettings, harmonize
from ..host.zero_shot.instances import harmonize_instances
from ..loop.policy import LoopPolicy
from ..methods.zero_shot.refinement import RefinementSettings
from .loop import limit_inputs, result_outputs
from .types import CATEGORY, ColorLUT, Descriptions, HarmonyEvaluator

DEFAULTS = PassSettings()


def _models() -> list[io.Input]:
    return [
        io.Model.Input("model", tooltip="An SD1.5- or SD2-family model, or the embedded one."),
        io.Clip.Input("clip", tooltip="The model's text encoder."),
        io.Vae.Input("vae", tooltip="The model's VAE."),
        HarmonyEvaluator.Input("evaluator", tooltip="From Load Harmony Evaluator; judges every pass."),
    ]


def _one_pass() -> list[io.Input]:
    return [
        io.Int.Input(
            "size",
            default=DEFAULTS.size,
            min=32,
            max=2048,
            step=8,
            tooltip="Side of the square that the model sees: 64 for the embedded model, 512 for SD1.5 and SD2.",
        ),
        io.Int.Input(
            "steps",
            default=DEFAULTS.steps,
            min=1,
            max=1000,
            tooltip="DDIM steps of each pass. The paper's value is 50; 10 suit the embedded model.",
        ),
        io.Float.Input(
            "strength",
            default=DEFAULTS.strength,
            min=0.0,
            max=10.0,
            step=0.05,
            tooltip="How far each edit goes. 0.7 suits the embedded model, 0 gives the composite back.",
        ),
        io.Float.Input(
            "amount",
            default=DEFAULTS.amount,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="How much of each pass's color change is kept, 0 to 1. Half lets the loop find where to stop; 1 is "
            "for a single pass.",
        ),
    ]


def _rare() -> list[io.Input]:
    return [
        io.Int.Input(
            "steps_per_timestep",
            default=DEFAULTS.refinement.steps_per_timestep,
            min=0,
            max=100,
            advanced=True,
            tooltip="Optimizer steps of the words' refinement at each noise level. 2 is the paper's; 0 takes "
            "the words as they are.",
        ),
        io.Int.Input(
            "view_size",
            default=DEFAULTS.view_size,
            min=64,
            max=2048,
            step=8,
            advanced=True,
            tooltip="Side of the square that is carried from pass to pass and judged. 256 is the evaluator's "
            "own; take at least the model's size.",
        ),
    ]


class Harmonize(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Harmonize",
            display_name="Harmonize Composite",
            category=CATEGORY,
            description="The whole loop in one box: edits the pasted object by each description, judges, goes on from "
            "the best, and carries the result to full resolution. The same as the graph around Iterate Loop.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                *_models(),
                io.Image.Input("image", tooltip="The composite, one picture of any size."),
                io.Mask.Input("mask", tooltip="1 on the pasted object, of the image's size."),
                Descriptions.Input(
                    "descriptions",
                    tooltip="From a describe node; at least k of them.",
                ),
                *_one_pass(),
                *limit_inputs(),
                *_rare(),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The harmonized picture at full resolution."),
                ColorLUT.Output("lut", tooltip="Its color change, for Save Color LUT."),
                *result_outputs(),
            ],
        )

    @classmethod
    def execute(
        cls,
        model,
        clip,
        vae,
        evaluator,
        image,
        mask,
        descriptions,
        size,
        steps,
        strength,
        amount,
        k,
        max_passes,
        new_descriptions,
        steps_per_timestep,
        view_size,
    ) -> io.NodeOutput:
        refinement = RefinementSettings(steps_per_timestep=steps_per_timestep)
        settings = PassSettings(size, steps, strength, amount, refinement, view_size)
        policy = LoopPolicy(k, max_passes, new_descriptions)
        keep = partial(keep_pass, policy=policy, node="Harmonize")
        done = harmonize(
            Models(model, clip, vae), evaluator, image[..., :3], mask, descriptions, settings, policy, keep
        )
        _, *results = done.passes.results(policy)
        return io.NodeOutput(done.image, done.lut, *results, ui=done.passes.shown(policy))


class HarmonizeInstances(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="HarmonizeInstances",
            display_name="Harmonize Instances",
            category=CATEGORY,
            description="Several pasted objects of one picture, one after another: each goes through the loop of "
            "Harmonize Composite on the picture that the one before it left.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                *_models(),
                io.Image.Input("image", tooltip="The composite, one picture of any size."),
                io.Mask.Input("masks", tooltip="A mask for each object, as a batch, each of the image's size."),
                Descriptions.Input("descriptions", tooltip="One for each mask, in the same order."),
                *_one_pass(),
                io.Int.Input(
                    "max_passes",
                    default=3,
                    min=1,
                    max=100,
                    tooltip="Passes for each object at most; fewer once the score falls.",
                ),
                *_rare(),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The picture with all objects harmonized, at full resolution."),
                ColorLUT.Output(
                    "luts", is_output_list=True, tooltip="Each object's color change, for Save Color LUT: a file each."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        model,
        clip,
        vae,
        evaluator,
        image,
        masks,
        descriptions,
        size,
        steps,
        strength,
        amount,
        max_passes,
        steps_per_timestep,
        view_size,
    ) -> io.NodeOutput:
        refinement = RefinementSettings(steps_per_timestep=steps_per_timestep)
        settings = PassSettings(size, steps, strength, amount, refinement, view_size)
        policy = LoopPolicy(1, max_passes)
        keep = partial(keep_pass, policy=policy, node="HarmonizeInstances")
        done = harmonize_instances(
            Models(model, clip, vae), evaluator, image[..., :3], masks, descriptions, settings, policy, keep
        )
        shown = [each.passes.shown(policy) for each in done]
        pictures, texts = (sum((each[key] for each in shown), []) for key in ("images", "text"))
        return io.NodeOutput(done[-1].image, [each.lut for each in done], ui={"images": pictures, "text": texts})
