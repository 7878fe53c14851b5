import hashlib
import json

import pytest

from diff_harmonization.core.weights import shipped_weights


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
