"""Public files that the shipped workflows load, and where the browser may fetch them.

A box whose widget names one of them carries its link, so that the page offers the download where the file is missing.
Only files with a known license are here. Stable Diffusion 2 is not: its maker withdrew it in November 2025.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublicModel:
    """One file: its address, the folder of ComfyUI's models that it belongs into, and its license."""

    url: str
    directory: str
    license: str

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[-1]

    def link(self) -> dict[str, str]:
        """As a workflow holds it: https://docs.comfy.org/interface/features/template."""
        return {"name": self.name, "url": self.url, "directory": self.directory}


HUGGING_FACE = "https://huggingface.co"
SD15 = PublicModel(
    f"{HUGGING_FACE}/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/v1-5-pruned-emaonly.safetensors",
    "checkpoints",
    "CreativeML OpenRAIL-M",
)
SDXL = PublicModel(
    f"{HUGGING_FACE}/stabilityai/stable-diffusion-xl-base-1.0/resolve/main/sd_xl_base_1.0.safetensors",
    "checkpoints",
    "CreativeML OpenRAIL++-M",
)
# ControlNet 1.1's own files are not safetensors; these are the same weights as half floats, by ComfyUI's author.
CANNY = PublicModel(
    f"{HUGGING_FACE}/comfyanonymous/ControlNet-v1-1_fp16_safetensors/resolve/main/control_v11p_sd15_canny_fp16.safetensors",
    "controlnet",
    "OpenRAIL (that of lllyasviel/ControlNet-v1-1)",
)
PUBLIC = {model.name: model for model in (SD15, SDXL, CANNY)}
