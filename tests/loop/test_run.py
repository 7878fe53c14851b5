"""The loop around an edit that adds a little, judged by a script."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from diff_harmonization.core.errors import InputError
from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.loop.policy import LoopPolicy
from diff_harmonization.loop.run import run_loop

WORDS = [ImagingDescription("cat", (word,), ("cold",)) for word in ("warm", "bright", "dim")]
TRIALS = "0.3 0.4 0.5 0.2"
COMPOSITE, MASK = torch.zeros(1, 4, 4, 3), torch.ones(1, 4, 4)


class Script:
    """Scores from a line of numbers, one for each call."""

    def __init__(self, text):
        self.left = [float(number) for number in text.split()]

    def score(self, image, mask):
        return torch.tensor([self.left.pop(0)], dtype=torch.float64)


def edit(image, mask, description):
    """Adds 1 for the first description, 2 for the second, 3 for the third."""
    return image + 1 + WORDS.index(description)


def run(script, **limits):
    return run_loop(edit, Script(script), COMPOSITE, MASK, WORDS, LoopPolicy(**limits))


BRANCHES = {
    "concludes at the limit": (f"{TRIALS} 0.6 0.7", {"max_passes": 5}, "continue continue conclude", 5),
    "regenerates, fails": (
        f"{TRIALS} 0.45 0.4 0.45 0.44",
        {},
        "continue continue regenerate continue conclude",
        2,
    ),
    "regenerates, succeeds": (
        f"{TRIALS} 0.45 0.4 0.45 0.6 0.5",
        {"max_passes": 8},
        "continue continue regenerate continue continue conclude",
        7,
    ),
    "regenerates from the composite": ("0.9 0.4 0.5 0.2 0.45 0.8 0.7", {}, "continue regenerate continue conclude", 0),
    "asks for a next seed": (
        f"{TRIALS} 0.45 0.4 0.6",
        {"new_descriptions": "next seed", "max_passes": 6},
        "continue continue regenerate conclude",
        6,
    ),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_branches(name):
    script, limits, decisions, chosen = BRANCHES[name]
    result = run(script, **limits).result()
    assert list(result.actions) == ["start", "trial", "trial", *decisions.split()]
    assert list(result.scores) == [float(score) for score in script.split()][: len(result.scores)]
    assert result.chosen == chosen
    assert torch.equal(result.image, result.images[chosen : chosen + 1])


def test_each_pass_starts_where_it_was_decided():
    """Values of 1, 2 and 3 tell the trials; state 2 is kept, gone back to, then edited by the next best words."""
    states = run(f"{TRIALS} 0.45 0.4 0.45 0.44")
    assert [int(image.max()) for image in states.images] == [0, 1, 2, 3, 2 + 2, 2 + 2 + 2, 2 + 1, 2 + 1 + 1]
    assert list(states.descriptions) == [None, *WORDS, WORDS[1], WORDS[1], WORDS[0], WORDS[0]]


def test_seeds_past_the_last_description_take_the_first_again():
    states = run(f"{TRIALS} 0.45 0.4 0.6", new_descriptions="next seed", max_passes=6)
    assert states.decisions[5].seed == 3
    assert states.descriptions[-1] == WORDS[0]


def test_words_are_found_anew_for_each_picture_and_end_the_loop_where_they_ask_for_nothing():
    """The object is cold from a value of 4 on. The pass that begins there costs no edit and is the last one."""

    def reword(image, mask, description):
        return replace(description, foreground=("cold",)) if image.max() >= 4 else description

    policy = LoopPolicy(max_passes=9)
    states = run_loop(edit, Script(f"{TRIALS} 0.6 0.6"), COMPOSITE, MASK, WORDS, policy, reword=reword)
    assert [int(image.max()) for image in states.images] == [0, 1, 2, 3, 4, 4]
    assert states.descriptions[4] == WORDS[1] and states.descriptions[5].settled
    assert states.concluded and states.chosen == 4
    assert (
        states.summary()
        .splitlines()[-1]
        .endswith("nothing left to change, conclude: pass 4 is the result; refused: does not beat pass 4")
    )


def test_a_trial_whose_words_ask_for_nothing_does_not_end_the_loop():
    still = ImagingDescription("cat", ("cold",), ("cold",))
    states = run_loop(edit, Script("0.3 0.3 0.4 0.5"), COMPOSITE, MASK, [still, WORDS[0]], LoopPolicy(max_passes=3))
    assert [int(image.max()) for image in states.images] == [0, 0, 1, 2]


def test_every_pass_is_handed_on_and_every_place_is_named():
    seen, places = [], []

    @contextmanager
    def during(place):
        places.append(place)
        yield

    def after_pass(states):
        seen.append(states.count)

    arguments = (edit, Script("0.1 0.2 0.3"), COMPOSITE, MASK, WORDS, LoopPolicy(max_passes=2))
    run_loop(*arguments, after_pass=after_pass, during=during)
    assert seen == [1, 2]
    assert places == ["", "pass 1", "pass 2"]


PROPOSALS = [("weak", COMPOSITE + 10), ("strong", COMPOSITE + 20)]


def test_the_loop_may_continue_from_a_proposal():
    """With the description of the best trial, the second; what is done then is added to the proposal."""
    arguments = (edit, Script("0.3 0.6 0.4 0.1 0.5 0.2 0.7"), COMPOSITE, MASK, WORDS, LoopPolicy(max_passes=4))
    states = run_loop(*arguments, proposals=PROPOSALS)
    assert [int(image.max()) for image in states.images] == [0, 10, 20, 1, 2, 3, 10 + 2]
    assert states.descriptions == (None, None, None, *WORDS, WORDS[1])
    assert states.proposals == ("weak", "strong") and states.result().chosen == 6


def test_every_state_has_its_distance():
    """Here as far as its value; pass 3 scores best, but lies beyond the bound."""
    policy = LoopPolicy(max_passes=3, farthest=2.5)
    arguments = (edit, Script("0.3 0.4 0.5 0.9"), COMPOSITE, MASK, WORDS, policy)
    states = run_loop(*arguments, distance=lambda image, mask: float(image.max()))
    assert states.distances == (0.0, 1.0, 2.0, 3.0)
    assert states.result().chosen == 2


def test_a_proposal_of_another_size_is_refused_before_it_is_scored():
    arguments = (edit, Script(""), COMPOSITE, MASK, WORDS, LoopPolicy())
    with pytest.raises(InputError, match="proposal 1 is 2x4") as caught:
        run_loop(*arguments, proposals=[("cut", COMPOSITE[:, :, :2])])
    assert caught.value.parameter == "proposals"


@pytest.mark.parametrize(
    ("image", "words", "parameter"),
    [(COMPOSITE.expand(2, -1, -1, -1), WORDS, "image"), (COMPOSITE, [], "descriptions")],
)
def test_what_cannot_be_looped_over_is_refused(image, words, parameter):
    with pytest.raises(InputError) as caught:
        run_loop(edit, Script("0.1"), image, MASK, words, LoopPolicy())
    assert caught.value.parameter == parameter


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="state 1 has nan"):
        run("0.3 nan")
