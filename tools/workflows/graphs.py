"""The shipped workflows' graphs: boxes, their links, and the groups they stand in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .models import SD15, SDXL


@dataclass
class Node:
    """One box: inputs are widget values, or ("id", output slot) for a link."""

    id: str
    type: str
    inputs: dict[str, Any] = field(default_factory=dict)
    title: str | None = None


@dataclass
class Subgraph:
    """Several boxes that are drawn as one; the HTTP API sees them as they are."""

    name: str
    columns: Sequence[Sequence[Node]]
    widgets: list[tuple[str, str]] = field(default_factory=list)  # (node's id, widget) that the box shows

    @property
    def nodes(self) -> list[Node]:
        return [node for column in self.columns for node in column]


@dataclass
class Group:
    title: str
    color: str
    columns: Sequence[Sequence[Node | Subgraph]]


def nodes_of(groups: list[Group]) -> Iterator[Node]:
    """All boxes, those inside of subgraphs in their place."""
    for item in (item for group in groups for column in group.columns for item in column):
        yield from item.nodes if isinstance(item, Subgraph) else [item]


Handles = tuple[tuple, tuple, tuple]  # links to MODEL, CLIP and VAE
IMAGE, MASK = ("composite", 0), ("object", 0)
EXAMPLE, EXAMPLE_MASK = "harmonize_example.jpg", "harmonize_example_mask.png"  # host/examples.py
WORDS = "Your words: a line for each trial, *OBJECT & (foreground) its look & (background) the scene's look*."
GEMINI = "Set the environment variable *GEMINI_API_KEY* before ComfyUI starts. Two small pictures go to Google."
NAME_IT = "Describe: type the object's name, such as *tree*."
CHECKPOINT = "Load Checkpoint: yours of SD1.5 or SD2."
SDXL_CHECKPOINT = "Load Checkpoint: SDXL, or yours."
FOLLOWING_MARGIN = 0.005  # words that follow the object come to rest in small steps, each of which gains little
EMBEDDED = 64, 10, 0.7  # size, steps and strength, the embedded model's own tuning


def main_graph(size: int, steps: int, strength: float, model: list[Node], handles: Handles, *to_do: str) -> list[Group]:
    """One pass of the paper's figure 3, without the loop."""
    describe = Node("describe", "LocalDescribe", {"image": IMAGE, "mask": MASK, "object": "object"}, "Describe")
    words = Node("words", "PreviewAny", {"source": ("describe", 1)}, "Its words")
    curve = Node("curve", "PreviewImage", {"images": ("refine", 3)}, "Refinement's loss")
    shown = [
        one_pass("view", "describe", steps, strength, handles),
        curve,
        save_image("save_edit", ("decode", 0), "edit"),
    ]
    carried = result_nodes(("view", 0), ("decode", 0), ("view", 1))
    return [
        composite_group(*to_do),
        Group("2  Describe and frame", "#b58b2a", [[describe, words, working_view(IMAGE, MASK, size, "crop"), *model]]),
        Group("3  Edit", "#8a5a9e", [shown, attention_maps("view", handles)]),
        compare_group("4  Carry it to full resolution, and compare", carried),
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
    of_the_pass = {"seed": ("loop", 3), "current_image": ("loop", 1), "current_mask": ("loop", 2)}
    begin = [
        Node("loop", "IterateLoop", {"image": ("view", 0), "mask": ("view", 1)}),
        Node("harmonizer", "LoadRoutedHarmonizer"),
        Node("describe", "LocalDescribe", described_by() | of_the_pass, "Describe"),
        working_view(("loop", 1), ("loop", 2), size, "whole", "square", "What the model sees"),
    ]
    judge = [
        Node("fit_pass", "FitColorLUT", {"before": ("square", 0), "after": ("decode", 0), "mask": ("square", 1)}),
        Node(
            "apply_pass",
            "ApplyColorLUT",
            {"image": ("loop", 1), "lut": ("fit_pass", 0), "mask": ("loop", 2), "amount": 0.5},
        ),
        Node("judge", "HarmonyScore", {**scored, "image": ("apply_pass", 0), "mask": ("loop", 2)}, "The pass's score"),
    ]
    judged = Subgraph("Judge the pass", [[node] for node in judge], [("apply_pass", "amount")])
    end = Node(
        "end",
        "IterateLoopEnd",
        {
            "flow": ("loop", 0),
            "image": ("apply_pass", 0),
            "score": ("judge", 0),
            "first_score": ("first", 0),
            "description": ("describe", 0),
            "margin": FOLLOWING_MARGIN,
            "plausible": True,
        },
    )
    edit = [one_pass("square", "describe", steps, strength, handles), *attention_maps("square", handles)]
    carried = result_nodes(("view", 0), ("end", 0), ("view", 1))
    passes = [save_image("save_passes", ("end", 1), "pass", "Save every pass"), *filmstrip(("end", 1))]
    return [
        composite_group(*to_do),
        Group("2  Frame and judge", "#b58b2a", [framed]),
        Group("3  Every pass: describe, edit, judge", "#a33f3f", [begin, [*edit, judged], [end]]),
        compare_group("4  Carry it to full resolution, and compare", carried, passes),
    ]


def one_box_graph(
    size: int,
    steps: int,
    strength: float,
    model: list[Node],
    handles: Handles,
    describe: list[Node] | None = None,
    *to_do: str,
) -> list[Group]:
    """The same loop in one box, where the routed network's results compete, too.

    Args:
        size, steps, strength: of a pass.
        model: the box that loads MODEL, CLIP and VAE.
        handles: its outputs.
        describe: the boxes that describe, the last one "describe"; None: by statistics.
        to_do: steps of the note in place of the object's name.
    """
    m, c, v = handles
    inputs = {"model": m, "clip": c, "vae": v, "evaluator": ("evaluator", 0), "image": IMAGE, "mask": MASK}
    inputs["harmonizer"] = ("harmonizer", 0)
    settings = {"size": size, "steps": steps, "strength": strength, "fast": True}
    described = [
        Node("harmonizer", "LoadRoutedHarmonizer"),
        *(describe or [Node("describe", "LocalDescribe", described_by(), "Describe")]),
        Node("evaluator", "LoadHarmonyEvaluator"),
        *model,
    ]
    words = ("describe", 2)
    saved = [
        save_image("save", ("apply", 0), "result"),
        save_lut(("apply", 1)),
        save_image("save_passes", ("apply", 2), "pass", "Save every pass"),
    ]
    return [
        composite_group(*to_do, name_it=not to_do),
        Group("2  Describe", "#b58b2a", [described]),
        Group("3  Harmonize", "#8a5a9e", [[Node("apply", "Harmonize", inputs | settings | {"descriptions": words})]]),
        compare_group("4  Compare and save", saved, filmstrip(("apply", 2))),
    ]


def described_by() -> dict[str, Any]:
    """The inputs of a describe node whose words lead to the look that the routed network expects."""
    return {"image": IMAGE, "mask": MASK, "object": "object", "harmonizer": ("harmonizer", 0)}


def written() -> Node:
    """Words by hand; every line is tried."""
    lines = "table & (foreground) dusk dark & (background) daylight autumn cloudy\n"
    lines += "table & (foreground) sunset shaded & (background) bright daylight forest"
    return Node("describe", "DescribePicker", {"text": lines}, "Describe: your words")


def gemini() -> Node:
    return Node("describe", "GeminiDescribe", {"image": IMAGE, "mask": MASK}, "Describe")


def routed_graph() -> list[Group]:
    """Who looks like the object, and the object in that look; no words and no diffusion model."""
    instances = Node("instances", "FindInstances", {"image": IMAGE, "mask": MASK})
    similar = Node(
        "similar", "InstanceSimilarity", {"instances": ("instances", 0), "image": IMAGE}, "What looks like the object"
    )
    inputs = {"image": IMAGE, "mask": MASK, "importance": ("similar", 0)}
    inputs |= {name: (name, 0) for name in ("harmonizer", "evaluator")}
    loaded = [Node("harmonizer", "LoadRoutedHarmonizer"), Node("evaluator", "LoadHarmonyEvaluator")]
    found = [instances, similar, save_image("save_similar", ("similar", 1), "who_looks_like_it", "Save the map")]
    saved = [save_image("save", ("apply", 0), "result"), save_lut(("apply", 1))]
    return [
        composite_group(name_it=False),
        Group("2  Find who looks like the object", "#b58b2a", [found]),
        Group("3  Harmonize", "#8a5a9e", [[*loaded, Node("apply", "RoutedHarmonize", inputs)]]),
        compare_group("4  Compare and save", saved),
    ]


def paste_graph() -> list[Group]:
    """An object on transparency placed on a background and harmonized by the routed network."""
    background = Node("background", "LoadImage", {"image": "harmonize_example_background.jpg"}, "Background")
    cut_out = Node("cut_out", "LoadImage", {"image": "harmonize_example_object.png"}, "Object on transparency")
    note = start_note(
        "Place it: left and top in pixels of the background, and the scale.",
        picture="Background: choose your picture.",
        mask="Object: choose a picture with a transparent ground (PNG or WebP).",
    )
    inputs = {"image": ("composite", 0), "mask": ("object", 0), "harmonizer": ("harmonizer", 0)}
    inputs |= {"evaluator": ("evaluator", 0)}
    loaded = [Node("harmonizer", "LoadRoutedHarmonizer"), Node("evaluator", "LoadHarmonyEvaluator")]
    saved = [save_image("save", ("apply", 0), "result"), save_lut(("apply", 1))]
    return [
        Group("1  Background and object", "#3f789e", [[note, background, cut_out]]),
        Group("2  Paste", "#b58b2a", [[paste(), Node("pasted", "PreviewImage", {"images": IMAGE}, "Pasted")]]),
        Group("3  Harmonize", "#8a5a9e", [[*loaded, Node("apply", "RoutedHarmonize", inputs)]]),
        compare_group("4  Compare and save", saved),
    ]


def paste() -> Subgraph:
    """The object over the background, "composite", and its mask, "object"."""
    at = {"x": ("left", 0), "y": ("top", 0), "resize_source": False}
    scale = {"upscale_method": "area", "scale_by": ("scale", 0)}
    settings = [
        Node("left", "PrimitiveInt", {"value": 640}, "left"),
        Node("top", "PrimitiveInt", {"value": 390}, "top"),
        Node("scale", "PrimitiveFloat", {"value": 0.85}, "scale"),
    ]
    scaled = [
        Node("opaque", "InvertMask", {"mask": ("cut_out", 1)}),
        Node("shape", "MaskToImage", {"mask": ("opaque", 0)}),
        Node("scaled", "ImageScaleBy", {"image": ("cut_out", 0), **scale}),
        Node("scaled_shape", "ImageScaleBy", {"image": ("shape", 0), **scale}),
        Node("edge", "ImageToMask", {"image": ("scaled_shape", 0), "channel": "red"}),
    ]
    ground = [
        Node("size", "GetImageSize", {"image": ("background", 0)}),
        Node("black", "EmptyImage", {"width": ("size", 0), "height": ("size", 1)}),
    ]
    laid = [
        Node(
            "composite",
            "ImageCompositeMasked",
            {"destination": ("background", 0), "source": ("scaled", 0), "mask": ("edge", 0), **at},
        ),
        Node("place", "ImageCompositeMasked", {"destination": ("black", 0), "source": ("scaled_shape", 0), **at}),
        Node("object", "ImageToMask", {"image": ("place", 0), "channel": "red"}),
    ]
    shown = [("left", "value"), ("top", "value"), ("scale", "value")]
    return Subgraph("Paste an object", [settings, scaled, ground, laid], shown)


def composite_group(*more: str, name_it: bool = True) -> Group:
    """The two pictures, and a note that tells a new user what to do.

    Args:
        more: further steps of the note.
        name_it: whether the object's name is to be typed.
    """
    note = start_note(*([NAME_IT] if name_it else []), *more)
    return Group("1  The composite", "#3f789e", [[note, *picture_and_mask("Composite", EXAMPLE, EXAMPLE_MASK)]])


def picture_and_mask(title: str, picture: str, mask: str) -> list[Node]:
    """The picture, and the mask that is painted on it or comes from a file."""
    return [
        Node("composite", "LoadImage", {"image": picture}, title),
        Node("mask", "LoadImageMask", {"image": mask, "channel": "red"}, "Mask"),
        Node(
            "object",
            "ObjectMask",
            {"image": ("composite", 0), "painted": ("composite", 1), "file": ("mask", 0), "snap": True},
        ),
    ]


def start_note(
    *steps: str,
    picture: str = "Composite: choose your picture, with the object pasted into it.",
    mask: str = "Paint the object: right-click Composite, *Open in Mask Editor*. Or choose a file in Mask, white on "
    "the object and black elsewhere.",
) -> Node:
    """A note that tells a new user what to do.

    Args:
        steps: those between choosing the pictures and running.
        picture: the first step.
        mask: the second step.
    """
    lines = (
        picture,
        mask,
        *steps,
        "Run. What it makes is saved in *output/harmonize*.",
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


def save_lut(lut: tuple, title: str = "Save the LUT") -> Node:
    return Node("save_lut", "SaveColorLUT", {"lut": lut, "filename_prefix": "harmonize/lut"}, title)


def one_pass(view: str, describe: str, steps: int, strength: float, handles: Handles) -> Subgraph:
    """From a view's picture and mask to the edited picture, as one box."""
    columns = edit_columns(view, describe, steps, strength, handles)
    shown = [("invert", "steps"), ("refine", "steps_per_timestep"), ("edit", "strength")]
    return Subgraph("One pass: invert, refine, edit", columns, shown)


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


def result_nodes(before: tuple, after: tuple, mask: tuple) -> list[Node]:
    """From an edit at working size to the full picture."""
    return [
        Node("fit", "FitColorLUT", {"before": before, "after": after, "mask": mask}),
        Node("apply", "ApplyColorLUT", {"image": IMAGE, "lut": ("fit", 0), "mask": MASK}),
        save_lut(("fit", 0)),
        save_image("save", ("apply", 0), "result"),
    ]


def filmstrip(passes: tuple) -> list[Node]:
    """The loop's passes and lists, which follow each other on its node."""
    node, slot = passes
    told = ("passes", "scores", "descriptions", "decisions", "chosen", "reasons")
    links = {name: (node, slot + index) for index, name in enumerate(told)}
    return [Node("strip", "HarmonyFilmstrip", links), save_image("save_strip", ("strip", 0), "filmstrip")]


def compare_group(title: str, *columns: Sequence[Node | Subgraph]) -> Group:
    """What "apply" made of the composite, under a slider and side by side.

    Args:
        title: of the group.
        columns: what else stands there, before the comparison.
    """
    small = {"upscale_method": "area", "largest_size": 1024}
    stitched = {"direction": "right", "match_image_size": True, "spacing_width": 8, "spacing_color": "white"}
    pictures = {"image1": ("small_before", 0), "image2": ("small_after", 0)}
    compared = [
        Node("small_before", "ImageScaleToMaxDimension", {"image": IMAGE, **small}),
        Node("small_after", "ImageScaleToMaxDimension", {"image": ("apply", 0), **small}),
        Node("stitch", "ImageStitch", pictures | stitched, "Side by side"),
    ]
    shown = [
        Node("compare", "ImageCompare", {"image_a": IMAGE, "image_b": ("apply", 0)}, "Before and after"),
        Subgraph("Side by side", [compared[:2], compared[2:]]),
        save_image("save_side", ("stitch", 0), "side_by_side"),
    ]
    return Group(title, "#3f9e6a", [*columns, shown])


def workflows() -> dict[str, list[Group]]:
    mini = [Node("model", "LoadMiniHarmonyModel")]
    checkpoint = [Node("model", "CheckpointLoaderSimple", {"ckpt_name": SD15.name})]
    sdxl = [Node("model", "CheckpointLoaderSimple", {"ckpt_name": SDXL.name})]
    handles = ("model", 0), ("model", 1), ("model", 2)
    return {
        # At SD2's size the paper's steps and direct inversion's plain strength.
        "harmonize": main_graph(*EMBEDDED, mini, handles),
        "harmonize_loop": loop_graph(*EMBEDDED, mini, handles),
        "harmonize_one_node": one_box_graph(*EMBEDDED, mini, handles),
        "harmonize_routed": routed_graph(),
        "harmonize_words": one_box_graph(*EMBEDDED, mini, handles, [written()], WORDS),
        "harmonize_gemini": one_box_graph(*EMBEDDED, mini, handles, [gemini()], GEMINI),
        "paste_object": paste_graph(),
        "harmonize_sd2": main_graph(512, 50, 1.0, checkpoint, handles, CHECKPOINT),
        "harmonize_sdxl": main_graph(1024, 50, 1.0, sdxl, handles, SDXL_CHECKPOINT),
    }
