"""What a loop made is known again by what it was made of, and nothing of that is kept alive."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from diff_harmonization.host.loop.remembered import KEPT, Plain, recall, remember


class Model:
    pass


@pytest.fixture
def made_of():
    return Model(), None, torch.rand(1, 4, 4, 3), Plain(("words", 3))


def test_the_same_things_are_known_again(made_of):
    remember("box", made_of, "outcome")
    model, none, picture, plain = made_of
    assert recall("box", (model, none, picture.clone(), Plain(plain.value))) == "outcome"


@pytest.mark.parametrize("place", range(4))
def test_another_thing_is_not(made_of, place):
    remember("box", made_of, "outcome")
    others = Model(), Model(), made_of[2].roll(1), Plain(("words", 4))
    assert recall("box", (*made_of[:place], others[place], *made_of[place + 1 :])) is None


def test_a_picture_of_another_shape_is_another_picture(made_of):
    remember("box", made_of, "outcome")
    assert recall("box", (*made_of[:2], made_of[2].reshape(1, 2, 8, 3), made_of[3])) is None


def test_models_are_not_kept_alive():
    model = Model()
    gone = weakref.ref(model)
    remember("box", (model,), "outcome")
    del model
    gc.collect()
    assert gone() is None
    assert recall("box", (Model(),)) is None
    assert recall("box", (None,)) is None


def test_only_the_last_loops_are_kept(made_of):
    for number in range(KEPT + 1):
        remember(f"box {number}", made_of, number)
    assert recall("box 0", made_of) is None
    assert [recall(f"box {number}", made_of) for number in range(1, KEPT + 1)] == list(range(1, KEPT + 1))
