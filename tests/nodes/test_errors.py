"""The one place where an error learns its node and its input."""

import logging
from pathlib import Path

import pytest
import torch
from comfy_api.latest import io, ui

from diff_harmonization.core.errors import InputError, PassError, ServiceError
from diff_harmonization.nodes.errors import errors_name, noted

pack = logging.getLogger("diff_harmonization.host.image")


def told(error, **inputs):
    with pytest.raises(Exception) as caught, errors_name("DDIMInvert", **inputs):  # noqa: PT011
        raise error
    return caught.value


def test_a_refused_value_is_told_with_node_and_input():
    error = InputError("steps", "got 0, expected at least 1.")
    assert str(told(error)) == "DDIMInvert, input steps: got 0, expected at least 1."
    assert told(error).__cause__ is None  # the host would print it with all of the engine's lines


def test_an_input_may_go_by_another_name():
    error = InputError("captions", "got 1 entry.")
    assert str(told(error, captions="descriptions")) == "DDIMInvert, input descriptions: got 1 entry."


@pytest.mark.parametrize("kind", [ValueError, TypeError, FileNotFoundError, ModuleNotFoundError])
def test_what_the_user_can_mend_is_told_with_the_node(kind):
    error = told(kind("There is no such file."))
    assert type(error) is kind and str(error) == "DDIMInvert: There is no such file."


@pytest.mark.parametrize("error", [ServiceError("No answer."), PassError("pass 2", "No such colors.")])
def test_the_host_gets_a_class_of_pythons_own(error):
    """Before the name of another class its error box has the path of the pack."""
    assert type(told(error)) is RuntimeError


def test_an_unexpected_error_of_a_pass_keeps_its_traceback_and_the_users_mistake_does_not():
    bug = told(PassError("pass 2", KeyError(1)))
    assert isinstance(bug.__cause__, PassError)
    assert told(PassError("pass 2", ValueError("No."))).__cause__ is None


def test_warnings_stand_below_a_nodes_own_text():
    with errors_name("DDIMInvert") as notes:
        pack.warning("The mask is %s.", "odd")
        pack.warning("The mask is odd.")
        logging.getLogger("another.pack").warning("Not ours.")
    output = noted(notes, io.NodeOutput(1, ui=ui.PreviewText("its text")))
    assert output.ui == {"text": ["its text", "Note: The mask is odd."]}
    assert noted(notes, io.NodeOutput(1)).ui == {"text": ["Note: The mask is odd."]}
    assert noted([], io.NodeOutput(1)).ui is None


def test_a_stage_inside_another_keeps_its_warnings_to_itself():
    with errors_name("Harmonize") as outer:
        with errors_name("DDIMInvert") as inner:
            pack.warning("inside")
        pack.warning("outside")
    assert (inner, outer[-1]) == (["inside"], "outside")


def test_an_error_whose_kind_wants_other_arguments_is_told_as_its_base():
    error = told(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"))
    assert type(error) is ValueError and str(error).startswith("DDIMInvert: 'utf-8' codec")


def test_an_error_of_a_pass_says_the_node_first():
    assert str(told(PassError("pass 2", "No such colors."))) == "DDIMInvert, pass 2: No such colors."
    error = PassError("pass 2", InputError("text", "the prompt is too long."), [Path("/a.png")])
    assert str(told(error, text="descriptions")) == (
        "DDIMInvert, pass 2: input descriptions: the prompt is too long. Finished passes are saved: /a.png"
    )


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, MemoryError])
def test_too_little_memory_is_one_sentence_of_a_kind_that_the_host_knows(kind):
    sentence = "the memory ran out. Choose a smaller size"
    error = told(kind("Allocation on device 0 (out of memory)"))
    assert type(error) is kind and str(error).startswith(f"DDIMInvert: {sentence}")
    error = told(PassError("pass 2", kind("Allocation on device 0"), [Path("/a.png")]))
    assert type(error) is kind and str(error).startswith(f"DDIMInvert, pass 2: {sentence}")
    assert str(error).endswith("Finished passes are saved: /a.png") and "Allocation" not in str(error)


def test_too_little_of_the_machines_memory_is_told_likewise():
    with pytest.raises(RuntimeError) as torchs:
        torch.empty(2**60, dtype=torch.uint8)
    error = told(torchs.value)
    assert type(error) is MemoryError and str(error).startswith("DDIMInvert: the memory ran out.")


@pytest.mark.parametrize("error", [RuntimeError("A kernel failed."), KeyError(1)])
def test_everything_else_is_left_alone(error):
    assert told(error) is error
