"""Zero-shot image harmonization for ComfyUI.

Importing the package needs no host; ComfyUI calls `comfy_entrypoint` when it loads the pack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfy_api.latest import ComfyExtension

__all__ = ["comfy_entrypoint"]


async def comfy_entrypoint() -> ComfyExtension:
    """The pack's nodes, for ComfyUI."""
    from .nodes import extension

    return extension()
