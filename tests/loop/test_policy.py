"""The loop's decisions, reached by scripted scores."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diff_harmonization.loop.policy import Decision, LoopPolicy, Verdict, answer, best, decide, verdicts

# Composite, three trials of which the second is best.
TRIALS = (0.3, 0.4, 0.5, 0.2)
FINITE = st.floats(0, 1, width=16)  # coarse, so that equals come up
POLICIES = st.builds(
    LoopPolicy,
    k=st.integers(1, 4),
    max_passes=st.integers(1, 12),
    new_descriptions=st.sampled_from(["best other trial", "next seed"]),
)


def last(*scores, **limits):
    return decide(scores, LoopPolicy(**limits))[-1]


def run(scores, policy):
    """The loop to its end, pass n scoring scores[n]: its decisions."""
    for count in range(1, len(scores) + 1):
        decisions = decide(scores[:count], policy)
        if decisions[-1].action == "conclude":
            return decisions
    raise AssertionError("the loop did not end")


def test_the_composite_starts_the_first_trial():
    assert last(0.3) == Decision("start", 0, 0)


@pytest.mark.parametrize("count", [1, 2])
def test_every_trial_starts_from_the_composite_with_a_seed_of_its_own(count):
    assert last(*TRIALS[: 1 + count]) == Decision("trial", 0, count)


def test_a_pass_whose_words_asked_for_nothing_is_the_last_one():
    def after(settled):
        return decide((*TRIALS, 0.6), LoopPolicy(), settled=settled)[-1]

    assert after([False] * 5) == after([]) == Decision("continue", 4, 1)
    assert after([False] * 4 + [True]) == Decision("conclude", 4, 1)
    assert after([False, True, True, True, False]) == Decision("continue", 4, 1), "trials are no such passes"


def test_the_loop_continues_from_the_best_trial():
    assert last(*TRIALS) == Decision("continue", 2, 1)


def test_the_loop_continues_from_the_best_trial_below_the_composite():
    assert last(0.9, 0.4, 0.5, 0.2) == Decision("continue", 2, 1)


def test_the_earliest_of_equal_trials_is_kept():
    assert last(0.3, 0.4, 0.5, 0.5) == Decision("continue", 2, 1)


@pytest.mark.parametrize("tail", [(0.6,), (0.4,), (0.5,), (0.6, 0.55), (0.4, 0.45, 0.42), (0.4, 0.4)])
def test_without_two_decreases_in_a_row_it_goes_on_from_the_latest(tail):
    assert last(*TRIALS, *tail) == Decision("continue", 3 + len(tail), 1)


@pytest.mark.parametrize(
    ("said", "then"),
    [
        (("warm", "cold", "dim"), Decision("regenerate", 2, 0)),
        (("cold", "cold", "dim"), Decision("regenerate", 2, 2)),  # trial 0 says what the loop continued with
        (("cold", "cold", "cold"), Decision("conclude", 2, 1)),
        ((None, None, None), Decision("regenerate", 2, 0)),  # not known: taken for three
    ],
)
def test_a_trial_that_repeated_another_is_no_other_description(said, then):
    scores = (*TRIALS, 0.45, 0.4)
    assert decide(scores, LoopPolicy(), (None, *said, said[1], said[1]))[-1] == then


@pytest.mark.parametrize(("tail", "back_to"), [((0.45, 0.4), 2), ((0.6, 0.55, 0.5), 4), ((0.4, 0.6, 0.5, 0.45), 5)])
def test_two_decreases_in_a_row_lead_back_before_them(tail, back_to):
    assert last(*TRIALS, *tail) == Decision("regenerate", back_to, 0)


def test_two_decreases_may_begin_at_the_composite():
    assert last(0.9, 0.4, 0.5, 0.2, 0.45) == Decision("regenerate", 0, 0)


def test_the_last_peak_counts_not_the_highest():
    scores = (*TRIALS, 0.9, 0.7, 0.8, 0.75, 0.7)
    assert last(*scores) == Decision("regenerate", 6, 0)


BACK = (*TRIALS, 0.45, 0.4)  # ends in a regeneration from state 2


def test_a_regeneration_goes_on_after_one_decrease():
    assert last(*BACK, 0.45) == Decision("continue", 6, 0)


def test_a_regeneration_fails_after_two_decreases():
    assert last(*BACK, 0.45, 0.4) == Decision("conclude", 2, 0)


def test_its_two_decreases_need_not_be_in_a_row():
    assert last(*BACK, 0.45, 0.48).action == "continue"
    assert last(*BACK, 0.45, 0.48, 0.47) == Decision("conclude", 2, 0)


def test_equal_scores_are_neither_a_decrease_nor_a_success():
    assert last(*BACK, 0.5, 0.45, 0.45, 0.5).action == "continue"
    assert last(*BACK, 0.5, 0.45, 0.45, 0.5, 0.4).action == "conclude"


def test_a_regeneration_succeeds_after_a_decrease_and_may_be_repeated():
    success = (*BACK, 0.45, 0.6)
    assert last(*success) == Decision("continue", 7, 0)
    assert last(*success, 0.55) == Decision("continue", 8, 0)
    assert last(*success, 0.55, 0.5, max_passes=20) == Decision("regenerate", 7, 2)


def test_the_best_other_trial_comes_first_and_none_comes_twice():
    scores = (0.1, 0.2, 0.5, 0.4, 0.45, 0.4)
    assert last(*scores) == Decision("regenerate", 2, 2)
    scores += (0.6, 0.55, 0.5)
    assert last(*scores, max_passes=20) == Decision("regenerate", 6, 0)
    scores += (0.7, 0.65, 0.6)
    assert last(*scores, max_passes=20) == Decision("conclude", 9, 0)


def test_next_seed_asks_for_descriptions_never_had():
    limits = {"new_descriptions": "next seed", "max_passes": 20}
    scores = BACK
    for seed in (3, 4, 5):
        assert last(*scores, **limits) == Decision("regenerate", best(scores), seed)
        top = max(scores)
        scores += (top + 0.1, top + 0.05, top)


def test_one_description_leaves_no_other():
    scores = (0.1, 0.5, 0.4, 0.3)
    assert last(*scores, k=1) == Decision("conclude", 1, 0)
    assert last(*scores, k=1, new_descriptions="next seed") == Decision("regenerate", 1, 1)


def test_the_limit_counts_trials():
    assert last(*TRIALS, max_passes=3) == Decision("conclude", 2, 2)
    assert last(*TRIALS[:3], max_passes=2).action == "conclude"
    assert last(*TRIALS, 0.6, max_passes=4) == Decision("conclude", 4, 1)


def test_the_composite_may_be_the_answer():
    assert last(0.9, 0.4, 0.5, 0.2, max_passes=3) == Decision("conclude", 0, 2)
    assert last(0.5, 0.5, max_passes=1).source == 0


@pytest.mark.parametrize(
    ("scores", "margin", "taken"),
    [
        ((0.5, 0.51, 0.519), 0.02, 0),
        ((0.5, 0.51, 0.53), 0.02, 2),  # measured from what is taken, not from the best
        ((0.5, 0.6, 0.61, 0.63), 0.02, 3),
        ((0.5, 0.6, 0.61, 0.615), 0.02, 1),
        ((0.5, 0.75), 0.25, 0),  # beyond, not at
        ((0.5, 0.6, 0.61), 0.0, 2),
    ],
)
def test_the_answer_climbs_by_more_than_the_margin(scores, margin, taken):
    assert answer(scores, LoopPolicy(margin=margin)) == taken
    assert last(*scores, k=1, margin=margin, max_passes=len(scores) - 1).source == taken


def test_passes_start_from_the_plain_best_whatever_the_margin():
    assert last(*TRIALS, margin=0.5) == Decision("continue", 2, 1)


def test_a_look_beyond_the_bound_is_refused_unless_the_composite_is_as_far():
    policy = LoopPolicy(farthest=3.0)
    assert answer((0.5, 0.9, 0.6), policy, (1.0, 3.1, 3.0)) == 2
    assert answer((0.5, 0.9, 0.6), policy, (4.0, 3.9, 4.1)) == 1
    assert answer((0.5, 0.9, 0.6), LoopPolicy(), (1.0, 99.0, 1.0)) == 1
    assert decide((0.5, 0.9), LoopPolicy(max_passes=1, farthest=3.0), distances=(1.0, 4.0))[-1].source == 0


def test_verdicts_say_why_and_against_whom():
    policy = LoopPolicy(margin=0.02, farthest=3.0)
    assert verdicts((0.5, 0.6, 0.9, 0.61, 0.4), policy, (0, 0, 9, 0, 9)) == (
        Verdict("first", 0, 0.02),
        Verdict("better", 0, 0.02),
        Verdict("implausible", 1, 0.02),
        Verdict("too little", 1, 0.02),
        Verdict("too little", 1, 0.02),
    )


def test_proposals_come_before_the_trials():
    scores = (0.3, 0.35, 0.45)
    assert decide(scores, LoopPolicy(), proposals=2) == (
        *[Decision("propose", 0, 0)] * 2,
        Decision("start", 0, 0),
    )
    assert decide((*scores, 0.4), LoopPolicy(), proposals=2)[-1] == Decision("trial", 0, 1)


@pytest.mark.parametrize(
    ("scores", "then"),
    [
        ((0.3, 0.35, 0.45, 0.4, 0.5, 0.2), Decision("continue", 4, 1)),  # a trial is best
        ((0.3, 0.35, 0.55, 0.4, 0.5, 0.2), Decision("continue", 2, 1)),  # a proposal, with the best trial's words
        ((0.3, 0.5, 0.35, 0.4, 0.5, 0.2), Decision("continue", 1, 1)),  # the earliest of equals
    ],
)
def test_the_loop_continues_from_the_best_of_proposals_and_trials(scores, then):
    assert decide(scores, LoopPolicy(), proposals=2)[-1] == then


def test_a_loop_from_a_proposal_goes_back_to_it_with_the_next_best_trial():
    scores = (0.3, 0.35, 0.55, 0.4, 0.5, 0.2, 0.5, 0.45)
    assert decide(scores, LoopPolicy(), proposals=2)[-1] == Decision("regenerate", 2, 0)
    said = (None, None, None, "warm", "warm", "dim", "warm", "warm")
    assert decide(scores, LoopPolicy(), said, proposals=2)[-1] == Decision("regenerate", 2, 2)


def test_proposals_do_not_count_towards_the_limit():
    scores = (0.3, 0.35, 0.55, 0.4, 0.5)
    assert decide(scores, LoopPolicy(max_passes=3), proposals=2)[-1].action == "trial"
    assert decide((*scores, 0.2), LoopPolicy(max_passes=3), proposals=2)[-1] == Decision("conclude", 2, 2)


@pytest.mark.parametrize(
    "bad",
    [{"k": 0}, {"max_passes": 0}, {"new_descriptions": "none"}, {"margin": -0.1}, {"doubt": -1.0}, {"enough": 1.1}],
)
def test_bad_limits_are_refused(bad):
    (name,) = bad
    with pytest.raises(ValueError, match=name):
        LoopPolicy(**bad)


def test_bad_scores_are_refused():
    with pytest.raises(ValueError, match="state 1 has nan"):
        decide([0.5, float("nan")], LoopPolicy())
    with pytest.raises(ValueError, match="one score too many"):
        decide([0.5, 0.4, 0.3], LoopPolicy(max_passes=1))
    with pytest.raises(ValueError, match="composite's score"):
        decide([], LoopPolicy())
    with pytest.raises(ValueError, match="of all proposals"):
        decide([0.5, 0.6], LoopPolicy(), proposals=2)


@given(st.lists(FINITE, min_size=13, max_size=13), POLICIES)
def test_it_ends_within_the_limit_with_the_best_state(scores, policy):
    decisions = run(scores, policy)
    passes = len(decisions) - 1
    assert 1 <= passes <= policy.max_passes
    answer = scores[decisions[-1].source]
    assert answer == max(scores[: passes + 1])
    assert answer >= scores[0]


@given(st.lists(FINITE, min_size=13, max_size=13), POLICIES, st.integers(1, 12))
def test_what_is_decided_does_not_depend_on_the_limit(scores, policy, other):
    """Up to the last state of the shorter run, where the shorter limit may conclude."""
    limits = [replace(policy, max_passes=limit) for limit in sorted((policy.max_passes, other))]
    shorter, longer = (run(scores, limit) for limit in limits)
    assert shorter[:-1] == longer[: len(shorter) - 1]
    assert len(shorter) <= len(longer)


@given(st.lists(FINITE, min_size=13, max_size=13), POLICIES)
def test_every_pass_starts_where_it_may(scores, policy):
    decisions = run(scores, policy)
    plans = decisions[:-1]
    for state, (before, plan) in enumerate(zip((plans[0], *plans), plans, strict=False)):
        assert plan.source <= state
        match plan.action:
            case "start":
                assert (state, plan.source, plan.seed) == (0, 0, 0)
            case "trial":
                assert (plan.source, plan.seed) == (0, state) and state < policy.k
            case "continue":
                assert state >= policy.k
                assert plan.source == state or (state == policy.k and plan.seed == plan.source - 1)
                assert state == policy.k or plan.seed == before.seed
            case "regenerate":
                assert scores[plan.source] > max(scores[state], scores[state - 1])
                assert plan.seed not in {p.seed for p in plans[policy.k : state]}


def test_a_pass_must_beat_a_proposal_by_the_doubt_as_well():
    policy = LoopPolicy(margin=0.02, doubt=0.1)
    assert answer((0.3, 0.5, 0.6), policy, proposals=1) == 1
    assert answer((0.3, 0.5, 0.63), policy, proposals=1) == 2
    assert answer((0.3, 0.5, 0.6), policy, proposals=2) == 2, "among proposals the margin is enough"
    assert answer((0.3, 0.2, 0.35), policy, proposals=1) == 2, "and so it is against the composite"
    assert answer((0.3, 0.5, 0.63, 0.66), policy, proposals=1) == 3, "and among passes"
    assert verdicts((0.3, 0.5, 0.6), policy, proposals=1)[2] == Verdict("too little", 1, pytest.approx(0.12))
    assert answer((0.3, 0.5, 0.6), policy) == 2, "without proposals there is no doubt"
    decided = decide((0.3, 0.5, 0.6), LoopPolicy(k=1, max_passes=1, margin=0.02, doubt=0.1), proposals=1)
    assert decided[-1] == Decision("conclude", 1, 0)


@pytest.mark.parametrize(
    ("scores", "taken", "reasons"),
    [
        ((0.5, 0.6, 0.8), 2, ["weaker", "better"]),
        ((0.5, 0.8, 0.6), 1, ["better", "stronger"]),
        ((0.5, 0.75, 0.8), 1, ["better", "stronger"]),
        ((0.5, 0.51, 0.519), 0, ["too little", "too little"]),
        ((0.5, 0.51, 0.53), 2, ["too little", "better"]),
        ((0.5, 0.4, 0.6), 2, ["too little", "better"]),
    ],
)
def test_of_proposals_the_weakest_that_gains_enough_is_taken(scores, taken, reasons):
    policy = LoopPolicy(margin=0.02, enough=0.8)
    assert answer(scores, policy, proposals=2) == taken
    assert [verdict.reason for verdict in verdicts(scores, policy, proposals=2)[1:]] == reasons
    assert answer(scores, LoopPolicy(), proposals=2) == best(scores), "the paper's policy takes the best"


def test_an_implausible_proposal_says_nothing_of_what_is_enough():
    policy = LoopPolicy(margin=0.02, enough=0.8, farthest=3.0)
    found = verdicts((0.5, 0.6, 0.9), policy, (1.0, 1.0, 9.0), proposals=2)
    assert [verdict.reason for verdict in found] == ["first", "better", "implausible"]
