"""ComfyUI node pack: zero-shot image harmonization with a generative model's prior (Diff-Harmonization)."""


async def comfy_entrypoint():
    """Called by ComfyUI; the host is imported here, so that importing the package needs none."""
    from .nodes.extension import extension

    return extension()
