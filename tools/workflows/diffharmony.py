"""The shipped workflows' graphs for DiffHarmony, with the files of its release that the user has put in place."""

from __future__ import annotations

from .graphs import IMAGE, MASK, Group, Node, compare_group, composite_group, picture_and_mask, save_image, start_note

MODELS = "Load Diffusion Model, Load Checkpoint, Load Harmony-VAE: your files, see `docs/diffharmony.md`."
CHECKPOINT = "v1-5-pruned-emaonly.safetensors"


def released(way: str) -> list[Node]:
    """The loaders. `way`: what the files' names begin with."""
    return [
        Node("unet", "UNETLoader", {"unet_name": f"{way}_unet.bin", "weight_dtype": "default"}),
        Node("sd15", "CheckpointLoaderSimple", {"ckpt_name": CHECKPOINT}, "Load Checkpoint: Stable Diffusion 1.5"),
        Node("details", "LoadHarmonyVAE", {"name": f"{way}_vae.safetensors"}),
    ]


def links() -> dict[str, tuple[str, int]]:
    models = {"model": ("unet", 0), "clip": ("sd15", 1), "vae": ("sd15", 2), "harmony_vae": ("details", 0)}
    return models | {"image": IMAGE, "mask": MASK}


def harmonize_graph() -> list[Group]:
    """A composite harmonized in one box."""
    saved = [save_image("save", ("apply", 0), "result")]
    return [
        composite_group(MODELS, name_it=False),
        Group("2  DiffHarmony's files", "#b58b2a", [released("diffharmony")]),
        Group("3  Harmonize", "#8a5a9e", [[Node("apply", "DiffHarmonize", links())]]),
        compare_group("4  Compare and save", saved),
    ]


def inverse_graph() -> list[Group]:
    """Composites of a real picture."""
    note = start_note(
        MODELS,
        picture="Picture: choose a real picture, in which everything belongs.",
        mask="Paint an object: right-click Picture, *Open in Mask Editor*. Or choose a file in Mask.",
    )
    chosen = [
        note,
        *picture_and_mask("Picture", "harmonize_example_background.jpg", "harmonize_example_background_mask.png"),
    ]
    saved = [save_image("save", ("make", 0), "composites")]
    return [
        Group("1  The real picture", "#3f789e", [chosen]),
        Group("2  DiffHarmony's inverse files", "#b58b2a", [released("diffharmony_inverse")]),
        Group("3  Make composites", "#8a5a9e", [[Node("make", "InverseHarmonize", links())], saved]),
    ]


def workflows() -> dict[str, list[Group]]:
    return {"diffharmony": harmonize_graph(), "inverse_harmonization": inverse_graph()}
