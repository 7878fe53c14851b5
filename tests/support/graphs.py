"""The shipped graphs at a size for tests, and what they save. Used by the tests that run on the real server."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load

from diff_harmonization.cli.client import Client, Workflow, WorkflowError

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
EXAMPLE = WORKFLOWS / "examples" / "cat_snow"
SIDE = 400  # of the example in tests, pixels
DESCRIPTION = "cat & (foreground) warm indoor & (background) snowy winter cold"


def shipped(name: str) -> Workflow:
    return json.loads((WORKFLOWS / "api" / f"{name}.json").read_text(encoding="utf-8"))


def shorten(graph: Workflow, steps: int = 8, per_timestep: int = 1) -> Workflow:
    graph = copy.deepcopy(graph)
    graph["invert"]["inputs"]["steps"] = steps
    graph["refine"]["inputs"]["steps_per_timestep"] = per_timestep
    return graph


def add(graph: Workflow, key: str, kind: str, **inputs: Any) -> Workflow:
    graph[key] = {"class_type": kind, "inputs": inputs}
    return graph


def rising_scores(graph: Workflow) -> Workflow:
    """Scores by which no loop ends before its limit."""
    script = "0.1 0.2 0.3 0.4 0.5 0.6 0.7"
    add(graph, "judge", "ScriptedScore", image=["apply_pass", 0], pass_index=["loop", 4], script=script)
    return add(graph, "first", "ScriptedScore", image=["view", 0], pass_index=0, script=script)


def edit_graph(composite: str, mask: str, steps: int = 4, per_timestep: int = 1) -> Workflow:
    """The shipped graph up to the edit, whose latent is saved in full precision; described by hand."""
    graph = shorten(shipped("harmonize"), steps, per_timestep)
    kept = ("composite", "mask", "object", "describe", "view", "model", "encode", "invert", "refine", "edit")
    graph = {key: graph[key] for key in kept}
    graph["composite"]["inputs"]["image"], graph["mask"]["inputs"]["image"] = composite, mask
    add(graph, "describe", "TextDescribe", description=DESCRIPTION)
    return add(graph, "save", "SaveLatent", samples=["edit", 0], filename_prefix="tests/edit")


NULL_TEXT = {
    "edges": "auto",
    "guidance_scale": 2.5,
    "inner_steps": 1,
    "growth_interval": 10,
    "learning_rate": 0.1,
    "weight_decay": 0.01,
    "latent_weight": 10.0,
    "gamma": 0.1,
    "edge_image": "step",
}


def null_text_graph(composite: str, mask: str, steps: int = 4, **settings: Any) -> Workflow:
    """The graph of `edit_graph` with a null-text optimization, which the edit follows."""
    graph = edit_graph(composite, mask, steps, per_timestep=0)
    links = {"model": ["model", 0], "vae": ["model", 2], "trajectory": ["invert", 0], "refined": ["refine", 0]}
    links |= {"image": ["view", 0], "mask": ["view", 1]}
    add(graph, "null", "EdgeNullTextOptimize", **links, **NULL_TEXT | settings)
    graph["edit"]["inputs"] |= {"null_text": ["null", 0], "guidance_scale": 2.5}
    return graph


ONE_PASS = {"size": 64, "steps": 1, "strength": 0.7, "amount": 1.0, "steps_per_timestep": 0, "view_size": 64}
ONE_PASS |= {"k": 1, "max_passes": 1, "new_descriptions": "best other trial"}


def pictures_graph(composite: str, mask: str) -> Workflow:
    """The composite and its mask, loaded."""
    graph = add({}, "composite", "LoadImage", image=composite)
    return add(graph, "mask", "LoadImageMask", image=mask, channel="red")


def one_box_graph(composite: str, mask: str, *descriptions: str, **inputs: Any) -> Workflow:
    """The loop in one box on the embedded model, one short pass; `inputs` change it."""
    graph = pictures_graph(composite, mask)
    add(graph, "model", "LoadMiniHarmonyModel")
    add(graph, "evaluator", "LoadHarmonyEvaluator", name="embedded")
    text = "\n".join(descriptions or [DESCRIPTION])
    add(graph, "describe", "DescribePicker", text=text, mode="append", index=0, strict=True)
    links = {"model": ["model", 0], "clip": ["model", 1], "vae": ["model", 2], "evaluator": ["evaluator", 0]}
    links |= {"image": ["composite", 0], "mask": ["mask", 0], "descriptions": ["describe", 2]}
    add(graph, "apply", "Harmonize", **links | ONE_PASS | inputs)
    return add(graph, "save", "SaveImage", images=["apply", 0], filename_prefix="tests/knocks")


def routed_graph(composite: str, mask: str, **inputs: Any) -> Workflow:
    """The routed network by itself, without a judge."""
    graph = pictures_graph(composite, mask)
    add(graph, "network", "LoadRoutedHarmonizer", name="embedded")
    links = {"image": ["composite", 0], "mask": ["mask", 0], "harmonizer": ["network", 0]}
    add(graph, "apply", "RoutedHarmonize", **links | {"strength": 1.0, "local": True} | inputs)
    return add(graph, "save", "SaveImage", images=["apply", 0], filename_prefix="tests/knocks")


def diffharmony_graph(composite: str, mask: str, **inputs: Any) -> Workflow:
    """The embedded DiffHarmony in one box; its seed keeps the host's cache out."""
    graph = add(pictures_graph(composite, mask), "model", "LoadMiniDiffHarmony", direction="harmonize")
    links = {"model": ["model", 0], "clip": ["model", 1], "vae": ["model", 2], "harmony_vae": ["model", 3]}
    links |= {"image": ["composite", 0], "mask": ["mask", 0]}
    settings = {"seed": 0, "steps": 2, "size": 64, "seeds": 1, "carry": "lut", "view": "crop"}
    add(graph, "apply", "DiffHarmonize", **links | settings | inputs)
    return add(graph, "save", "SaveImage", images=["apply", 0], filename_prefix="tests/knocks")


