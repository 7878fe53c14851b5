import socket

import pytest
import torch
from vision_models import write_clip, write_llava


@pytest.fixture
def composite():
    """A picture [H,W,3] of noise, and the mask of a box in it."""
    mask = torch.zeros(60, 80)
    mask[10:40, 20:50] = 1
    return torch.rand(60, 80, 3, generator=torch.Generator().manual_seed(0)), mask


@pytest.fixture
def offline(monkeypatch):
    """No connection can be opened."""

    def refuse(*_):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="session")
def llava_folder(tmp_path_factory):
    return write_llava(tmp_path_factory.mktemp("models") / "llava")
