import pytest
import torch
from safetensors.torch import load_file

from diff_harmonization.training.files import replacing, write_weights


def test_a_file_is_replaced_when_it_is_complete(tmp_path):
    path = tmp_path / "a.pt"
    path.write_text("before")
    with replacing(path) as temporary:
        temporary.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "a.pt"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "before"


def test_weights_are_written_in_half_precision_and_numbers_as_they_are(tmp_path):
    write_weights({"a": torch.tensor([[1.0, 0.1]]).T, "b": torch.tensor([70000], dtype=torch.int32)}, tmp_path / "w")
    written = load_file(tmp_path / "w")
    assert written["a"].dtype == torch.float16 and written["a"].flatten().tolist() == pytest.approx([1, 0.1], rel=1e-3)
    assert written["b"].dtype == torch.int32 and written["b"].item() == 70000
