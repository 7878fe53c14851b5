import folder_paths
import pytest
import torch
from vision_models import write_clip, write_llava

from diff_harmonization.host.describe import memory


@pytest.fixture
def models(tmp_path, monkeypatch):
    """models/VLM with a tiny CLIP and a tiny Llava; nothing kept from other tests."""
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", {})
    memory._kept.clear()
    write_clip(tmp_path / "VLM" / "clip")
    write_llava(tmp_path / "VLM" / "llava")
    yield tmp_path / "VLM"
    memory._kept.clear()


@pytest.fixture
def composite():
    mask = torch.zeros(60, 80)
    mask[10:40, 20:50] = 1
    return torch.rand(60, 80, 3, generator=torch.Generator().manual_seed(0)), mask


@pytest.fixture
def loads(monkeypatch):
    """The folders that are read, in order."""
    seen, load = [], memory.load
    monkeypatch.setattr(memory, "load", lambda folder, *rest: seen.append(folder.name) or load(folder, *rest))
    return seen
