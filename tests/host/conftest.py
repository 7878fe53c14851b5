import folder_paths
import pytest
import torch
from tiny_models import CONTEXT_DIM, tiny_clip, tiny_model
from vision_models import write_clip, write_llava

from diff_harmonization.host import pretrained


@pytest.fixture
def executor():
    """Runs a test as the host runs a node."""
    with torch.inference_mode():
        yield


@pytest.fixture
def model():
    return tiny_model()


@pytest.fixture
def clip():
    return tiny_clip()


@pytest.fixture
def latent():
    return torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def context():
    return torch.randn(1, 77, CONTEXT_DIM, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def sigmas():
    return torch.tensor([2.0, 1.0, 0.0])


@pytest.fixture
def models(tmp_path, monkeypatch):
    """models/VLM with a tiny CLIP and a tiny Llava; nothing kept from other tests."""
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", {})
    pretrained._kept.clear()
    write_clip(tmp_path / "VLM" / "clip")
    write_llava(tmp_path / "VLM" / "llava")
    yield tmp_path / "VLM"
    pretrained._kept.clear()


@pytest.fixture
def composite():
    mask = torch.zeros(60, 80)
    mask[10:40, 20:50] = 1
    return torch.rand(60, 80, 3, generator=torch.Generator().manual_seed(0)), mask


@pytest.fixture
def loads(monkeypatch):
    """The folders that are read, in order."""
    seen, load = [], pretrained.load
    monkeypatch.setattr(pretrained, "load", lambda folder, *rest: seen.append(folder.name) or load(folder, *rest))
    return seen
