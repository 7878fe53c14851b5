"""CONDITIONINGs as the host's own text nodes make them."""

from __future__ import annotations

from typing import Any


def encoded(clip: Any, *prompts: str, **sizes: int) -> list[Any]:
    """One for each prompt: of CLIP Text Encode, or with `sizes` of CLIP Text Encode (SDXL)."""
    # While tests are collected, `nodes` is another module; see conftest.py.
    from comfy_extras.nodes_clip_sdxl import CLIPTextEncodeSDXL

    from nodes import CLIPTextEncode

    if not sizes:
        return [CLIPTextEncode().encode(clip, text)[0] for text in prompts]
    sizes = {"crop_w": 0, "crop_h": 0, "target_width": 1024, "target_height": 1024} | sizes
    return [CLIPTextEncodeSDXL.execute(clip, text_g=text, text_l=text, **sizes)[0] for text in prompts]
