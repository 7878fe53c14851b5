"""Graphs in which every node of the pack stands, for the pictures of the help pages.

In the API's form; an input that is not named has its default.
"""

from __future__ import annotations

from typing import Any

Graph = dict[str, dict[str, Any]]
WORDS = "tree & (foreground) cold dull & (background) golden sunset"
MORE_WORDS = f"{WORDS}\ntree & (foreground) winter dull & (background) golden warm bright"
IMAGE, MASK, MODEL, CLIP, VAE = ["composite", 0], ["mask", 0], ["model", 0], ["model", 1], ["model", 2]
TEXT_ENCODER, PLAIN_VAE = ["sd15", 1], ["sd15", 2]


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def shown(link: list) -> dict[str, Any]:
    return node("PreviewImage", images=link)


def pictures() -> Graph:
    return {
        "composite": node("LoadImage", image="composite.png"),
        "mask": node("LoadImageMask", image="mask.png", channel="red"),
    }


def zero_shot() -> Graph:
    """One pass from single nodes, with both styles of the refinement."""
    handles = {"model": MODEL, "clip": CLIP}
    followed = {**handles, "trajectory": ["invert", 0], "description": ["describe", 0]}
    edited = {"model": MODEL, "trajectory": ["invert", 0], "refined": ["refine", 0], "strength": 0.7}
    return pictures() | {
        "describe": node("TextDescribe", description=WORDS),
        "words": node("PreviewAny", source=["describe", 1]),
        "model": node("LoadMiniHarmonyModel"),
        "view": node("WorkingView", image=IMAGE, mask=MASK),
        "square": shown(["view", 0]),
        "encode": node("VAEEncode", pixels=["view", 0], vae=VAE),
        "invert": node("DDIMInvert", **handles, latent=["encode", 0], steps=10),
        "noise": node("VAEDecode", samples=["invert", 1], vae=VAE),
        "noise_picture": shown(["noise", 0]),
        "refine": node("RefineEmbedding", **followed, mask=["view", 1], fast=True),
        "curve": shown(["refine", 3]),
        "train": node("RefineEmbeddingTraining", **followed, mask=["view", 1], epochs=10, batch_size=1),
        "training_curve": shown(["train", 3]),
        "maps": node("AttentionMaps", **followed, refined=["refine", 0], image=["view", 0], mask=["view", 1]),
        "maps_picture": shown(["maps", 0]),
        "null": node(
            "EdgeNullTextOptimize",
            model=MODEL,
            vae=VAE,
            trajectory=["invert", 0],
            refined=["refine", 0],
            image=["view", 0],
            mask=["view", 1],
            edges="sobel",
        ),
        "null_curve": shown(["null", 1]),
        "edit": node("AttentionControlledEdit", **edited),
        "decode": node("VAEDecode", samples=["edit", 0], vae=VAE),
        "edited": shown(["decode", 0]),
        "fit": node("FitColorLUT", before=["view", 0], after=["decode", 0], mask=["view", 1]),
        "apply": node("ApplyColorLUT", image=IMAGE, lut=["fit", 0], mask=MASK),
        "result": shown(["apply", 0]),
        "save": node("SaveColorLUT", lut=["fit", 0]),
    }


def one_box() -> Graph:
    """The loop in one box, what feeds it, and what it shows."""
    given = {"model": MODEL, "clip": CLIP, "vae": VAE, "evaluator": ["evaluator", 0], "image": IMAGE}
    one = {"mask": MASK, "descriptions": ["pick", 2], "harmonizer": ["harmonizer", 0]}
    several = {"masks": ["masks", 0], "descriptions": ["write", 2]}
    lists = {"scores": 3, "descriptions": 4, "decisions": 5, "chosen": 6, "reasons": 7}
    return pictures() | {
        "model": node("LoadMiniHarmonyModel"),
        "evaluator": node("LoadHarmonyEvaluator", name="embedded"),
        "harmonizer": node("LoadRoutedHarmonizer", name="embedded"),
        "describe": node("LocalDescribe", image=IMAGE, mask=MASK, object="tree", harmonizer=["harmonizer", 0]),
        "pick": node("DescribePicker", descriptions=["describe", 2]),
        "harmonize": node("Harmonize", **given, **one, k=2, max_passes=2, fast=True),
        "result": shown(["harmonize", 0]),
        "strip": node("HarmonyFilmstrip", passes=["harmonize", 2], **{k: ["harmonize", n] for k, n in lists.items()}),
        "strip_picture": shown(["strip", 0]),
        "write": node("DescribePicker", text=MORE_WORDS),
        "half": node("SolidMask", value=1.0, width=750, height=844),
        "nothing": node("SolidMask", value=0.0, width=1500, height=844),
        "right": node("MaskComposite", destination=MASK, source=["half", 0], x=0, y=0, operation="subtract"),
        "left": node("MaskComposite", destination=MASK, source=["right", 0], x=0, y=0, operation="subtract"),
        "masks": node("BatchMasksNode", **{"masks.mask0": ["left", 0], "masks.mask1": ["right", 0]}),
        "instances": node("HarmonizeInstances", **given, **several, max_passes=1, fast=True),
        "both": shown(["instances", 0]),
    }


def routed() -> Graph:
    return pictures() | {
        "harmonizer": node("LoadRoutedHarmonizer", name="embedded"),
        "find": node("FindInstances", image=IMAGE, mask=MASK, source="embedded"),
        "found": shown(["find", 1]),
        "similarity": node("InstanceSimilarity", instances=["find", 0], image=IMAGE),
        "similar": shown(["similarity", 1]),
        "evaluator": node("LoadHarmonyEvaluator", name="embedded"),
        "harmonize": node(
            "RoutedHarmonize",
            harmonizer=["harmonizer", 0],
            image=IMAGE,
            mask=MASK,
            importance=["similarity", 0],
            evaluator=["evaluator", 0],
        ),
        "result": shown(["harmonize", 0]),
        "score": node("HarmonyScore", evaluator=["evaluator", 0], image=["harmonize", 0], mask=MASK),
        "number": node("PreviewAny", source=["score", 0]),
    }


