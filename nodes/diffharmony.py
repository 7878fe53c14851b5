"""DiffHarmony++ (Zhou et al., ACM MM 2024) with the user's weights."""

from __future__ import annotations

from typing import Any

import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP, VAE
from comfy_api.latest import io, ui
from torch import Tensor

from ..core.view import ViewMode
from ..evaluator.model import HarmonyEvaluator as Evaluator
from ..host.diffharmony.harmonizer import (
    Models,
    SamplingSettings,
    conditioned,
    encoded,
    harmonize,
    make_composites,
)
from ..host.diffharmony.vae import HostHarmonyVAE, harmony_vae_names, load_harmony_vae
from ..methods.diffharmony.carry import CARRIES, Carry
from .errors import errors_name, noted
from .types import CATEGORY_DIFFHARMONY, HARMONIZE_ALIASES, Conditioning, HarmonyEvaluator, HarmonyVAE

DEFAULTS = SamplingSettings()


class LoadHarmonyVAE(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadHarmonyVAE",
            display_name="Load Harmony-VAE",
            category=CATEGORY_DIFFHARMONY,
            search_aliases=["condition vae", "diffharmony vae", "decoder with details"],
            description="Loads a VAE decoder that also sees the composite, so that faces, text and patterns survive. "
            "It is DiffHarmony's condition VAE, a file that you have to get yourself.",
            inputs=[
                io.Combo.Input(
                    "name",
                    options=harmony_vae_names(),
                    tooltip="A file in models/harmony_vae: DiffHarmony's condition_vae, or that of its inverse model.",
                )
            ],
            outputs=[HarmonyVAE.Output("harmony_vae", tooltip="For the boxes of this group that decode.")],
        )

    @classmethod
    def execute(cls, name: str) -> io.NodeOutput:
        with errors_name("LoadHarmonyVAE", path="name"):
            return io.NodeOutput(load_harmony_vae(name))


class HarmonyVAEDecode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="HarmonyVAEDecode",
            display_name="Harmony-VAE Decode",
            category=CATEGORY_DIFFHARMONY,
            search_aliases=["vae decode", "keep details", "condition vae", "VAE解码"],
            description="Decodes an edited latent and takes the details from the composite. Use it in place of VAE "
            "Decode behind any edit of a Stable Diffusion 1.5 latent. A picture that is too large for the memory is "
            "decoded in tiles.",
            inputs=[
                HarmonyVAE.Input("harmony_vae", tooltip="From Load Harmony-VAE."),
                io.Latent.Input("latent", tooltip="The edited latent of a Stable Diffusion 1.5 model."),
                io.Image.Input(
                    "image",
                    tooltip="The composite at the size at which it was encoded: one picture, or one for each latent.",
                ),
                io.Mask.Input("mask", tooltip="1 on the pasted object. The same size as the image."),
            ],
            outputs=[io.Image.Output("image", tooltip="The decoded picture, 8 times as wide and high as the latent.")],
        )

    @classmethod
    def execute(cls, harmony_vae: HostHarmonyVAE, latent: dict[str, Any], image: Tensor, mask: Tensor) -> io.NodeOutput:
        with errors_name("HarmonyVAEDecode") as notes:
            decoded = harmony_vae.decode(latent["samples"], image, mask)
        return noted(notes, io.NodeOutput(decoded))


class DiffHarmonyConditioning(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffHarmonyConditioning",
            display_name="DiffHarmony Conditioning",
            category=CATEGORY_DIFFHARMONY,
            search_aliases=["inpaint conditioning", "diffharmony", "ksampler", "concat latent"],
            description="Shows a composite to DiffHarmony's UNet, so that KSampler can run it: 5 steps, cfg 1, "
            "euler_ancestral, normal, denoise 1. Inpaint Model Conditioning does not serve: it makes the object gray, "
            "and this UNet must see it.",
            inputs=[
                io.Conditioning.Input("positive", tooltip="The text. DiffHarmony was trained with an empty prompt."),
                io.Conditioning.Input("negative", tooltip="Not used at cfg 1. The same as positive will do."),
                io.Vae.Input("vae", tooltip="The VAE of Stable Diffusion 1.5."),
                io.Image.Input("image", tooltip="The composite: a square of 512 or 1024 pixels, as in the training."),
                io.Mask.Input("mask", tooltip="1 on the pasted object. The same size as the image."),
            ],
            outputs=[
                io.Conditioning.Output("positive", tooltip="For KSampler."),
                io.Conditioning.Output("negative", tooltip="For KSampler."),
                io.Latent.Output("latent", tooltip="An empty latent of the right size for KSampler."),
            ],
        )

    @classmethod
    def execute(
        cls, positive: Conditioning, negative: Conditioning, vae: VAE, image: Tensor, mask: Tensor
    ) -> io.NodeOutput:
        with errors_name("DiffHarmonyConditioning"):
            shown = encoded(vae, image, mask)
        texts = (conditioned(text, *shown) for text in (positive, negative))
        return io.NodeOutput(*texts, {"samples": torch.zeros_like(shown[0])})


def _models(way: str) -> list[io.Input]:
    return [
        io.Model.Input("model", tooltip=f"DiffHarmony's {way}, from Load Diffusion Model: a UNet of 9 input channels."),
        io.Clip.Input("clip", tooltip="The text encoder of Stable Diffusion 1.5. It gets an empty prompt."),
        io.Vae.Input("vae", tooltip="The VAE of Stable Diffusion 1.5."),
    ]


