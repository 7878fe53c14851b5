"""The filmstrip: pictures, scores and decisions where they belong."""

import pytest
import torch

from diff_harmonization.plots import filmstrip
from diff_harmonization.plots.filmstrip import GAP, LARGEST, LEFT, TOP, plot_filmstrip

COLORS = torch.tensor([[0.2, 0.4, 0.6], [0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.5, 0.5, 0.1]])
SCORES = [0.2, 0.5, 0.4, 0.3]
DECISIONS = ["start", "trial", "continue", "conclude"]
WORDS = [("",), *[("tree", "from cold dull", "to golden sunset")] * 3]
ACCENT = torch.tensor([int(filmstrip.ACCENT[i : i + 2], 16) / 255 for i in (1, 3, 5)])


@pytest.fixture
def passes():
    return COLORS[:, None, None].expand(-1, 32, 32, -1)


def column(index, side=LARGEST):
    start = LEFT + index * (side + GAP)
    return slice(start, start + side)


def dot(strip, place):
    """Heights of the pixels below the pictures in the accent's color."""
    below = strip[0, TOP + LARGEST + 100 :, place]
    return ((below - ACCENT).abs().max(-1).values < 0.02).any(1).nonzero().float()


def test_pictures_stand_in_order(passes):
    strip = plot_filmstrip(passes, SCORES, DECISIONS, WORDS, 1)
    for index, color in enumerate(COLORS):
        inside = strip[0, TOP + 5 : TOP + LARGEST - 5, column(index)][:, 5:-5]
        torch.testing.assert_close(inside, color.expand_as(inside), atol=0.01, rtol=0)


def test_the_chosen_pass_is_marked_at_its_height_and_nowhere_else(passes):
    heights = []
    for chosen in range(4):
        strip = plot_filmstrip(passes, SCORES, DECISIONS, WORDS, chosen)
        marks = [len(dot(strip, column(index))) for index in range(4)]
        assert [index for index, count in enumerate(marks) if count] == [chosen]
        heights.append(float(dot(strip, column(chosen)).mean()))
    assert sorted(range(4), key=lambda index: -heights[index]) == sorted(range(4), key=lambda index: SCORES[index])
    steps = [(heights[index] - heights[0]) / (SCORES[index] - SCORES[0]) for index in (1, 2, 3)]
    assert steps == pytest.approx([steps[0]] * 3, rel=0.05)  # a linear scale


def test_decisions_and_words_are_written(passes):
    strip = plot_filmstrip(passes, SCORES, DECISIONS, WORDS, 1)
    other = plot_filmstrip(passes, SCORES, ["start", "trial", "regenerate", "conclude"], WORDS, 1)
    changed = (strip != other).any(-1)[0].nonzero()
    assert len(changed) and changed[:, 1].min() >= column(2).start and changed[:, 1].max() < column(2).stop
    words = [*WORDS[:3], ("tree", "from dim", "to bright yellow")]
    changed = (strip != plot_filmstrip(passes, SCORES, DECISIONS, words, 1)).any(-1)[0].nonzero()
    assert len(changed) and changed[:, 1].min() >= column(3).start


def test_reasons_stand_below_the_words(passes, monkeypatch):
    written = []
    monkeypatch.setattr(filmstrip, "_caption", lambda *arguments: written.append(arguments[6]))
    reasons = ["", "taken: beats the composite by 0.300", "", ""]
    plot_filmstrip(passes, SCORES, DECISIONS, WORDS, 1, reasons)
    assert written[1][:3] == ["tree", "from cold dull", "to golden sunset"]
    assert " ".join(written[1][3:]) == reasons[1]
    assert written[2] == ["tree", "from cold dull", "to golden sunset"]


def test_proposals_are_named_before_passes(passes, monkeypatch):
    written = []
    monkeypatch.setattr(filmstrip, "_caption", lambda *arguments: written.append(arguments[4]))
    plot_filmstrip(passes, SCORES, ["propose", "propose", "start", "conclude"], WORDS, 1)
    assert written == ["composite", "proposal 1", "proposal 2", "pass 1"]


@pytest.mark.parametrize("count", [1, 2, 11, 30])
def test_any_number_of_passes_fits(count):
    passes = torch.rand(count, 20, 30, 3)
    strip = plot_filmstrip(passes, [0.5] * count, ["trial"] * count, [WORDS[1]] * count, count - 1)
    side = min(LARGEST, max(filmstrip.SMALLEST, (strip.shape[2] - LEFT - filmstrip.RIGHT + GAP) // count - GAP))
    assert strip.shape[2] >= LEFT + count * (side + GAP) - GAP
    assert count > 11 or strip.shape[2] <= filmstrip.WIDTH


def test_long_captions_wrap(passes, monkeypatch):
    written = []
    monkeypatch.setattr(filmstrip, "_caption", lambda *arguments: written.append(arguments[6]))
    captions = [("",), *[("tree", "from cold dull", "to golden sunset daylight forest misty winter")] * 3]
    plot_filmstrip(passes, SCORES, DECISIONS, captions, 1)
    assert written[1] == ["tree", "from cold dull", "to golden sunset daylight forest", "misty winter"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"scores": SCORES[:3]}, "`scores`: got 3 entries for 4 `passes`"),
        ({"decisions": DECISIONS * 2}, "`decisions`: got 8 entries"),
        ({"captions": []}, "`captions`: got 0 entries"),
        ({"reasons": [""]}, "`reasons`: got 1 entries"),
        ({"chosen": 4}, "`chosen`: got 4, but the passes go from 0 to 3"),
    ],
)
def test_lists_that_do_not_fit_are_refused(passes, change, match):
    arguments = {"scores": SCORES, "decisions": DECISIONS, "captions": WORDS, "chosen": 1}
    with pytest.raises(ValueError, match=match):
        plot_filmstrip(passes, **arguments | change)
