import pytest
import torch
from safetensors.torch import load_file

from diff_harmonization.training.files import mean_weights, write_weights


def test_weights_are_written_in_half_precision_and_numbers_as_they_are(tmp_path):
    write_weights({"a": torch.tensor([[1.0, 0.1]]).T, "b": torch.tensor([70000], dtype=torch.int32)}, tmp_path / "w")
    written = load_file(tmp_path / "w")
    assert written["a"].dtype == torch.float16 and written["a"].flatten().tolist() == pytest.approx([1, 0.1], rel=1e-3)
    assert written["b"].dtype == torch.int32 and written["b"].item() == 70000


def test_the_mean_of_several_runs(tmp_path):
    files = [tmp_path / name for name in ("a", "b", "c")]
    for value, file in zip((1.0, 2.0, 6.0), files, strict=True):
        write_weights({"w": torch.full((2, 2), value)}, file)
    mean = mean_weights(files)
    assert mean.keys() == {"w"} and mean["w"].dtype == torch.float32 and mean["w"].unique().tolist() == [3.0]


def test_runs_of_different_networks_have_no_mean(tmp_path):
    write_weights({"w": torch.zeros(2)}, tmp_path / "a")
    write_weights({"v": torch.zeros(2)}, tmp_path / "b")
    with pytest.raises(ValueError, match="^`files`: .*b is of another network than .*a: "):
        mean_weights([tmp_path / "a", tmp_path / "b"])
