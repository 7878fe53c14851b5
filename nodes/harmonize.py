"""The loop in one box, for one pasted object or for several."""

from __future__ import annotations

from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP, VAE
from comfy_api.latest import io
from torch import Tensor

from ..core.types import ImagingDescription
from ..evaluator.model import HarmonyEvaluator as Evaluator
from ..host.loop.passes import KeptPasses, shown, to_pick
from ..host.loop.remembered import Plain, recall, remember
from ..host.routed.harmonizer import proposals
from ..host.zero_shot.edit import Models, PassSettings
from ..host.zero_shot.harmonize import VIEW_SIZE, doubting, harmonize_instances, run_harmonize
from ..host.zero_shot.harmonize import take as take_state
from ..loop.policy import MARGIN, LoopPolicy, NewDescriptions
from ..methods.routed.harmonizer import RoutedHarmonizer as Harmonizer
from ..methods.zero_shot.refinement import RefinementSettings
from .errors import errors_name, noted
from .loop import limit_inputs, margin_input, result_outputs, result_values, take_input, taken
from .refine import fast_input
from .types import CATEGORY, HARMONIZE_ALIASES, ColorLUT, Descriptions, HarmonyEvaluator, RoutedHarmonizer

DEFAULTS = PassSettings()
# The engine's names for these inputs.
RENAMED = {"text": "descriptions", "description": "descriptions", "latent": "image"}


def _models() -> list[io.Input]:
    return [
        io.Model.Input("model", tooltip="A model of the SD1.5, SD2 or SDXL family, or the embedded one."),
        io.Clip.Input("clip", tooltip="The model's text encoder."),
        io.Vae.Input("vae", tooltip="The model's VAE."),
        HarmonyEvaluator.Input("evaluator", tooltip="From Load Harmony Evaluator. It judges every pass."),
    ]


def _one_pass() -> list[io.Input]:
    return [
        io.Int.Input(
            "size",
            default=DEFAULTS.size,
            min=32,
            max=2048,
            step=8,
            tooltip="Side of the square that the model sees, in pixels: 64 for the embedded model, 512 for SD1.5 and "
            "SD2, 768 for SD2.1-v, 1024 for SDXL.",
        ),
        io.Int.Input(
            "steps",
            default=DEFAULTS.steps,
            min=1,
            max=1000,
            tooltip="DDIM steps of each pass. The paper's value is 50. 10 is enough for the embedded model.",
        ),
        io.Float.Input(
            "strength",
            default=DEFAULTS.strength,
            min=0.0,
            max=10.0,
            step=0.05,
            tooltip="How far each edit goes. 0 changes nothing. 0.7 suits the embedded model, 1 suits SD1.5 and SD2. "
            "Larger values change more.",
        ),
        io.Float.Input(
            "amount",
            default=DEFAULTS.amount,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="How much of its color change each pass keeps: 0 keeps nothing, 1 keeps all. 0.5 makes small "
            "steps, so that the loop can stop in time. Use 1 for a single pass.",
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
            tooltip="Optimizer steps at each noise level when the words are refined. The paper's value is 2. 0 uses "
            "the words as they are.",
        ),
        io.Int.Input(
            "view_size",
            default=VIEW_SIZE,
            min=64,
            max=2048,
            step=8,
            advanced=True,
            tooltip="Side of the square that goes from pass to pass and is judged, in pixels. The evaluator looks at "
            "256. Use at least the model's size.",
        ),
    ]


def _settings(
    size: int, steps: int, strength: float, amount: float, steps_per_timestep: int, fast: bool
) -> PassSettings:
    """The values of `_one_pass`, `_rare` and `fast_input`."""
    refinement = RefinementSettings(steps_per_timestep=steps_per_timestep, cached_queries=fast)
    return PassSettings(size=size, steps=steps, strength=strength, amount=amount, refinement=refinement)


def _doubts() -> list[io.Input]:
    return [
        margin_input(MARGIN),
        io.Boolean.Input(
            "paper_loop",
            default=False,
            optional=True,
            advanced=True,
            tooltip="On: the paper's loop alone. The best score wins, by whatever margin and however the object looks, "
            "nothing but the described passes competes, and words stay as they are. Off: margin counts, a picture "
            "whose object looks like no object of its kind is not taken, and the foreground's words follow the object "
            "where statistics found them.",
        ),
    ]


def _policy(policy: LoopPolicy, margin: float, paper_loop: bool) -> LoopPolicy:
    """The paper's policy with the values of `_doubts`."""
    return policy if paper_loop else doubting(policy, margin)


