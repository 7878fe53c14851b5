import folder_paths
import pytest
import torch
from tiny_models import CONTEXT_DIM, tiny_clip, tiny_model

from diff_harmonization.host.folders import register_folder


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
def own_folder(tmp_path, monkeypatch):
    """Makes one of the pack's models folders, empty, and registers it."""
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    names = {**folder_paths.folder_names_and_paths}
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", names)
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    folder_paths.cache_helper.clear()

    def make(name):
        names.pop(name, None)
        register_folder(name)
        (tmp_path / name).mkdir()
        return tmp_path / name

    return make
