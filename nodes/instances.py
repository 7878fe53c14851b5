"""Who looks like the object: the instances of a picture, and their similarity to the pasted object."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..host.image import as_batch
from ..host.model_folders import folder_names
from ..host.routed.instances import check_instances, instances_of
from ..methods.routed import instances as routed
from ..methods.routed.similarity import importance_map
from ..plots.instances import plot_instances, plot_similarity
from .errors import errors_name, noted
from .types import CATEGORY_ROUTED, Instances


class FindInstances(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FindInstances",
            display_name="Find Instances",
            category=CATEGORY_ROUTED,
            search_aliases=["segment everything", "segmentation", "superpixels", "sam", "分割"],
            description="Finds the things and surfaces that the scene consists of, and what each looks like. Instance "
            "Similarity then says which of them look like the pasted object.",
            inputs=[
                io.Image.Input(
                    "image", tooltip="The composite, at any size. Each picture of a batch gets instances of its own."
                ),
                io.Mask.Input("mask", tooltip="1 on the pasted object: one mask, or one for each picture."),
                io.DynamicCombo.Input(
                    "source",
                    options=[
                        io.DynamicCombo.Option("embedded", []),
                        io.DynamicCombo.Option(
                            "masks",
                            [
                                io.Mask.Input(
                                    "masks",
                                    tooltip="A batch with a mask for each instance, of the image's size, such as from "
                                    "SAM 3 or from the Impact Pack. They may overlap. All pictures share them.",
                                )
                            ],
                        ),
                        io.DynamicCombo.Option(
                            "sam",
                            [
                                io.Combo.Input(
                                    "model",
                                    options=folder_names("sam"),
                                    tooltip="A folder in models/sams: a copy of the repository of a SAM, SAM 2 or "
                                    "EdgeTAM model for transformers, with config.json and safetensors. Nothing is "
                                    "downloaded.",
                                )
                            ],
                        ),
                    ],
                    tooltip="Who finds the instances. embedded: the pack itself, in a moment. masks: other nodes. "
                    "sam: a segmentation model of yours, which is slower. Whether its instances serve better was not "
                    "measured.",
                ),
            ],
            outputs=[
                Instances.Output("instances", tooltip="The instances of each picture. For Instance Similarity."),
                io.Image.Output(
                    "preview",
                    tooltip="Each instance in a color of its own. The object has its own colors and a white outline. "
                    "Dark places belong to no instance.",
                ),
            ],
        )

    @classmethod
    def execute(cls, image: Tensor, mask: Tensor, source: dict[str, Any]) -> io.NodeOutput:
        with errors_name("FindInstances", masks="source.masks", model="source.model") as notes:
            image = image[..., :3]
            found = instances_of(image, mask, **source)
            own = as_batch(mask).expand(len(image), -1, -1)
            shown = [
                plot_instances(picture, each.masks, plane)
                for picture, each, plane in zip(image, found, own, strict=True)
            ]
        return noted(notes, io.NodeOutput(found, torch.stack(shown)))


class InstanceSimilarity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InstanceSimilarity",
            display_name="Instance Similarity",
            category=CATEGORY_ROUTED,
            search_aliases=["semantic similarity", "heat map", "importance", "who looks like me", "相似度"],
            description="Says how much each part of the scene looks like the pasted object (who looks like me). "
            "Routed Harmonize lets the similar parts decide how the object should look.",
            inputs=[
                Instances.Input("instances", tooltip="From Find Instances."),
                io.Image.Input(
                    "image",
                    tooltip="The image that the instances were found in. Instances of one picture serve every picture "
                    "of a batch.",
                ),
            ],
            outputs=[
                io.Mask.Output(
                    "importance",
                    tooltip="From 0 to 1, for each picture: 1 is the object and what looks just like it, 0 has nothing "
                    "in common with it. For Routed Harmonize.",
                ),
                io.Image.Output(
                    "preview",
                    tooltip="The darkened picture, with a heat map of what looks like the object. The object has its "
                    "own colors and a white outline.",
                ),
            ],
        )

    @classmethod
    def execute(cls, instances: tuple[routed.Instances, ...], image: Tensor) -> io.NodeOutput:
        with errors_name("InstanceSimilarity"):
            image = image[..., :3]
            each = check_instances(instances, image)
            maps = torch.stack([importance_map(found, image.shape[1:3]) for found in each])
            shown = [
                plot_similarity(picture, plane, found.object_mask)
                for picture, plane, found in zip(image, maps, each, strict=True)
            ]
        return io.NodeOutput(maps, torch.stack(shown))
