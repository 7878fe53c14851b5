"""The states of a loop: what is added, what is chosen, what is told."""

import pytest
import torch

from diff_harmonization.core.errors import InputError
from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.loop.policy import LoopPolicy
from diff_harmonization.loop.states import LoopStates

WARM = ImagingDescription("cat", ("warm", "dim"), ("cold",))
SAME = ImagingDescription("cat", ("dim", "warm"), ("cold",))
OTHER = ImagingDescription("cat", ("bright",), ("dull",))


def states(*passes, **limits):
    """A loop whose pass n made a picture of value n / 10, with its score and description."""
    found = LoopStates(LoopPolicy(**limits), (torch.zeros(1, 4, 6, 3),), (0.3,))
    for number, (score, description) in enumerate(passes, 1):
        found = found.add(torch.full((1, 4, 6, 3), number / 10), score, description)
    return found


def test_it_counts_passes_and_carries_its_policy():
    found = states((0.4, WARM), (0.5, OTHER), k=2, max_passes=2)
    assert found.count == 2 and found.concluded
    assert not states((0.4, WARM), k=2, max_passes=2).concluded
    assert [decision.action for decision in found.decisions] == ["start", "trial", "conclude"]


def test_the_result_is_the_best_state():
    result = states((0.4, WARM), (0.6, OTHER), (0.5, None), max_passes=3).result()
    assert result.chosen == 2
    assert torch.equal(result.image, torch.full((1, 4, 6, 3), 0.2))
    assert result.images.shape == (4, 4, 6, 3) and torch.equal(result.images[2:3], result.image)
    assert result.scores == (0.3, 0.4, 0.6, 0.5)
    assert result.descriptions == (None, WARM, OTHER, None)
    assert result.actions == ("start", "trial", "trial", "conclude")


def test_the_composite_may_be_the_result():
    result = states((0.2, WARM), max_passes=1).result()
    assert result.chosen == 0 and result.image.max() == 0


def test_a_picture_of_another_size_is_refused():
    with pytest.raises(InputError, match=r"pass 2 made 4x6 \(batch of 1, 3 channels\), expected 6x4") as caught:
        states((0.4, WARM)).add(torch.zeros(1, 6, 4, 3), 0.5, OTHER)
    assert caught.value.parameter == "image"


def test_a_trial_that_repeats_another_in_another_order_is_known():
    assert states((0.4, WARM), (0.5, SAME)).repeated_trial == 1
    assert states((0.4, WARM), (0.5, OTHER)).repeated_trial is None
    assert states((0.4, None), (0.5, None)).repeated_trial is None
    assert states((0.4, WARM), (0.5, OTHER), (0.6, SAME), k=2).repeated_trial is None  # no trial any more


def test_repeated_words_are_no_other_description():
    """After two decreases the loop has nothing else to say, although the words stand in another order."""
    fallen = ((0.5, WARM), (0.4, SAME), (0.45, WARM), (0.4, WARM))
    assert states(*fallen, k=2).decisions[-1].action == "conclude"
    assert states((0.5, WARM), (0.4, OTHER), *fallen[2:], k=2).decisions[-1].action == "regenerate"


def test_the_summary_has_a_line_for_each_state():
    lines = states((0.4, WARM), (0.5, OTHER), (0.2, None), (0.6, WARM), max_passes=4).summary().splitlines()
    assert lines[0] == "composite: 0.3000    -> start"
    assert lines[1] == f"pass 1: 0.4000  {WARM}  -> trial"
    assert lines[3] == "pass 3: 0.2000    -> continue from 2"
    assert lines[4].endswith("-> conclude: 4 is best")
