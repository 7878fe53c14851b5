"""The sheet of heat maps: what it shows must be what the maps hold."""

import pytest
import torch

from diff_harmonization.methods.zero_shot.word_maps import WordMaps
from diff_harmonization.plots import attention as attention_plot
from diff_harmonization.plots.attention import BOTH_ROWS, MAP, MARGIN, ROW_NAME, TOP, plot_word_maps


def maps(words, conditions, batch=1, grid=(16, 16), seed=0):
    generator = torch.Generator().manual_seed(seed)
    before, after = (torch.rand(batch, len(words), *grid, generator=generator) for _ in range(2))
    return WordMaps(words, conditions, before, after)


@pytest.fixture
def pair():
    return maps(("cat", "warm", "indoor"), 2), maps(("cat", "snowy"), 1, seed=1)


def cell(sheet, left, row):
    top = TOP + row * (MAP + attention_plot.CAPTION)
    return sheet[0, top : top + MAP, left : left + MAP]


def test_a_map_is_drawn_where_its_word_and_row_are(pair):
    foreground, background = pair
    foreground.before[0, 1] = 0
    foreground.before[0, 1, 2, 12] = 1  # one bright cell, up and to the right
    sheet = plot_word_maps(foreground, background)
    drawn = cell(sheet, MARGIN + ROW_NAME + MAP + attention_plot.GAP, row=0).mean(-1)
    brightest = divmod(int(drawn.argmax()), MAP)
    assert brightest[0] / MAP == pytest.approx(2.5 / 16, abs=0.05)
    assert brightest[1] / MAP == pytest.approx(12.5 / 16, abs=0.05)
    assert drawn.median() < 0.05


def test_each_map_is_scaled_to_its_own_peak(pair):
    foreground, background = pair
    faint = WordMaps(foreground.words, foreground.conditions, foreground.before / 1000, foreground.after)
    assert torch.equal(plot_word_maps(faint, background), plot_word_maps(foreground, background))


def test_the_picture_stands_beside_its_maps_with_the_outline(pair):
    image, mask = torch.zeros(1, 64, 64, 3), torch.zeros(1, 64, 64)
    image[..., 0], mask[:, 16:48, 16:48] = 0.5, 1
    plain, outlined = plot_word_maps(*pair, image), plot_word_maps(*pair, image, mask)
    assert plain.shape[2] == plot_word_maps(*pair).shape[2] + BOTH_ROWS + attention_plot.BETWEEN
    shown = (sheet[0, TOP : TOP + BOTH_ROWS, MARGIN : MARGIN + BOTH_ROWS] for sheet in (plain, outlined))
    plain, outlined = shown
    inside = plain[5:-5, 5:-5]
    torch.testing.assert_close(inside, torch.tensor([0.5, 0, 0]).expand_as(inside), atol=0.01, rtol=0)
    white = (outlined > 0.95).all(-1).nonzero()
    assert len(white) and (white / BOTH_ROWS - 0.5).abs().amax(1).sub(0.25).abs().max() < 0.03


def test_the_share_on_the_object():
    attention, mask = torch.ones(4, 4), torch.zeros(16, 16)
    mask[:, :4] = 1
    assert attention_plot._share(attention, mask) == pytest.approx(0.25)
    attention[:, 0] = 9
    assert attention_plot._share(attention, mask) == pytest.approx(0.75)


def test_a_sheet_for_each_picture_with_its_own_or_a_shared_mask():
    pair = maps(("cat", "warm"), 1, batch=2), maps(("cat", "snowy"), 1, batch=2, seed=1)
    images, masks = torch.rand(2, 32, 32, 3), torch.zeros(2, 32, 32)
    masks[0, 4:20, 4:20] = masks[1, 10:30, 10:30] = 1
    both = plot_word_maps(*pair, images, masks)
    assert both.shape[0] == 2 and not torch.equal(both[0], both[1])
    second = [WordMaps(m.words, m.conditions, m.before[1:], m.after[1:]) for m in pair]
    assert torch.equal(plot_word_maps(*second, images[1:], masks[1:])[0], both[1])
    assert torch.equal(plot_word_maps(*pair, images, masks[:1])[0], both[0])
