"""The host in this process, without a server. Benchmarks and trainings use it so."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path


def find_host() -> Path:
    """The folder of ComfyUI: COMFYUI_PATH if it is set, otherwise the copy that `python bootstrap.py` keeps.

    Raises:
        FileNotFoundError: there is no ComfyUI in that place.
    """
    named = os.environ.get("COMFYUI_PATH")
    cache = Path(__file__).resolve().parent.parent / ".cache"
    candidates = [Path(named)] if named else sorted(cache.glob("host-*"))
    for path in candidates:
        if (path / "comfy").is_dir():
            return path
    raise FileNotFoundError(
        f"No ComfyUI at {named or cache}: set COMFYUI_PATH to a checkout, or run `python bootstrap.py test` once."
    )


def prepare_host() -> None:
    """Make `comfy` importable, on the CPU if there is no CUDA device. Call it before anything that imports `comfy`.

    A host that is importable already is used, unless COMFYUI_PATH names another one.

    Raises:
        FileNotFoundError: no ComfyUI was found.
    """
    importable = "comfy" in sys.modules or importlib.util.find_spec("comfy") is not None
    if not importable or ("comfy" not in sys.modules and os.environ.get("COMFYUI_PATH")):
        sys.path.insert(0, str(find_host()))
    import comfy.options
    import torch

    comfy.options.enable_args_parsing(False)
    from comfy.cli_args import args

    args.cpu = args.cpu or not torch.cuda.is_available()
