import pytest
import torch

from diff_harmonization.description.statistics.appearance import AXES
from diff_harmonization.description.statistics.words import (
    COMPOUNDS,
    LEVELS,
    NEUTRAL,
    matching_compounds,
    offset_of,
    words_for,
)

CANONICAL = [(axis, level, word) for axis, levels in LEVELS.items() for level, word in levels]


def on_axis(axis: str, value: float) -> torch.Tensor:
    return torch.tensor([value if axis == other else 0.0 for other in AXES])


@pytest.mark.parametrize(("axis", "level", "word"), CANONICAL)
def test_a_level_and_its_word_name_each_other(axis, level, word):
    assert words_for(on_axis(axis, level)) == (word,)
    assert torch.equal(offset_of([word]), on_axis(axis, level))


@pytest.mark.parametrize("axis", AXES)
def test_levels_are_ordered_and_have_one_word_each(axis):
    levels = [level for level, _ in LEVELS[axis]]
    assert levels == sorted(set(levels))


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("sign", [-1, 1])
def test_words_grow_with_the_offset(axis, sign):
    """Walking outwards: first no word, then each level's word in its order, never back."""
    levels = sorted((abs(level), word) for level, word in LEVELS[axis] if level * sign > 0)
    walked = [words_for(on_axis(axis, sign * step / 50))[0] for step in range(200)]
    assert list(dict.fromkeys(walked)) == [NEUTRAL, *(word for _, word in levels)]
    assert walked.index(levels[0][1]) == pytest.approx(25 * levels[0][0], abs=1.01)


def test_the_strongest_word_comes_first():
    offset = on_axis("lightness", 0.7) + on_axis("yellow_blue", -1.3) + on_axis("chroma", -0.9)
    assert words_for(offset) == ("cold", "dull", "bright")


@pytest.mark.parametrize("word", COMPOUNDS)
def test_a_compound_matches_what_it_names_and_not_the_opposite(word):
    offset = offset_of([word])
    assert word in matching_compounds(offset)
    if max(map(abs, COMPOUNDS[word].values()), default=0) > 0.25:
        assert word not in matching_compounds(-offset)


def test_offsets_of_several_words_are_averaged_on_each_axis():
    offset = offset_of(["dark", "night", "warm", "not-a-word"])
    assert offset.tolist() == pytest.approx([-2.1, 0, 0.6, 0, 0])


def test_no_words_are_no_offset():
    assert offset_of([]).tolist() == [0] * 5
    assert words_for(torch.zeros(5)) == (NEUTRAL,)
