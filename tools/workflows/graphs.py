"""The shipped workflows' graphs: boxes, their links, and the groups they stand in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...loop.policy import MARGIN


@dataclass
class Node:
    """One box: inputs are widget values, or ("id", output slot) for a link."""

    id: str
    type: str
    inputs: dict[str, Any] = field(default_factory=dict)
    title: str | None = None


@dataclass
class Group:
    title: str
    color: str
    columns: list[list[Node]]


Handles = tuple[tuple, tuple, tuple]  # links to MODEL, CLIP and VAE
IMAGE, MASK = ("composite", 0), ("mask", 0)
NAME_IT = "Describe: type the object's name, such as `tree`."
CHECKPOINT = "Load Checkpoint: a Stable Diffusion 1.5 or 2 checkpoint of yours."
EMBEDDED = 64, 10, 0.7  # size, steps and strength, the embedded model's own tuning


def main_graph(size: int, steps: int, strength: float, model: list[Node], handles: Handles, *to_do: str) -> list[Group]:
    """One pass of the paper's figure 3, without the loop."""
    describe = Node("describe", "LocalDescribe", {"image": IMAGE, "mask": MASK, "object": "object"}, "Describe")
    words = Node("words", "PreviewAny", {"source": ("describe", 1)}, "Its words")
    edit = edit_columns("view", "describe", steps, strength, handles)
    edit[1].append(Node("curve", "PreviewImage", {"images": ("refine", 3)}, "Refinement's loss"))
    edit[2].append(save_image("save_edit", ("decode", 0), "edit"))
    edit.insert(2, attention_maps("view", handles))
    return [
        composite_group(*to_do),
        Group("2  Describe and frame", "#b58b2a", [[describe, words, working_view(IMAGE, MASK, size, "crop"), *model]]),
        Group("3  Invert, refine, edit", "#8a5a9e", edit),
        result_group("4  Carry it to full resolution", ("view", 0), ("decode", 0), ("view", 1)),
        compare_group("5  Compare"),
    ]


def loop_graph(size: int, steps: int, strength: float, model: list[Node], handles: Handles, *to_do: str) -> list[Group]:
    """The loop as a graph: everything between Iterate Loop and Iterate Loop End runs in each pass."""
    scored = {"evaluator": ("evaluator", 0)}
    framed = [
        working_view(IMAGE, MASK, 256, "crop"),
        Node("evaluator", "LoadHarmonyEvaluator"),
        Node("first", "HarmonyScore", {**scored, "image": ("view", 0), "mask": ("view", 1)}, "The composite's score"),
        *model,
    ]
    seed = {"seed": ("loop", 3)}
    begin = [
        Node("loop", "IterateLoop", {"image": ("view", 0), "mask": ("view", 1)}),
        Node("harmonizer", "LoadRoutedHarmonizer"),
        Node("describe", "LocalDescribe", described_by() | seed, "Describe"),
        working_view(("loop", 1), ("loop", 2), size, "whole", "square", "What the model sees"),
    ]
    judged = [
        Node("fit_pass", "FitColorLUT", {"before": ("square", 0), "after": ("decode", 0), "mask": ("square", 1)}),
        Node(
            "apply_pass",
            "ApplyColorLUT",
            {"image": ("loop", 1), "lut": ("fit_pass", 0), "mask": ("loop", 2), "amount": 0.5},
        ),
        Node("judge", "HarmonyScore", {**scored, "image": ("apply_pass", 0), "mask": ("loop", 2)}, "The pass's score"),
    ]
    end = Node(
        "end",
        "IterateLoopEnd",
        {
            "flow": ("loop", 0),
            "image": ("apply_pass", 0),
            "score": ("judge", 0),
            "first_score": ("first", 0),
            "description": ("describe", 0),
            "margin": MARGIN,
            "plausible": True,
        },
    )
    edit = edit_columns("square", "describe", steps, strength, handles)
    edit.insert(2, attention_maps("square", handles))
    result = result_group("6  Carry it to full resolution", ("view", 0), ("end", 0), ("view", 1))
    result.columns[1].append(save_image("save_passes", ("end", 1), "pass", "Save every pass"))
    return [
        composite_group(*to_do),
        Group("2  Frame and judge", "#b58b2a", [framed]),
        Group("3  The loop begins: describe", "#a33f3f", [begin]),
        Group("4  Invert, refine, edit", "#8a5a9e", edit),
        Group("5  The loop ends: judge and decide", "#a33f3f", [judged, [end]]),
        result,
        compare_group("7  Compare", filmstrip(("end", 1))),
    ]


