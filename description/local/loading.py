"""Models of the transformers library from folders on disk: no download, no pickle, no code from the folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch

ModelProvider = Literal["clip", "vlm"]
LAYOUT = "config.json, *.safetensors and the tokenizer's and the processor's files, as the model's repository has them"


def load(folder: Path, provider: ModelProvider, dtype: torch.dtype = torch.float32) -> tuple[Any, Any]:
    """Read a model and its processor.

    Args:
        folder: a model's repository on disk.
        provider: what the model has to serve.
        dtype: of the weights.

    Returns:
        (model, processor), the model in evaluation mode on the CPU.

    Raises:
        FileNotFoundError: when a file is missing or cannot be read.
        ValueError: when the model is of another kind.
    """
    import transformers

    kind = model_kind(folder)
    if kind not in kinds(provider):
        raise ValueError(
            f"{folder} holds a model of type '{kind}', which transformers {transformers.__version__} does not know as "
            f"{_EXPECTED[provider]}."
        )
    if not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(f"{folder} holds no *.safetensors; weights of other forms are not loaded.")
    factory = transformers.AutoModelForZeroShotImageClassification
    if provider == "vlm":
        factory = transformers.AutoModelForImageTextToText
    safely = {"local_files_only": True, "trust_remote_code": False}
    named = "dtype" if int(transformers.__version__.split(".")[0]) >= 5 else "torch_dtype"
    try:
        model = factory.from_pretrained(folder, use_safetensors=True, **{named: dtype}, **safely)
        processor = transformers.AutoProcessor.from_pretrained(folder, **safely)
    except (OSError, ValueError) as error:  # what the library raises differs from file to file
        reason = str(error).strip().partition("\n")[0]
        raise FileNotFoundError(f"{folder} cannot be loaded, expected {LAYOUT}: {reason}") from error
    if not hasattr(processor, "tokenizer"):  # the library gives what it found of the two
        raise FileNotFoundError(
            f"{folder} cannot be loaded, expected {LAYOUT}; found only a {type(processor).__name__}."
        )
    return model.eval(), processor


_EXPECTED = {
    "clip": "a contrastive image-text model, such as clip or siglip",
    "vlm": "a model that answers questions about pictures, such as qwen2_vl or smolvlm",
}


def kinds(provider: ModelProvider) -> set[str]:
    """Model types (config.json's model_type) that serve a provider."""
    from transformers.models.auto import modeling_auto

    if provider == "clip":
        return set(modeling_auto.MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES)
    return set(modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES)


def model_kind(folder: Path) -> str:
    config = folder / "config.json"
    if not config.is_file():
        raise FileNotFoundError(f"{folder} holds no config.json; expected {LAYOUT}.")
    return str(json.loads(config.read_text(encoding="utf-8")).get("model_type"))
