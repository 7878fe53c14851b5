"""The shipped workflows' graphs for DiffHarmony: with the embedded networks, and with the files of its release."""

from __future__ import annotations

from .graphs import IMAGE, MASK, Group, Node, compare_group, composite_group, picture_and_mask, save_image, start_note
from .models import SD15

MODELS = "Load Diffusion Model, Load Checkpoint, Load Harmony-VAE: your files, see *docs/diffharmony.md*."
EMBEDDED = {"size": 64, "view": "crop", "carry": "lut"}  # what the embedded networks were trained for
Links = dict[str, tuple[str, int]]


def embedded(direction: str) -> tuple[list[Node], Links]:
    """The embedded networks, and what they give."""
    names = ("model", "clip", "vae", "harmony_vae")
    loader = Node("models", "LoadMiniDiffHarmony", {"direction": direction})
    return [loader], {name: ("models", output) for output, name in enumerate(names)}


def judged(models: tuple[list[Node], Links]) -> tuple[list[Node], Links]:
    """The same, with an evaluator that chooses how much of the change to make."""
    loaders, links = models
    return [*loaders, Node("evaluator", "LoadHarmonyEvaluator")], links | {"evaluator": ("evaluator", 0)}


def released(way: str) -> tuple[list[Node], Links]:
    """The files that the user has put in place, and what they give. `way`: what the files' names begin with."""
    loaders = [
        Node("unet", "UNETLoader", {"unet_name": f"{way}_unet.bin", "weight_dtype": "default"}),
        Node("sd15", "CheckpointLoaderSimple", {"ckpt_name": SD15.name}, "Load Checkpoint: Stable Diffusion 1.5"),
        Node("details", "LoadHarmonyVAE", {"name": f"{way}_vae.safetensors"}),
    ]
    return loaders, {"model": ("unet", 0), "clip": ("sd15", 1), "vae": ("sd15", 2), "harmony_vae": ("details", 0)}


def harmonize_graph(models: tuple[list[Node], Links], notes: tuple[str, ...], settings: dict) -> list[Group]:
    """A composite harmonized in one box."""
    loaders, links = models
    box = Node("apply", "DiffHarmonize", links | {"image": IMAGE, "mask": MASK} | settings)
    return [
        composite_group(*notes, name_it=False),
        Group("2  DiffHarmony", "#b58b2a", [loaders]),
        Group("3  Harmonize", "#8a5a9e", [[box]]),
        compare_group("4  Compare and save", [save_image("save", ("apply", 0), "result")]),
    ]


def inverse_graph(models: tuple[list[Node], Links], notes: tuple[str, ...], settings: dict) -> list[Group]:
    """Composites of a real picture."""
    loaders, links = models
    note = start_note(
        *notes,
        picture="Picture: choose a real picture, in which everything belongs.",
        mask="Paint an object: right-click Picture, *Open in Mask Editor*. Or choose a file in Mask.",
    )
    chosen = [
        note,
        *picture_and_mask("Picture", "harmonize_example_background.jpg", "harmonize_example_background_mask.png"),
    ]
    box = Node("make", "InverseHarmonize", links | {"image": IMAGE, "mask": MASK} | settings)
    return [
        Group("1  The real picture", "#3f789e", [chosen]),
        Group("2  DiffHarmony, the other way around", "#b58b2a", [loaders]),
        Group("3  Make composites", "#8a5a9e", [[box], [save_image("save", ("make", 0), "composites")]]),
    ]


def workflows() -> dict[str, list[Group]]:
    return {
        "diffharmony": harmonize_graph(judged(embedded("harmonize")), (), EMBEDDED | {"seeds": 4}),
        "diffharmony_released": harmonize_graph(released("diffharmony"), (MODELS,), {}),
        "inverse_harmonization": inverse_graph(embedded("inverse"), (), EMBEDDED),
        "inverse_harmonization_released": inverse_graph(released("diffharmony_inverse"), (MODELS,), {}),
    }