def _sampling() -> list[io.Input]:
    return [
        io.Int.Input(
            "seed",
            default=DEFAULTS.seed,
            min=0,
            max=2**64 - 1,
            control_after_generate=io.ControlAfterGenerate.fixed,
            tooltip="Of the noise. Each further candidate takes the next seed. The same seed gives the same picture.",
        ),
        io.Int.Input(
            "steps",
            default=DEFAULTS.steps,
            min=1,
            max=1000,
            tooltip="Steps of the sampler, Euler ancestral. The paper's value is 5. More steps take longer.",
        ),
        io.Int.Input(
            "size",
            default=DEFAULTS.size,
            min=64,
            max=2048,
            step=64,
            tooltip="Side of the square that the model sees, in pixels. The paper uses 512 and, with better figures, "
            "1024; the embedded model was trained on 64.",
        ),
    ]


def _view() -> io.Input:
    return io.Combo.Input(
        "view",
        options=["whole", "crop"],
        default=DEFAULTS.view,
        optional=True,
        tooltip="What the square shows. whole: the whole picture, squashed, as in the paper. crop: a square around the "
        "object, twice its size where the picture allows, as the embedded model needs it.",
    )


def _carry(*, optional: bool = False) -> io.Input:
    return io.Combo.Input(
        "carry",
        options=list(CARRIES),
        default=CARRIES[0],
        optional=optional,
        tooltip="How the result comes to the picture's size. pixels: the model's own pixels, enlarged and pasted "
        "inside the mask. lut: only their change of colors, so that every detail of the object stays.",
    )


def _harmony_vae() -> io.Input:
    return HarmonyVAE.Input(
        "harmony_vae",
        optional=True,
        tooltip="From Load Harmony-VAE. Connected: it decodes and keeps the details. Unconnected: the VAE decodes.",
    )


class DiffHarmonize(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffHarmonize",
            display_name="Harmonize with DiffHarmony",
            category=CATEGORY_DIFFHARMONY,
            search_aliases=[*HARMONIZE_ALIASES, "diffharmony++"],
            description="Makes a pasted object belong, with DiffHarmony's UNet: a diffusion model that was trained to "
            "harmonize. Needs no words. Load Mini DiffHarmony has a small one; you have to get the authors' weights "
            "yourself.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                *_models("UNet"),
                io.Image.Input(
                    "image", tooltip="The composite, at any size. Each picture of a batch is harmonized by itself."
                ),
                io.Mask.Input("mask", tooltip="1 on the pasted object: one mask, or one for each picture."),
                *_sampling(),
                io.Int.Input(
                    "seeds",
                    default=1,
                    min=1,
                    max=64,
                    tooltip="How many seeds to try for each picture. 1 takes the first. More take longer, and are "
                    "averaged, or judged by the evaluator.",
                ),
                _carry(),
                _harmony_vae(),
                HarmonyEvaluator.Input(
                    "evaluator",
                    optional=True,
                    tooltip="From Load Harmony Evaluator. Connected: it takes the seed, or the average of all, that "
                    "scores best, and chooses how much of its change to make, from nothing to all. Unconnected: the "
                    "average of all seeds is taken whole.",
                ),
                _view(),
            ],
            outputs=[io.Image.Output("image", tooltip="The harmonized picture. Outside the mask nothing changes.")],
        )

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        clip: CLIP,
        vae: VAE,
        image: Tensor,
        mask: Tensor,
        seed: int,
        steps: int,
        size: int,
        seeds: int,
        carry: Carry,
        harmony_vae: HostHarmonyVAE | None = None,
        evaluator: Evaluator | None = None,
        view: ViewMode = DEFAULTS.view,
    ) -> io.NodeOutput:
        models = Models(model, clip, vae, harmony_vae)
        settings = SamplingSettings(steps=steps, size=size, seed=seed, view=view)
        with errors_name("DiffHarmonize") as notes:
            done = harmonize(models, image, mask, settings, count=seeds, judge=evaluator, carry=carry)
        return noted(notes, io.NodeOutput(done.image, ui=ui.PreviewText(done.summary())))


class InverseHarmonize(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InverseHarmonize",
            display_name="Inverse Harmonize",
            category=CATEGORY_DIFFHARMONY,
            search_aliases=["make composites", "training data", "augment", "dataset", "recolor object", "造数据"],
            description="Makes composites of a real picture, with DiffHarmony's inverse UNet: the object gets light "
            "and colors that do not belong. Use it to make pairs for training. Load Mini DiffHarmony has a small "
            "model; you have to get the authors' weights yourself.",
            inputs=[
                *_models("inverse UNet"),
                io.Image.Input("image", tooltip="A real picture, at any size, or a batch of them."),
                io.Mask.Input("mask", tooltip="1 on the object to change: one mask, or one for each picture."),
                *_sampling(),
                io.Int.Input(
                    "candidates",
                    default=10,
                    min=1,
                    max=64,
                    tooltip="How many composites to make of each picture, each from a seed of its own. The paper makes "
                    "10.",
                ),
                _harmony_vae(),
                _view(),
                _carry(optional=True),
            ],
            outputs=[
                io.Image.Output(
                    "images",
                    tooltip="The composites as a batch, those of the first picture first. Outside the mask they are "
                    "the picture.",
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        clip: CLIP,
        vae: VAE,
        image: Tensor,
        mask: Tensor,
        seed: int,
        steps: int,
        size: int,
        candidates: int,
        harmony_vae: HostHarmonyVAE | None = None,
        view: ViewMode = DEFAULTS.view,
        carry: Carry = CARRIES[0],
    ) -> io.NodeOutput:
        models = Models(model, clip, vae, harmony_vae)
        settings = SamplingSettings(steps=steps, size=size, seed=seed, view=view)
        with errors_name("InverseHarmonize") as notes:
            made = make_composites(models, image, mask, settings, count=candidates, carry=carry)
        return noted(notes, io.NodeOutput(made))
