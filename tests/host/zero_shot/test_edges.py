import importlib.util
import logging
import pickle
import re

import folder_paths
import pytest
import torch
from safetensors.torch import save_file

from diff_harmonization.core.errors import InputError
from diff_harmonization.host.zero_shot import edges
from diff_harmonization.host.zero_shot.edges import detectors, find_pidinet
from diff_harmonization.methods.zero_shot.structure import pidinet
from diff_harmonization.methods.zero_shot.structure.pidinet import PiDiNetEdges, empty_network
from diff_harmonization.methods.zero_shot.structure.sobel import sobel_edges

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty models/edge."""
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    names = {key: value for key, value in folder_paths.folder_names_and_paths.items() if key != "edge"}
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", names)
    (tmp_path / "edge").mkdir()
    return tmp_path / "edge"


@pytest.fixture
def write(folder):
    """Writes random weights as they are published, or as safetensors."""

    def write(name, channels=20):
        torch.manual_seed(0)
        state = empty_network(channels).state_dict()
        if name.endswith(".safetensors"):
            save_file(state, folder / name)
        else:
            torch.save({"epoch": 1, "state_dict": {f"module.{key}": w for key, w in state.items()}}, folder / name)

    return write


def test_nothing_is_found_where_nothing_is(folder):
    assert find_pidinet() is None


def test_the_users_own_folder_is_used(folder, tmp_path, write):
    users = tmp_path / "elsewhere"
    folder_paths.folder_names_and_paths["edge"] = ([str(users)], set())
    write("table5_pidinet-tiny.pth")
    assert find_pidinet() is None
    folder.rename(users)
    assert find_pidinet() == users / "table5_pidinet-tiny.pth"


def test_the_larger_network_wins(write):
    write("table5_pidinet-tiny.pth")
    assert find_pidinet().name == "table5_pidinet-tiny.pth"
    write("table5_pidinet.safetensors", 60)
    assert find_pidinet().name == "table5_pidinet.safetensors"


@pytest.mark.parametrize(("choice", "count"), [("none", 0), ("sobel", 1), ("auto", 1)])
def test_without_weights(folder, choice, count, caplog):
    with caplog.at_level(logging.WARNING):
        found, notice = detectors(choice, 0.1, CPU)
    assert found == [(sobel_edges, 1.0)] * count
    told = "table5_pidinet.pth" in notice and "models/edge" in notice and "Sobel alone" in notice
    assert told == ("Sobel alone" in caplog.text) == (choice == "auto")


def test_asking_for_pidinet_without_weights_is_an_error(folder):
    with pytest.raises(InputError, match=r"^`edges`: .*are missing.*models/edge/table5_pidinet\.pth"):
        detectors("sobel + pidinet", 0.1, CPU)


@pytest.mark.parametrize("choice", ["auto", "sobel + pidinet"])
@pytest.mark.parametrize(
    ("name", "channels"),
    [("table5_pidinet.pth", 60), ("table5_pidinet-tiny.pth", 20), ("table5_pidinet-tiny.safetensors", 20)],
)
def test_with_weights(write, choice, name, channels):
    write(name, channels)
    ((sobel, one), (pidinet, gamma)), notice = detectors(choice, 0.3, CPU)
    assert (sobel, one, gamma) == (sobel_edges, 1.0, 0.3)
    assert isinstance(pidinet, PiDiNetEdges) and len(pidinet.network.init_block.weight) == channels
    assert name in notice
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1), requires_grad=True)
    (gradient,) = torch.autograd.grad(pidinet(image).sum(), image)
    assert (gradient != 0).any() and not any(w.requires_grad for w in pidinet.parameters())


def test_sobel_ignores_the_weights(write):
    write("table5_pidinet.pth", 60)
    assert detectors("sobel", 0.1, CPU) == ([(sobel_edges, 1.0)], "Edges by Sobel.")


class Harmful:
    def __reduce__(self):
        return print, ("executed",)


def test_a_file_that_runs_code_is_refused(folder, capsys):
    (folder / "table5_pidinet.pth").write_bytes(pickle.dumps({"state_dict": Harmful()}, protocol=2))
    with pytest.raises(ValueError, match=r"^`edges`: table5_pidinet\.pth in models/edge"):
        detectors("auto", 0.1, CPU)
    torch.save({"state_dict": Harmful()}, folder / "table5_pidinet.pth")
    with pytest.raises(ValueError, match="table5_pidinet.pth"):
        detectors("auto", 0.1, CPU)
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["table5_pidinet.pth", "table5_pidinet-tiny.safetensors"])
@pytest.mark.parametrize("kept", [0.0, 0.5, "a page that says that the file has moved"])
def test_a_damaged_file_is_refused(write, folder, name, kept):
    """Not taken for a missing one: the user meant it to count."""
    write(name)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(kept.encode() if isinstance(kept, str) else whole[: int(kept * len(whole))])
    message = rf"^`edges`: {re.escape(name)} in models/edge: it cannot be read as weights"
    with pytest.raises(ValueError, match=message) as told:
        detectors("auto", 0.1, CPU)
    assert "weights_only" not in str(told.value) and "\n" not in str(told.value)


def test_a_file_that_holds_no_table_is_refused(folder):
    torch.save([torch.zeros(3)], folder / "table5_pidinet.pth")
    with pytest.raises(ValueError, match="found no `init_block.weight`"):
        detectors("auto", 0.1, CPU)


def test_weights_without_the_package_name_the_parameter(write, monkeypatch):
    write("table5_pidinet-tiny.pth")
    pidinet._network_code.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^`edges`: .*pip install --no-deps controlnet-aux") as told:
        detectors("auto", 0.1, CPU)
    assert isinstance(told.value.__cause__, ModuleNotFoundError)


def test_other_weights_are_refused(folder):
    torch.save({"state_dict": {"module.init_block.weight": torch.zeros(30, 3, 3, 3)}}, folder / "table5_pidinet.pth")
    with pytest.raises(ValueError, match=r"table5_pidinet\.pth in models/edge: .*found 30 channels"):
        detectors("auto", 0.1, CPU)


def test_the_names_are_those_of_the_tooltip():
    from diff_harmonization.nodes.null_text import EdgeNullTextOptimize

    (tooltip,) = (x.tooltip for x in EdgeNullTextOptimize.define_schema().inputs if x.id == "edges")
    assert f"{edges.NAMES[0]}.pth" in tooltip and f"models/{edges.FOLDER}" in tooltip