def loop() -> Graph:
    """A loop whose pass is the shortest there is: a weaker change by the routed network."""
    pass_ = {"flow": ["begin", 0], "image": ["apply", 0], "score": ["judge", 0], "first_score": ["first", 0]}
    current = {"current_image": ["begin", 1], "current_mask": ["begin", 2]}
    return pictures() | {
        "view": node("WorkingView", image=IMAGE, mask=MASK, size=256),
        "evaluator": node("LoadHarmonyEvaluator", name="embedded"),
        "first": node("HarmonyScore", evaluator=["evaluator", 0], image=["view", 0], mask=["view", 1]),
        "begin": node("IterateLoop", image=["view", 0], mask=["view", 1]),
        "harmonizer": node("LoadRoutedHarmonizer", name="embedded"),
        "describe": node("LocalDescribe", image=IMAGE, mask=MASK, object="tree", seed=["begin", 3], **current),
        "apply": node(
            "RoutedHarmonize", harmonizer=["harmonizer", 0], image=["begin", 1], mask=["begin", 2], strength=0.4
        ),
        "judge": node("HarmonyScore", evaluator=["evaluator", 0], image=["apply", 0], mask=["begin", 2]),
        "end": node("IterateLoopEnd", **pass_, description=["describe", 0], k=1, max_passes=4),
        "result": shown(["end", 0]),
    }


def clip() -> Graph:
    """A batch of frames, as the frames of a clip come."""
    return pictures() | {
        "harmonizer": node("LoadRoutedHarmonizer", name="embedded"),
        "evaluator": node("LoadHarmonyEvaluator", name="embedded"),
        "frames": node("RepeatImageBatch", image=IMAGE, amount=4),
        "harmonize": node(
            "HarmonizeSequence",
            harmonizer=["harmonizer", 0],
            image=["frames", 0],
            mask=MASK,
            evaluator=["evaluator", 0],
        ),
        "result": shown(["harmonize", 0]),
        "save": node("SaveColorLUT", lut=["harmonize", 1]),
    }


def small_diffharmony() -> Graph:
    """The embedded DiffHarmony in both directions, with the mask that counts."""
    settings = {"image": IMAGE, "mask": ["object", 0], "size": 64, "view": "crop", "carry": "lut"}
    models = {name: ["small", index] for index, name in enumerate(("model", "clip", "vae", "harmony_vae"))}
    inverse = {name: ["small_inverse", index] for name, (_, index) in models.items()}
    return pictures() | {
        "object": node("ObjectMask", image=IMAGE, painted=["composite", 1], file=MASK),
        "object_picture": node("MaskPreview", mask=["object", 0]),
        "small": node("LoadMiniDiffHarmony", direction="harmonize"),
        "harmonize": node("DiffHarmonize", **models, **settings, seeds=4),
        "result": shown(["harmonize", 0]),
        "small_inverse": node("LoadMiniDiffHarmony", direction="inverse"),
        "inverse": node("InverseHarmonize", **inverse, **settings, candidates=4),
        "made": shown(["inverse", 0]),
    }


# Files that the user would have; the frontend marks a node red whose file is not there.
UNET, CHECKPOINT, HARMONY_VAE = "diffharmony_unet.bin", "v1-5-pruned-emaonly.safetensors", "diffharmony_vae.safetensors"
FILES = {"diffusion_models": UNET, "checkpoints": CHECKPOINT, "harmony_vae": HARMONY_VAE}


def without_weights() -> Graph:
    """What needs weights or a key of the user's; it is shown and not run."""
    diffharmony = {"model": ["unet", 0], "clip": TEXT_ENCODER, "vae": PLAIN_VAE, "image": IMAGE, "mask": MASK}
    pass_ = {"flow": ["begin", 0], "image": IMAGE}
    return pictures() | {
        "gemini": node("GeminiDescribe", image=IMAGE, mask=MASK),
        "pick": node("DescribePicker", descriptions=["gemini", 2]),
        "unet": node("UNETLoader", unet_name=UNET),
        "sd15": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
        "details": node("LoadHarmonyVAE", name=HARMONY_VAE),
        "harmonize": node("DiffHarmonize", **diffharmony, harmony_vae=["details", 0]),
        "inverse": node("InverseHarmonize", **diffharmony, harmony_vae=["details", 0]),
        "text": node("CLIPTextEncode", clip=TEXT_ENCODER, text=""),
        "condition": node(
            "DiffHarmonyConditioning",
            positive=["text", 0],
            negative=["text", 0],
            vae=PLAIN_VAE,
            image=IMAGE,
            mask=MASK,
        ),
        "sample": node(
            "KSampler",
            model=["unet", 0],
            positive=["condition", 0],
            negative=["condition", 1],
            latent_image=["condition", 2],
        ),
        "decode": node("HarmonyVAEDecode", harmony_vae=["details", 0], latent=["sample", 0], image=IMAGE, mask=MASK),
        "save": node("SaveImage", images=["decode", 0]),
        "begin": node("IterateLoop", image=IMAGE, mask=MASK),
        "further": node("IterateLoopPass", **pass_),
    }


SCENES = (routed, zero_shot, one_box, loop, clip, small_diffharmony)
NOT_RUN = (without_weights,)
