import json
import shutil
import subprocess
import sys

import pytest
import torch
from vision_models import write_edgetam

from diff_harmonization.core.pretrained import kinds, load


@pytest.fixture
def copy(tmp_path, llava_folder):
    return shutil.copytree(llava_folder, tmp_path / "model")


def test_models_load_without_a_connection(offline, clip_folder, llava_folder):
    for folder, provider in ((clip_folder, "clip"), (llava_folder, "vlm")):
        model, processor = load(folder, provider)
        assert not model.training
        assert {weight.dtype for weight in model.parameters()} == {torch.float32}
        assert processor.tokenizer.encode("dog")


def test_a_segmenter_needs_no_tokenizer(offline, sam_folder):
    model, processor = load(sam_folder, "sam")
    assert not model.training and not hasattr(processor, "tokenizer")


def test_a_segmenter_without_its_image_processor_is_refused(offline, sam_folder, tmp_path):
    copy = shutil.copytree(sam_folder, tmp_path / "model")
    (copy / "preprocessor_config.json").unlink()
    with pytest.raises(FileNotFoundError, match="cannot be loaded, .*the image processor's file") as error:
        load(copy, "sam")
    assert "\n" not in str(error.value)


def test_low_precision_is_for_weights_alone(llava_folder):
    model, _ = load(llava_folder, "vlm", torch.bfloat16)
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", "model holds no config.json; expected config.json, "),
        ("model.safetensors", r"model holds no \*.safetensors"),
        ("tokenizer.json", "cannot be loaded, expected config.json"),
        ("processor_config.json", "cannot be loaded, expected config.json"),
    ],
)
def test_a_missing_file_is_named(offline, copy, missing, message):
    (copy / missing).unlink()
    with pytest.raises(FileNotFoundError, match=message) as error:
        load(copy, "vlm")
    assert "\n" not in str(error.value)


WITHOUT_TIMM = """
import sys
from pathlib import Path

sys.modules["timm"] = None  # as if it were not installed
from diff_harmonization.core.pretrained import load

try:
    load(Path(sys.argv[1]), "sam")
except ValueError as error:
    print(error, end="")
"""


def test_a_missing_package_is_named(tmp_path):
    """In a process of its own: the library remembers which packages there are."""
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_TIMM, write_edgetam(tmp_path)], capture_output=True, text=True, check=True
    ).stdout
    start = f"{tmp_path} needs a Python package that is not installed: "
    assert told.startswith(start) and "timm library" in told and "\n" not in told
    assert told.endswith("in your environment. Install it with the Python that runs ComfyUI.")


def test_pickled_weights_are_not_read(offline, copy):
    (copy / "model.safetensors").unlink()
    torch.save({}, copy / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match="safetensors"):
        load(copy, "vlm")


def test_code_in_the_folder_is_not_run(offline, copy):
    marker = copy / "ran"
    (copy / "modeling.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    config = json.loads((copy / "config.json").read_text())
    config["auto_map"] = dict.fromkeys(("AutoConfig", "AutoModelForImageTextToText"), "modeling.Model")
    (copy / "config.json").write_text(json.dumps(config))
    load(copy, "vlm")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("folder", "provider"),
    [("clip_folder", "vlm"), ("llava_folder", "clip"), ("clip_folder", "sam"), ("sam_folder", "vlm")],
)
def test_a_model_of_another_kind(request, folder, provider):
    with pytest.raises(ValueError, match="holds a model of type '(clip|llava|sam)', which transformers .* such as "):
        load(request.getfixturevalue(folder), provider)


def test_kinds_name_well_known_models():
    assert {"clip", "siglip"} <= kinds("clip")
    assert {"sam", "sam2", "edgetam"} <= kinds("sam")
    assert {"llava", "qwen2_vl", "idefics3"} <= kinds("vlm")