def one_box_graph(size: int, steps: int, strength: float, model: list[Node], handles: Handles) -> list[Group]:
    """The same loop in one box, where the routed network's results compete, too."""
    m, c, v = handles
    inputs = {"model": m, "clip": c, "vae": v, "evaluator": ("evaluator", 0), "image": IMAGE, "mask": MASK}
    inputs["harmonizer"] = ("harmonizer", 0)
    settings = {"size": size, "steps": steps, "strength": strength}
    described = [
        Node("harmonizer", "LoadRoutedHarmonizer"),
        Node("describe", "LocalDescribe", described_by(), "Describe"),
        Node("evaluator", "LoadHarmonyEvaluator"),
        *model,
    ]
    saved = [
        save_image("save", ("apply", 0), "result"),
        Node("save_lut", "SaveColorLUT", {"lut": ("apply", 1), "filename_prefix": "harmonize/lut"}, "Save the LUT"),
        save_image("save_passes", ("apply", 2), "pass", "Save every pass"),
    ]
    return [
        composite_group(),
        Group("2  Describe", "#b58b2a", [described]),
        Group(
            "3  Harmonize",
            "#8a5a9e",
            [[Node("apply", "Harmonize", inputs | settings | {"descriptions": ("describe", 2)})], saved],
        ),
        compare_group("4  Compare", filmstrip(("apply", 2))),
    ]


def described_by() -> dict[str, Any]:
    """The inputs of a describe node whose words lead to the look that the routed network expects."""
    return {"image": IMAGE, "mask": MASK, "object": "object", "harmonizer": ("harmonizer", 0)}


def routed_graph() -> list[Group]:
    """Who looks like the object, and the object in that look; no words and no diffusion model."""
    instances = Node("instances", "FindInstances", {"image": IMAGE, "mask": MASK})
    similar = Node(
        "similar", "InstanceSimilarity", {"instances": ("instances", 0), "image": IMAGE}, "What looks like the object"
    )
    inputs = {"image": IMAGE, "mask": MASK, "importance": ("similar", 0)}
    inputs |= {name: (name, 0) for name in ("harmonizer", "evaluator")}
    loaded = [Node("harmonizer", "LoadRoutedHarmonizer"), Node("evaluator", "LoadHarmonyEvaluator")]
    saved = [
        save_image("save", ("apply", 0), "result"),
        Node("save_lut", "SaveColorLUT", {"lut": ("apply", 1), "filename_prefix": "harmonize/lut"}, "Save the LUT"),
    ]
    return [
        composite_group(name_it=False),
        Group(
            "2  Find who looks like the object",
            "#b58b2a",
            [[instances, similar], [save_image("save_similar", ("similar", 1), "who_looks_like_it", "Save the map")]],
        ),
        Group(
            "3  Harmonize",
            "#8a5a9e",
            [loaded, [Node("apply", "RoutedHarmonize", inputs)], saved],
        ),
        compare_group("4  Compare"),
    ]


def composite_group(*more: str, name_it: bool = True) -> Group:
    """The two pictures, and a note that tells a new user what to do.

    Args:
        more: further steps of the note.
        name_it: whether the object's name is to be typed.
    """
    image = Node("composite", "LoadImage", {"image": "composite.png"}, "Composite")
    mask = Node("mask", "LoadImageMask", {"image": "mask.png", "channel": "red"}, "Mask")
    return Group("1  The composite", "#3f789e", [[image, mask, start_note(*([NAME_IT] if name_it else []), *more)]])


def start_note(*steps: str, picture: str = "Composite: choose your picture, with the object pasted into it.") -> Node:
    """A note that tells a new user what to do.

    Args:
        steps: those between choosing the pictures and running.
        picture: the first step.
    """
    lines = (
        picture,
        "Mask: a picture of its size, white on the object and black elsewhere.",
        *steps,
        "Run. What it makes is saved in `output/harmonize`.",
    )
    text = "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
    return Node("start", "MarkdownNote", {"text": text}, "Start here")


def working_view(image: tuple, mask: tuple, size: int, mode: str, name: str = "view", title: str | None = None) -> Node:
    return Node(name, "WorkingView", {"image": image, "mask": mask, "size": size, "mode": mode}, title)


