import hashlib
import json

import pytest
import torch

from diff_harmonization.core.weights import misfit, shipped_weights


@pytest.fixture
def manifest(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "w.safetensors").write_bytes(b"weights")
    entry = {"file": "weights/w.safetensors", "sha256": hashlib.sha256(b"weights").hexdigest()}
    (tmp_path / "weights.json").write_text(json.dumps(entry))
    return tmp_path / "weights.json"


def test_the_listed_file(manifest):
    assert shipped_weights(manifest).read_bytes() == b"weights"


def test_a_missing_file(manifest):
    (manifest.parent / "weights" / "w.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"^.*w.safetensors is missing.*reinstall"):
        shipped_weights(manifest)


def test_a_damaged_file(manifest):
    (manifest.parent / "weights" / "w.safetensors").write_bytes(b"Weights")
    with pytest.raises(ValueError, match=r"^.*w.safetensors has sha256 .*, expected .*reinstall"):
        shipped_weights(manifest)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"a": (2, 3), "b": (1,)}, ""),
        ({"a": (2, 3)}, "b is missing"),
        ({"a": (2, 3), "b": (1,), "c": (1,)}, "c is not expected"),
        ({"a": (3, 2), "b": (1,)}, "a is (3, 2) where (2, 3) is expected"),
        ({"a": (3, 2), "c": (1,)}, "a is (3, 2) where (2, 3) is expected (and 2 more differences)"),
    ],
)
def test_how_a_file_does_not_fit(state, said):
    own = {"a": torch.zeros(2, 3), "b": torch.zeros(1)}
    assert misfit(own, {name: torch.zeros(shape) for name, shape in state.items()}) == said