def troubled(graph: Workflow, way: str, call: int = 1) -> Workflow:
    """The graph with a MODEL that is slow or runs out of memory, see ScriptedTrouble."""
    graph = copy.deepcopy(graph)
    for node in graph.values():
        if node["inputs"].get("model") == ["model", 0]:
            node["inputs"]["model"] = ["trouble", 0]
    return add(graph, "trouble", "ScriptedTrouble", model=["model", 0], way=way, call=call)


def keep_bits(graph: Workflow, **links: list) -> Workflow:
    """Saves pictures in full precision, for `saved_latent`: each as "NAME_bits"."""
    for name, link in links.items():
        add(graph, f"{name}_latent", "ImageAsLatent", image=link)
        add(graph, f"{name}_bits", "SaveLatent", samples=[f"{name}_latent", 0], filename_prefix=f"tests/{name}")
    return graph


def saved_latent(client: Client, outputs: dict[str, Any], node: str = "save") -> torch.Tensor:
    return load(client.view(outputs[node]["latents"][0]))["latent_tensor"]


def saved_picture(client: Client, outputs: dict[str, Any], node: str, index: int = 0) -> np.ndarray:
    """[H,W,3] uint8"""
    with Image.open(io.BytesIO(client.view(outputs[node]["images"][index]))) as picture:
        return np.asarray(picture.convert("RGB"))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((a.astype(float) - b.astype(float)) ** 2) / 255**2))


def refusal(client: Client, graph: Workflow) -> str:
    """The message of the node that ends this run."""
    with pytest.raises(WorkflowError) as error:
        client.run(graph)
    return error.value.details.get("exception_message") or str(error.value)


def interrupted(client: Client, graph: Workflow, node: str) -> tuple[tuple[int, int], WorkflowError]:
    """Cancels a run at the first progress of a node; gives how far that node had come, and the error."""
    progress = []

    def hear(kind, data):
        if kind == "progress" and data["node"] == node:
            if not progress:
                client.interrupt()
            progress.append((data["value"], data["max"]))

    with pytest.raises(WorkflowError, match="interrupted") as error:
        client.run(graph, on_message=hear)
    return progress[-1], error.value


@pytest.fixture(scope="session")
def example(tmp_path_factory) -> tuple[Path, Path]:
    """PNG files of a shipped composite and its mask, scaled down."""
    folder = tmp_path_factory.mktemp("example")
    for name, source in (("composite", "composite.jpg"), ("mask", "mask.png")):
        with Image.open(EXAMPLE / source) as picture:
            picture.thumbnail((SIDE, SIDE))
            # The host reads a gray file's white as 254/255.
            picture.convert("RGB").save(folder / f"{name}.png")
    return folder / "composite.png", folder / "mask.png"


@pytest.fixture(scope="session")
def composite_copy(server, example) -> Callable[[], str]:
    """Uploads the composite under a new name, so that the host's cache holds no result for it."""
    names = product(*["abcdefghij"] * 3)
    return lambda: server.upload(example[0], f"copy{''.join(next(names))}.png")


@pytest.fixture(scope="session")
def composite_name(composite_copy) -> str:
    return composite_copy()


@pytest.fixture(scope="session")
def mask_name(server, example) -> str:
    return server.upload(example[1], "mask.png")
