import pytest
import torch

from diff_harmonization.plots.contact_sheet import CELL, GAP, MARGIN, NAME, TITLES, plot_contact_sheet

COLORS = torch.tensor([[0.2, 0.4, 0.6], [0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.5, 0.5, 0.1]])
NAMES, TITLE_ROW = ["one", "two"], ["before", "after"]


@pytest.fixture
def pictures():
    """Two rows of two plain pictures; the first row is twice as wide as high, the second twice as high as wide."""
    wide, high = COLORS[:2, None, None].expand(-1, 20, 40, -1), COLORS[2:, None, None].expand(-1, 60, 30, -1)
    return [list(wide), list(high)]


def test_pictures_keep_their_place_and_shape(pictures):
    sheet = plot_contact_sheet(pictures, NAMES, TITLE_ROW)[0]
    first = MARGIN + TITLES + NAME
    tops, sizes = (first, first + CELL // 2 + GAP + NAME), ((CELL // 2, CELL), (CELL, CELL // 2))
    assert sheet.shape == (tops[1] + CELL + GAP + MARGIN, 2 * MARGIN + 2 * CELL + GAP, 3)
    for row, (top, (height, width)) in enumerate(zip(tops, sizes, strict=True)):
        for column in range(2):
            left, color = MARGIN + column * (CELL + GAP), COLORS[2 * row + column]
            inside = ((sheet - color).abs().amax(-1) < 0.02).nonzero()
            assert inside.amin(0).tolist() == [top, left]
            assert inside.amax(0).tolist() == [top + height - 1, left + width - 1]


def test_names_and_titles_are_written(pictures):
    sheet = plot_contact_sheet(pictures, NAMES, TITLE_ROW)
    changed = (sheet != plot_contact_sheet(pictures, NAMES, ["before", "AFTER"])).any(-1)[0].nonzero()
    assert len(changed) and changed[:, 0].max() < MARGIN + TITLES and changed[:, 1].min() >= MARGIN + CELL + GAP
    changed = (sheet != plot_contact_sheet(pictures, ["one", "TWO"], TITLE_ROW)).any(-1)[0].nonzero()
    assert len(changed) and changed[:, 0].min() >= MARGIN + TITLES + NAME + CELL // 2


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"names": ["one"]}, "`names`: got 1 names for 2 rows"),
        ({"titles": ["before"]}, "`titles`: got 1 titles for a row of 2"),
    ],
)
def test_lists_that_do_not_fit_are_refused(pictures, change, match):
    with pytest.raises(ValueError, match=match):
        plot_contact_sheet(**{"pictures": pictures, "names": NAMES, "titles": TITLE_ROW} | change)
