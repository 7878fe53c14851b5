"""Finished passes: saved, told in the log and in errors, shown on the node."""

from pathlib import Path

import comfy.model_management
import folder_paths
import pytest
import torch

from diff_harmonization.core.errors import InputError, PassError
from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.host.loop.passes import KeptPasses, path_of, save_pass, shown
from diff_harmonization.loop.policy import LoopPolicy
from diff_harmonization.loop.states import LoopStates

WORDS = ImagingDescription("cat", ("warm",), ("cold",))


@pytest.fixture(autouse=True)
def temp(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))
    return tmp_path


@pytest.fixture
def first():
    """A loop after its first pass."""
    composite = LoopStates(LoopPolicy(k=2, max_passes=2), (torch.zeros(1, 8, 8, 3),), (0.25,))
    return composite.add(torch.ones(1, 8, 8, 3), 0.5, WORDS)


def test_a_pass_is_saved_and_named_in_the_log(first, temp, caplog):
    caplog.set_level("INFO")
    (file,) = save_pass(first)
    path = path_of(file)
    assert path.is_file() and path.is_relative_to(temp)
    assert caplog.messages == [f"pass 1 scores 0.5000 (composite 0.2500), saved as {path}"]


def test_a_pass_that_cannot_be_saved_is_told_and_the_loop_goes_on(first, temp, monkeypatch, caplog):
    monkeypatch.setattr(folder_paths, "temp_directory", str(temp / "file"))
    (temp / "file").write_text("where the folder should be")
    kept = KeptPasses()
    kept.keep(first)
    assert kept.files == [] and "could not be saved" in caplog.text and "The loop goes on" in caplog.text


def test_a_repeated_trial_is_told(first, caplog):
    save_pass(first.add(torch.ones(1, 8, 8, 3), 0.5, WORDS))
    assert f"Trial 2 has the description of trial 1, '{WORDS}'; lower k" in caplog.text


def test_the_node_shows_the_latest_pass_and_in_the_end_all(first):
    kept = KeptPasses()
    kept.keep(first)
    last = first.add(torch.ones(1, 8, 8, 3), 0.6, None)
    kept.keep(last)
    assert shown(first, kept.files[:1])["images"] == kept.files[:1]
    assert shown(last, kept.files)["images"] == kept.files and len(kept.files) == 2
    assert shown(last, kept.files)["text"] == [last.summary()]


def fails(kept, error, *place):
    with kept.errors_name(*place):
        raise error


def test_an_error_says_where_and_what_is_saved(first):
    kept, error = KeptPasses(earlier=[Path("/before.png")]), ValueError("No such colors.")
    kept.keep(first)
    with pytest.raises(PassError) as caught:
        fails(kept, error, "object 2 of 2", "", "pass 2")
    assert str(caught.value) == (
        f"object 2 of 2, pass 2: No such colors. Finished passes are saved: /before.png, {path_of(kept.files[0])}"
    )
    assert caught.value.__cause__ is error


def test_an_error_before_the_first_pass_stays_as_it_is():
    error = InputError("mask", "it is empty.")
    with pytest.raises(InputError) as caught:
        fails(KeptPasses(), error, "")
    assert caught.value is error


def test_the_interrupt_is_the_hosts():
    error = comfy.model_management.InterruptProcessingException()
    with pytest.raises(type(error)) as caught:
        fails(KeptPasses(), error, "pass 1")
    assert caught.value is error
