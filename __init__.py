"""ComfyUI node pack: zero-shot image harmonization with a generative model's prior (Diff-Harmonization)."""

WEB_DIRECTORY = "./web"  # by the folder's name: that is where the browser looks for the nodes' help
OLDEST_HOST = (0, 24)


def require_host(version: str) -> None:
    """Refuse a ComfyUI that lacks what the nodes' schemas use.

    Args:
        version: the host's, such as "0.30.0".

    Raises:
        ImportError: in one sentence, which the host's log shows.
    """
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if parts < OLDEST_HOST:
        oldest = ".".join(map(str, OLDEST_HOST))
        raise ImportError(f"diff_harmonization needs ComfyUI {oldest} or newer, this is {version}: update ComfyUI.")


async def comfy_entrypoint():
    """Called by ComfyUI; the host is imported here, so that importing the package needs none."""
    from comfyui_version import __version__

    require_host(__version__)
    from .nodes.extension import extension

    return extension()