def save_image(name: str, image: tuple, file: str, title: str | None = None) -> Node:
    return Node(
        name,
        "SaveImage",
        {"images": image, "filename_prefix": f"harmonize/{file}"},
        title or f"Save {'side by side' if file == 'side_by_side' else f'the {file}'}",
    )


def edit_columns(view: str, describe: str, steps: int, strength: float, handles: Handles) -> list[list[Node]]:
    """From a view's picture and mask to the edited picture."""
    m, c, v = handles
    path = {"trajectory": ("invert", 0)}
    words = {"description": (describe, 0), "mask": (view, 1)}
    return [
        [
            Node("encode", "VAEEncode", {"pixels": (view, 0), "vae": v}),
            Node(
                "invert",
                "DDIMInvert",
                {"model": m, "clip": c, "latent": ("encode", 0), "steps": steps, "fixed_point_iterations": 0},
            ),
        ],
        [Node("refine", "RefineEmbedding", {"model": m, "clip": c, **path, **words})],
        [
            Node(
                "edit",
                "AttentionControlledEdit",
                {"model": m, **path, "refined": ("refine", 0), "strength": strength},
            ),
            Node("decode", "VAEDecode", {"samples": ("edit", 0), "vae": v}),
        ],
    ]


def attention_maps(view: str, handles: Handles) -> list[Node]:
    m, c, _ = handles
    stages = {"trajectory": ("invert", 0), "description": ("describe", 0), "refined": ("refine", 0)}
    shown = {"image": (view, 0), "mask": (view, 1)}
    maps = Node("maps", "AttentionMaps", {"model": m, "clip": c, **stages, **shown})
    return [maps, save_image("save_maps", ("maps", 0), "attention")]


def result_group(title: str, before: tuple, after: tuple, mask: tuple) -> Group:
    """From an edit at working size to the full picture."""
    carried = [
        Node("fit", "FitColorLUT", {"before": before, "after": after, "mask": mask}),
        Node("apply", "ApplyColorLUT", {"image": IMAGE, "lut": ("fit", 0), "mask": MASK}),
        Node("save_lut", "SaveColorLUT", {"lut": ("fit", 0), "filename_prefix": "harmonize/lut"}, "Save the LUT"),
    ]
    return Group(title, "#3f9e6a", [carried, [save_image("save", ("apply", 0), "result")]])


def filmstrip(passes: tuple) -> list[Node]:
    """The loop's passes and lists, which follow each other on its node."""
    node, slot = passes
    told = ("passes", "scores", "descriptions", "decisions", "chosen", "reasons")
    links = {name: (node, slot + index) for index, name in enumerate(told)}
    return [Node("strip", "HarmonyFilmstrip", links), save_image("save_strip", ("strip", 0), "filmstrip")]


def compare_group(title: str, told: list[Node] | None = None) -> Group:
    """The composite and what "apply" made of it."""
    small = {"upscale_method": "area", "largest_size": 1024}
    stitched = {"direction": "right", "match_image_size": True, "spacing_width": 8, "spacing_color": "white"}
    pictures = {"image1": ("small_before", 0), "image2": ("small_after", 0)}
    compared = [
        Node("small_before", "ImageScaleToMaxDimension", {"image": IMAGE, **small}),
        Node("small_after", "ImageScaleToMaxDimension", {"image": ("apply", 0), **small}),
        Node("stitch", "ImageStitch", pictures | stitched, "Side by side"),
    ]
    saved = [save_image("save_side", ("stitch", 0), "side_by_side")]
    return Group(title, "#7a7a7a", [compared, saved, *([told] if told else [])])


def workflows() -> dict[str, list[Group]]:
    mini = [Node("model", "LoadMiniHarmonyModel")]
    sd2 = [Node("model", "CheckpointLoaderSimple", {"ckpt_name": "512-base-ema.safetensors"})]
    handles = ("model", 0), ("model", 1), ("model", 2)
    return {
        # At SD2's size the paper's steps and direct inversion's plain strength.
        "harmonize": main_graph(*EMBEDDED, mini, handles),
        "harmonize_loop": loop_graph(*EMBEDDED, mini, handles),
        "harmonize_one_node": one_box_graph(*EMBEDDED, mini, handles),
        "harmonize_routed": routed_graph(),
        "harmonize_sd2": main_graph(512, 50, 1.0, sd2, handles, CHECKPOINT),
    }
