"""ComfyUI node pack: zero-shot image harmonization with a generative model's prior (Diff-Harmonization)."""

WEB_DIRECTORY = "./web"  # by the folder's name: that is where the browser looks for the nodes' help


async def comfy_entrypoint():
    """Called by ComfyUI; the host is imported here, so that importing the package needs none."""
    from .nodes.extension import extension

    return extension()
