"""Models of the transformers library from folders on disk: no download, no pickle, no code from the folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

Task = Literal["clip", "vlm", "sam"]


class _Need(NamedTuple):
    """What a task asks of a folder."""

    kinds: str  # the library's table of model types that serve the task
    model: str  # the library's class that reads any of them
    processor: str  # likewise
    texts: bool  # whether it reads texts, so that a tokenizer must be there
    expected: str


_NEEDS: dict[Task, _Need] = {
    "clip": _Need(
        "MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES",
        "AutoModelForZeroShotImageClassification",
        "AutoProcessor",
        True,
        "a contrastive image-text model, such as clip or siglip",
    ),
    "vlm": _Need(
        "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
        "AutoModelForImageTextToText",
        "AutoProcessor",
        True,
        "a model that answers questions about pictures, such as qwen2_vl or smolvlm",
    ),
    "sam": _Need(
        "MODEL_FOR_MASK_GENERATION_MAPPING_NAMES",
        "AutoModelForMaskGeneration",
        "AutoImageProcessor",
        False,
        "a model that segments a whole picture, such as sam, sam2 or edgetam",
    ),
}


def load(folder: Path, task: Task, dtype: torch.dtype = torch.float32) -> tuple[Any, Any]:
    """Read a model and its processor.

    Args:
        folder: a model's repository on disk.
        task: what the model has to serve.
        dtype: of the weights.

    Returns:
        (model, processor), the model in evaluation mode on the CPU.

    Raises:
        FileNotFoundError: when a file is missing or cannot be read.
        ValueError: when the model is of another kind, or needs a Python package that is not installed.
    """
    import transformers

    need = _NEEDS[task]
    kind = model_kind(folder, task)
    if kind not in kinds(task):
        raise ValueError(
            f"{folder} holds a model of type '{kind}', which transformers {transformers.__version__} does not know as "
            f"{need.expected}."
        )
    if not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(f"{folder} holds no *.safetensors; weights of other forms are not loaded.")
    safely = {"local_files_only": True, "trust_remote_code": False}
    named = "dtype" if int(transformers.__version__.split(".")[0]) >= 5 else "torch_dtype"
    try:
        model = getattr(transformers, need.model).from_pretrained(
            folder, use_safetensors=True, **{named: dtype}, **safely
        )
        processor = getattr(transformers, need.processor).from_pretrained(folder, **safely)
    except ImportError as error:  # its first sentence names the package
        reason = str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(".")
        raise ValueError(
            f"{folder} needs a Python package that is not installed: {reason}. Install it with the Python that runs "
            f"ComfyUI."
        ) from error
    except (OSError, ValueError) as error:  # what the library raises differs from file to file
        reason = str(error).strip().partition("\n")[0]
        raise FileNotFoundError(f"{folder} cannot be loaded, expected {layout(task)}: {reason}") from error
    if need.texts and not hasattr(processor, "tokenizer"):  # the library gives what it found of the two
        raise FileNotFoundError(
            f"{folder} cannot be loaded, expected {layout(task)}; found only a {type(processor).__name__}."
        )
    return model.eval(), processor


def layout(task: Task) -> str:
    """The files of a folder, for messages."""
    files = "the tokenizer's and the processor's files" if _NEEDS[task].texts else "the image processor's file"
    return f"config.json, *.safetensors and {files}, as the model's repository has them"


def kinds(task: Task) -> set[str]:
    """Model types (config.json's model_type) that serve a task."""
    from transformers.models.auto import modeling_auto

    return set(getattr(modeling_auto, _NEEDS[task].kinds))


def model_kind(folder: Path, task: Task) -> str:
    config = folder / "config.json"
    if not config.is_file():
        raise FileNotFoundError(f"{folder} holds no config.json; expected {layout(task)}.")
    return str(json.loads(config.read_text(encoding="utf-8")).get("model_type"))
