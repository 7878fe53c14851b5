"""The one place where an error learns its node and its input."""

from pathlib import Path

import pytest
import torch

from diff_harmonization.core.errors import InputError, PassError, ServiceError
from diff_harmonization.nodes.errors import errors_name


def told(error, **inputs):
    with pytest.raises(Exception) as caught, errors_name("DDIMInvert", **inputs):  # noqa: PT011
        raise error
    return caught.value


def test_a_refused_value_is_told_with_node_and_input():
    error = InputError("steps", "got 0, expected at least 1.")
    assert str(told(error)) == "DDIMInvert, input steps: got 0, expected at least 1."
    assert told(error).__cause__ is error


def test_an_input_may_go_by_another_name():
    error = InputError("captions", "got 1 entry.")
    assert str(told(error, captions="descriptions")) == "DDIMInvert, input descriptions: got 1 entry."


@pytest.mark.parametrize("kind", [ValueError, TypeError, FileNotFoundError, ModuleNotFoundError, ServiceError])
def test_what_the_user_can_mend_is_told_with_the_node(kind):
    error = told(kind("There is no such file."))
    assert type(error) is kind and str(error) == "DDIMInvert: There is no such file."


def test_an_error_whose_kind_wants_other_arguments_is_told_as_its_base():
    error = told(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"))
    assert type(error) is ValueError and str(error).startswith("DDIMInvert: 'utf-8' codec")


def test_an_error_of_a_pass_says_the_node_first():
    assert str(told(PassError("pass 2", "No such colors."))) == "DDIMInvert, pass 2: No such colors."
    error = PassError("pass 2", InputError("text", "the prompt is too long."), [Path("/a.png")])
    assert str(told(error, text="descriptions")) == (
        "DDIMInvert, pass 2: input descriptions: the prompt is too long. Finished passes are saved: /a.png"
    )


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("Too little."), RuntimeError("A kernel failed."), KeyError(1)]
)
def test_everything_else_is_left_alone(error):
    assert told(error) is error
