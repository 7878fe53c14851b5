import shutil
from pathlib import Path

import pytest
import torch
from routed_networks import ARCHITECTURES, lively_network, squares
from safetensors.torch import load_file, save_file

from diff_harmonization.evaluator.networks import RegionNetwork
from diff_harmonization.methods.routed.checkpoint import architecture_of, read_network
from diff_harmonization.methods.routed.network import RoutedNetwork
from diff_harmonization.training.files import weights_of, write_weights


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("routed") / "routed.safetensors"
    write_weights(weights_of(lively_network()), path)
    return path


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_exports_are_read_back(architecture, tmp_path):
    network, path = lively_network(architecture), tmp_path / "own.safetensors"
    write_weights(weights_of(network), path)
    again = read_network(path)
    assert again.architecture == architecture
    assert not again.training and not any(parameter.requires_grad for parameter in again.parameters())
    own, state = again.state_dict(), network.state_dict()
    assert own.keys() == state.keys()
    for name, value in state.items():
        assert own[name].dtype == value.dtype
        assert torch.equal(own[name], value.half().float() if value.is_floating_point() else value), name
    with torch.no_grad():
        before, after = network(*squares()), again(*squares())
    assert torch.allclose(after.curve, before.curve, atol=0.01) and before.curve.abs().max() > 0.1
    assert torch.allclose(after.local, before.local, atol=0.01) and before.local.abs().max() > 0.01


def test_a_file_that_says_nothing_is_taken_for_the_whole_architecture():
    assert architecture_of({}) == RoutedNetwork().architecture


def refusal(path):
    """The message, which is one sentence of one line and says what is expected."""
    with pytest.raises(ValueError, match=f"^`path`: {path.name} ") as error:
        read_network(path)
    message = str(error.value)
    assert "\n" not in message and "training routed" in message and len(message) < 400
    return message


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ""])
def test_a_file_of_another_kind(tmp_path, suffix):
    path = tmp_path / f"checkpoint{suffix}"
    torch.save(RoutedNetwork().state_dict(), path)
    assert "is no safetensors file" in refusal(path)


def test_an_evaluator(tmp_path):
    """Its encoder has the same names."""
    path = tmp_path / "evaluator.safetensors"
    write_weights(weights_of(RegionNetwork()), path)
    assert "is no routed harmonizer: " in refusal(path)


def test_something_else_altogether(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    assert "is no routed harmonizer: a is not expected (and " in refusal(tmp_path / "a.safetensors")


def test_a_layer_of_another_size(exported, tmp_path):
    state = load_file(exported) | {"local_head.weight": torch.zeros(9, 96, 1, 1)}
    save_file(state, tmp_path / "old.safetensors")
    wanted = "local_head.weight is (9, 96, 1, 1) where (12, 96, 1, 1) is expected"
    assert wanted in refusal(tmp_path / "old.safetensors")


def test_a_layer_that_is_missing(exported, tmp_path):
    state = load_file(exported)
    del state["head.3.weight"]
    save_file(state, tmp_path / "part.safetensors")
    assert "head.3.weight is missing" in refusal(tmp_path / "part.safetensors")


@pytest.mark.parametrize("content", [bytes(range(256)), b"", b"a page that says that the file has moved"])
def test_damaged_bytes(tmp_path, content):
    path = tmp_path / "noise.safetensors"
    path.write_bytes(content)
    assert "cannot be read as weights: it is damaged" in refusal(path)


def test_half_a_file(exported, tmp_path):
    path = tmp_path / "half.safetensors"
    shutil.copy(exported, path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    assert "cannot be read as weights" in refusal(path)
