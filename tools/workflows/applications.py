"""The shipped workflows' graphs for particular tasks: paintings, several objects, parts of an object, other models."""

from __future__ import annotations

from .graphs import (
    CHECKPOINT,
    EMBEDDED,
    IMAGE,
    MASK,
    Group,
    Handles,
    Node,
    compare_group,
    composite_group,
    loop_graph,
    main_graph,
    nodes_of,
    one_pass,
    save_image,
    save_lut,
    start_note,
    working_view,
)
from .models import CANNY, SD15

THREE_FILES = "The Load boxes: files for SD1.5."
TWO_LINES = """person & (foreground) indoor warm & (background) mountain cold clear
object & (foreground) bright & (background) mountain cold clear"""
PERSON, PERSON_MASK = "harmonize_example_person.jpg", "harmonize_example_person_mask.png"


def painterly_graph(size: int, steps: int, model: list[Node], handles: Handles) -> list[Group]:
    """A photograph pasted into a painting. Texture changes as well as color, so the edit itself is pasted.

    The early steps leave self-attention free, and no edges are held.
    """
    words = {"object": "object", "foreground": "photograph", "background": "oil painting", "strict": False}
    described = [
        Node("describe", "TextDescribe", words, "Describe"),
        working_view(IMAGE, MASK, size, "whole"),
        *model,
    ]
    edit = one_pass("view", "describe", steps, 1.0, handles)
    (restyle,) = (node for node in edit.nodes if node.id == "edit")
    restyle.inputs["self_start"] = 0.4
    pasted = {"destination": IMAGE, "source": ("decode", 0), "mask": MASK, "x": 0, "y": 0, "resize_source": True}
    paste = [
        Node("apply", "ImageCompositeMasked", pasted, "Paste the edit"),
        save_image("save", ("apply", 0), "result"),
    ]
    return [
        composite_group(CHECKPOINT),
        Group("2  Describe and frame", "#b58b2a", [described]),
        Group("3  Edit", "#8a5a9e", [[edit]]),
        compare_group("4  Paste and compare", paste),
    ]


def instances_graph(size: int, steps: int, strength: float, model: list[Node], handles: Handles) -> list[Group]:
    """Several pasted objects, one after another."""
    m, c, v = handles
    composite = Node("composite", "LoadImage", {"image": PERSON}, "Composite")
    note = start_note(
        "A line for each object: its name, its look, the scene's.",
        mask="Masks: one for each object, white on the object and black elsewhere.",
    )
    described = [
        Node("describe", "DescribePicker", {"text": TWO_LINES}, "A line for each object"),
        Node("evaluator", "LoadHarmonyEvaluator"),
        *model,
    ]
    inputs = {"model": m, "clip": c, "vae": v, "evaluator": ("evaluator", 0), "image": IMAGE, "masks": ("masks", 0)}
    settings = {"descriptions": ("describe", 2), "size": size, "steps": steps, "strength": strength, "fast": True}
    saved = [save_image("save", ("apply", 0), "result"), save_lut(("apply", 1), "Save the LUTs")]
    masks = _two_masks("object", "harmonize_example_astronaut.png", "harmonize_example_helmet.png")
    return [
        Group("1  The composite and its objects", "#3f789e", [[note, composite], masks]),
        Group("2  Describe", "#b58b2a", [described]),
        Group("3  Harmonize", "#8a5a9e", [[Node("apply", "HarmonizeInstances", inputs | settings)]]),
        compare_group("4  Compare and save", saved),
    ]


def regions_graph(size: int, steps: int, strength: float, model: list[Node], handles: Handles) -> list[Group]:
    """The loop with an own LUT for each of the object's two parts, in every pass and for the result."""
    groups = loop_graph(size, steps, strength, model, handles, "Masks of regions 1 and 2: the object's two parts.")
    parts = _two_masks("region", "harmonize_example_head.png", "harmonize_example_body.png")
    groups[0] = Group("1  The composite and the object's parts", "#3f789e", [*groups[0].columns, parts])
    named = {node.id: node for node in nodes_of(groups)}
    named["composite"].inputs["image"], named["mask"].inputs["image"] = PERSON, PERSON_MASK
    views = {"fit_pass": ("square", 2), "apply_pass": ("view", 2), "square": ("view", 2), "fit": ("view", 2)}
    regions = {"view": ("masks", 0), "apply": ("masks", 0)} | views
    for node in nodes_of(groups):
        if node.id in regions:
            node.inputs["regions"] = regions[node.id]
    return groups


def mixed_graph() -> list[Group]:
    """One pass with a LoRA, and with a ControlNet that holds the picture's edges in every evaluation of the model."""
    checkpoint = {"ckpt_name": SD15.name}
    styled = {"model": ("model", 0), "clip": ("model", 1), "lora_name": "your_lora.safetensors"}
    handles = ("lora", 0), ("lora", 1), ("model", 2)
    picture, described, edited, compared = main_graph(512, 50, 1.0, [], handles, THREE_FILES)
    empty = {"positive": ("text", 0), "negative": ("text", 0)}
    loaded = [
        Node("model", "CheckpointLoaderSimple", checkpoint),
        Node("lora", "LoraLoader", styled),
        Node("control", "ControlNetLoader", {"control_net_name": CANNY.name}, "Load ControlNet for Canny edges"),
    ]
    held = [
        Node("edges", "Canny", {"image": ("view", 0)}),
        Node("text", "CLIPTextEncode", {"clip": ("lora", 1), "text": ""}, "No text: the stages bring theirs"),
        Node("shape", "ControlNetApplyAdvanced", empty | {"control_net": ("control", 0), "image": ("edges", 0)}),
    ]
    for node in nodes_of([edited]):
        if node.id in ("invert", "refine", "edit"):
            node.inputs["conditioning"] = ("shape", 0)
    return [
        picture,
        described,
        Group("3  LoRA and ControlNet", "#a33f3f", [[*loaded, *held]]),
        Group("4  Edit", edited.color, edited.columns[:1]),
        Group("5  Carry it to full resolution, and compare", compared.color, compared.columns),
    ]


def _two_masks(name: str, *files: str) -> list[Node]:
    """Two black-and-white pictures as one batch of masks."""
    pictures = [
        Node(f"{name}{n}", "LoadImage", {"image": file}, f"Mask of {name} {n}") for n, file in enumerate(files, 1)
    ]
    return [
        *pictures,
        Node("both", "ImageBatch", {"image1": (f"{name}1", 0), "image2": (f"{name}2", 0)}),
        Node("masks", "ImageToMask", {"image": ("both", 0), "channel": "red"}, "Masks"),
    ]


def workflows() -> dict[str, list[Group]]:
    mini = [Node("model", "LoadMiniHarmonyModel")]
    checkpoint = [Node("model", "CheckpointLoaderSimple", {"ckpt_name": SD15.name})]
    handles = ("model", 0), ("model", 1), ("model", 2)
    return {
        "instances": instances_graph(*EMBEDDED, mini, handles),
        "regions": regions_graph(*EMBEDDED, mini, handles),
        # The embedded model has seen photographs only.
        "painterly": painterly_graph(512, 50, checkpoint, handles),
        "harmonize_sd15_lora_controlnet": mixed_graph(),
    }