class Harmonize(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Harmonize",
            display_name="Harmonize Composite",
            category=CATEGORY,
            search_aliases=[*HARMONIZE_ALIASES],
            description="The whole loop in one box. It edits the pasted object with each description, judges the "
            "results, continues from the best one, and carries the best colors to full resolution. With a routed "
            "harmonizer, its results compete, too. The graph around Iterate Loop gives the same result without one.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                *_models(),
                io.Image.Input("image", tooltip="The composite: one picture of any size."),
                io.Mask.Input("mask", tooltip="1 on the pasted object. The same size as the image."),
                Descriptions.Input("descriptions", tooltip="From a describe node. Give at least k descriptions."),
                *_one_pass(),
                *limit_inputs(),
                *_rare(),
                *_doubts(),
                RoutedHarmonizer.Input(
                    "harmonizer",
                    optional=True,
                    tooltip="From Load Routed Harmonizer. Its results at four strengths compete with the described "
                    "passes, and the loop may continue from one. A pass must beat them clearly. Unconnected: the "
                    "described passes alone.",
                ),
                take_input(),
                fast_input(),
            ],
            hidden=[io.Hidden.unique_id],
            outputs=[
                io.Image.Output("image", tooltip="The harmonized picture at full resolution."),
                ColorLUT.Output("lut", tooltip="Its change of color, for Save Color LUT."),
                *result_outputs(),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        clip: CLIP,
        vae: VAE,
        evaluator: Evaluator,
        image: Tensor,
        mask: Tensor,
        descriptions: tuple[ImagingDescription, ...],
        size: int,
        steps: int,
        strength: float,
        amount: float,
        k: int,
        max_passes: int,
        new_descriptions: NewDescriptions,
        steps_per_timestep: int,
        view_size: int,
        margin: float = MARGIN,
        paper_loop: bool = False,
        harmonizer: Harmonizer | None = None,
        take: int = -1,
        fast: bool = False,
    ) -> io.NodeOutput:
        settings, image = _settings(size, steps, strength, amount, steps_per_timestep, fast), image[..., :3]
        models, kept, node = Models(model, clip, vae), KeptPasses(), cls.hidden.unique_id
        with errors_name("Harmonize", **RENAMED) as notes:
            limits = LoopPolicy(k=k, max_passes=max_passes, new_descriptions=new_descriptions)
            policy = _policy(limits, margin, paper_loop)
            competing = None if paper_loop else harmonizer
            plain = Plain((tuple(map(str, descriptions)), settings, policy, view_size))
            made_of = (model, clip, vae, evaluator, competing, image, mask, plain)
            known = recall(node, made_of)
            if known is None:
                run = run_harmonize(
                    models,
                    evaluator,
                    image,
                    mask,
                    descriptions,
                    settings,
                    policy,
                    proposals=() if competing is None else proposals(competing, image, mask),
                    view_size=view_size,
                    after_pass=kept.keep,
                    during=kept.errors_name,
                )
                known = run, tuple(notes)
                remember(node, made_of, known)
            run, said = known
            if (state := taken(take)) is not None:
                run.states.require_state(state)
            with kept.errors_name("final LUT"):
                done = take_state(run, image, mask, state)
        values = done.image, done.lut, *result_values(done.states.result(done.taken))
        output = io.NodeOutput(*values, ui=to_pick(done.states, done.taken))
        return noted(list(dict.fromkeys([*said, *notes])), output)


class HarmonizeInstances(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="HarmonizeInstances",
            display_name="Harmonize Instances",
            category=CATEGORY,
            search_aliases=[*HARMONIZE_ALIASES, "several objects", "batch of masks", "多个物体"],
            description="Harmonizes several pasted objects of one picture, one after another. Each object goes through "
            "the loop of Harmonize Composite, on the picture that the object before it left.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                *_models(),
                io.Image.Input("image", tooltip="The composite: one picture of any size."),
                io.Mask.Input("masks", tooltip="One mask for each object, as a batch. Each has the image's size."),
                Descriptions.Input("descriptions", tooltip="One for each mask, in the same order."),
                *_one_pass(),
                io.Int.Input(
                    "max_passes",
                    default=3,
                    min=1,
                    max=100,
                    tooltip="At most this many passes for each object. It ends earlier when the score falls twice.",
                ),
                *_rare(),
                *_doubts(),
                fast_input(),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The picture with all objects harmonized, at full resolution."),
                ColorLUT.Output(
                    "luts",
                    is_output_list=True,
                    tooltip="The change of color of each object. Save Color LUT writes one file for each.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        clip: CLIP,
        vae: VAE,
        evaluator: Evaluator,
        image: Tensor,
        masks: Tensor,
        descriptions: tuple[ImagingDescription, ...],
        size: int,
        steps: int,
        strength: float,
        amount: float,
        max_passes: int,
        steps_per_timestep: int,
        view_size: int,
        margin: float = MARGIN,
        paper_loop: bool = False,
        fast: bool = False,
    ) -> io.NodeOutput:
        settings = _settings(size, steps, strength, amount, steps_per_timestep, fast)
        models = Models(model, clip, vae)
        with errors_name("HarmonizeInstances", **RENAMED) as notes:
            policy = _policy(LoopPolicy(k=1, max_passes=max_passes), margin, paper_loop)
            done, kept = harmonize_instances(
                models, evaluator, image[..., :3], masks, descriptions, settings, policy, view_size=view_size
            )
        shows = [shown(each.states, passes.files) for each, passes in zip(done, kept, strict=True)]
        pictures, texts = (sum((each[key] for each in shows), []) for key in ("images", "text"))
        luts = [each.lut for each in done]
        return noted(notes, io.NodeOutput(done[-1].image, luts, ui={"images": pictures, "text": texts}))
