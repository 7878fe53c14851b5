"""The states of a loop: what is added, what is chosen, what is told."""

import math
import re
from pathlib import Path

import pytest
import torch

from diff_harmonization.core.errors import InputError
from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.loop.policy import LoopPolicy
from diff_harmonization.loop.states import WHAT_TO_DO, LoopStates, require_proposals, state_names

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
    assert lines[1] == f"pass 1: 0.4000  {WARM}  -> trial; taken: beats the composite by 0.100"
    assert lines[3] == "pass 3: 0.2000    -> continue from pass 2; refused: does not beat pass 2"
    assert lines[4].endswith("-> conclude: pass 4 is the result; taken: beats pass 2 by 0.100")
    assert len(lines) == 5


def proposed(*scores, distances=None, **limits):
    """A loop with two proposals, of values 10 and 20, before any pass; the first score is the composite's."""
    distances = distances or (0.0, 0.0, 0.0)
    start = LoopStates(LoopPolicy(**limits), (torch.zeros(1, 4, 6, 3),), scores[:1], distances=distances[:1])
    for value, score, distance in zip((10, 20), scores[1:], distances[1:], strict=True):
        start = start.propose(f"strength {value}", torch.full((1, 4, 6, 3), float(value)), score, distance)
    return start


def test_proposals_are_states_but_no_passes():
    begun = proposed(0.3, 0.6, 0.5, k=1, max_passes=2)
    assert begun.count == 0 and not begun.concluded
    done = begun.add(torch.ones(1, 4, 6, 3), 0.4, WARM).add(torch.full((1, 4, 6, 3), 11.0), 0.7, WARM)
    assert done.count == 2 and done.concluded
    result = done.result()
    assert result.actions == ("propose", "propose", "start", "continue", "conclude")
    assert result.proposals == ("strength 10", "strength 20")
    assert result.chosen == 4 and result.descriptions == (None, None, None, WARM, WARM)
    assert state_names(5, 2) == ("composite", "proposal 1", "proposal 2", "pass 1", "pass 2")
    lines = done.summary().splitlines()
    assert lines[1] == "proposal 1: 0.6000  strength 10  -> propose; taken: beats the composite by 0.300"
    assert lines[3] == f"pass 1: 0.4000  {WARM}  -> continue from proposal 1; refused: does not beat proposal 1"
    assert lines[4].startswith(f"pass 2: 0.7000  {WARM}  -> conclude: pass 2 is the result")


def test_a_state_knows_where_its_passes_began():
    done = proposed(0.3, 0.6, 0.5, k=1, max_passes=3)
    for value, score in ((1, 0.4), (11, 0.7), (12, 0.8)):
        done = done.add(torch.full((1, 4, 6, 3), float(value)), score, WARM)
    assert [done.origin(state) for state in range(6)] == [0, 1, 2, 0, 1, 1]


def test_a_repeated_trial_is_counted_without_proposals():
    begun = proposed(0.3, 0.6, 0.5, k=2)
    assert begun.add(begun.images[0], 0.4, WARM).add(begun.images[0], 0.4, SAME).repeated_trial == 1


def test_a_proposal_of_another_size_is_refused():
    with pytest.raises(InputError, match=r"proposal 2 is 4x6 .*, expected 6x4") as caught:
        require_proposals([torch.zeros(1, 4, 6, 3), torch.zeros(1, 6, 4, 3)], torch.zeros(1, 4, 6, 3))
    assert caught.value.parameter == "proposals"


def test_reasons_tell_why_another_proposal_was_taken():
    assert proposed(0.3, 0.5, 0.52, enough=0.8).reasons()[1:] == (
        "taken: beats the composite by 0.200",
        "refused: proposal 1 gains nearly as much with less change",
    )
    assert proposed(0.3, 0.4, 0.52, enough=0.8).reasons()[1] == (
        "refused: gains less than 80% of what another proposal gains"
    )


def test_reasons_name_the_margin_and_the_distance():
    done = proposed(0.5, 0.51, 0.9, distances=(1.0, 1.0, 8.25), margin=0.02, farthest=7.5, k=1, max_passes=1)
    done = done.add(done.images[0], 0.95, WARM, math.inf)
    assert done.reasons() == (
        "",
        "refused: does not beat the composite by more than 0.02",
        "refused: looks implausible, 8.2 from the usual look, more than 7.5",
        "refused: looks implausible, its light and shade are lost or inverted",
    )
    assert done.result().chosen == 0 and done.concluded


@pytest.mark.parametrize(
    ("score", "distance", "why"),
    [
        (0.4, 0.0, "The judge liked no change better."),
        (0.51, 0.0, "by only 0.0100, which is too little to trust"),
        (0.9, 9.0, "the object in it does not look plausible"),
    ],
)
def test_where_the_composite_stays_it_says_why_and_what_to_do(score, distance, why):
    policy = LoopPolicy(k=1, max_passes=1, margin=0.02, farthest=7.5)
    done = LoopStates(policy, (torch.zeros(1, 4, 6, 3),), (0.5,)).add(torch.ones(1, 4, 6, 3), score, WARM, distance)
    *_, happened, advice = done.summary().splitlines()
    assert happened.startswith("The composite is returned unchanged.") and why in happened
    assert all(words in advice for words in ("raise strength", "type other words", "a pass that you like at full size"))


def test_the_advice_names_a_part_of_the_page_that_exists():
    page = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    title = re.search(r'"(.*)"', WHAT_TO_DO).group(1)
    assert f"### {title}\n" in page
