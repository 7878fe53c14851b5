"""Vision models in the host's hands: folders, memory, cancelling."""

import comfy.model_management as management
import folder_paths
import pytest
import torch
from vision_models import write_clip, write_llava

from diff_harmonization.host.describe import vision
from diff_harmonization.host.describe.vision import describe_locally, model_folders


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    """models/VLM with a tiny CLIP and a tiny Llava; nothing kept from other tests."""
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", {})
    vision._kept.clear()
    write_clip(tmp_path / "VLM" / "clip")
    write_llava(tmp_path / "VLM" / "llava")
    yield tmp_path / "VLM"
    vision._kept.clear()


@pytest.fixture
def composite():
    mask = torch.zeros(60, 80)
    mask[10:40, 20:50] = 1
    return torch.rand(60, 80, 3, generator=torch.Generator().manual_seed(0)), mask


@pytest.fixture
def loads(monkeypatch):
    """The folders that are read, in order."""
    seen, load = [], vision.load
    monkeypatch.setattr(vision, "load", lambda folder, *rest: seen.append(folder.name) or load(folder, *rest))
    return seen


def test_folders_with_a_config_are_models(models):
    (models / "notes").mkdir()
    (models / "readme.txt").write_text("")
    assert model_folders() == {"clip": models / "clip", "llava": models / "llava"}


def test_other_folders_of_the_users_count_too(models, tmp_path):
    write_clip(tmp_path / "elsewhere" / "another")
    write_clip(tmp_path / "elsewhere" / "clip")
    folder_paths.add_model_folder_path("VLM", str(tmp_path / "elsewhere"))
    folders = model_folders()
    assert folders["another"] == tmp_path / "elsewhere" / "another"
    assert folders["clip"] == tmp_path / "elsewhere" / "clip"  # the user's own comes first
    assert folders["llava"] == models / "llava"


def test_there_may_be_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path / "none"))
    assert model_folders() == {}


def test_a_missing_folder_is_one_sentence(composite, models):
    with pytest.raises(
        FileNotFoundError, match=r"there is no model folder 'gone' in .*VLM; put one there with"
    ) as error:
        describe_locally(*composite, "dog", "vlm", "gone")
    assert str(models) in str(error.value)


def test_the_last_model_is_kept_and_others_go(executor, composite, loads):
    first, second = (list(map(str, describe_locally(*composite, "dog", "vlm", "llava"))) for _ in range(2))
    assert first == second
    assert loads == ["llava"]
    describe_locally(*composite, "dog", "clip", "clip")
    assert loads == ["llava", "clip"]
    assert len(vision._kept) == 1


def test_statistics_read_no_model(executor, composite, loads):
    assert len(describe_locally(*composite, "dog", "statistics")) > 1
    assert loads == []


@pytest.mark.parametrize("provider", ["clip", "vlm"])
def test_the_users_cancelling_ends_it_and_the_next_run_works(executor, composite, provider):
    model = {"clip": "clip", "vlm": "llava"}[provider]
    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        describe_locally(*composite, "dog", provider, model)
    assert describe_locally(*composite, "dog", provider, model)


def test_a_device_is_freed_before_and_after(executor, composite, monkeypatch):
    """There is no GPU here: the CPU is taken for one."""
    asked, emptied = [], []
    monkeypatch.setattr(management, "is_device_cpu", lambda device: False)
    monkeypatch.setattr(management, "free_memory", lambda size, device: asked.append(size))
    monkeypatch.setattr(management, "soft_empty_cache", lambda: emptied.append(True))
    describe_locally(*composite, "dog", "clip", "clip")
    ((model, _),) = vision._kept.values()
    weights = sum(weight.nbytes for weight in model.parameters())
    assert len(asked) == len(emptied) == 1
    assert asked[0] > weights + management.minimum_inference_memory()
    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        describe_locally(*composite, "dog", "clip", "clip")
    assert len(emptied) == 2
