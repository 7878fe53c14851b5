from collections import Counter

import pytest
from rich.console import Console
from typer.testing import CliRunner

from diff_harmonization.benchmarks import flops, peaks
from diff_harmonization.benchmarks.__main__ import app
from diff_harmonization.benchmarks.counting import Run
from diff_harmonization.benchmarks.flops import Cost, costs, flops_table, row_table, rows_table, stage_flops
from diff_harmonization.benchmarks.shapes import SHAPES

COST = Cost(
    {("unet", "whole"): 10 * 10**12, ("unet", "to the last map"): 4 * 10**12, ("decoder", "whole"): 10**12},
    {("unet", "whole"): 11 * 10**12, ("unet", "to the last map"): 3 * 10**12, ("unet", "none"): 0}
    | {("decoder", "whole"): 2 * 10**12, ("decoder", "none"): 0},
)
MAPS = Run("unet", "to the last map", "none")
TRAINED_MAPS = Run("unet", "to the last map", "to the last map")
ROWS = {
    "reference": {
        "invert": Counter({Run("unet", "whole", "none"): 4}),
        "refine": Counter({Run("unet", "whole", "to the last map"): 2}),
        "null-text": Counter({Run("unet", "whole", "whole"): 1, Run("decoder", "whole", "whole"): 1}),
    },
    "exact": {
        "invert": Counter({Run("unet", "whole", "none"): 2}),
        "refine": Counter(
            {Run("unet", "to the last map", "none"): 1, Run("unet", "to the last map", "to the last map"): 1}
        ),
    },
}


@pytest.mark.parametrize(("size", "text"), [("sd2", 0.047), ("sd15", 0.013)])
def test_a_row_at_full_size(size, text):
    """The figures that were measured of the same networks by hand."""
    cost = costs(SHAPES[size])
    expected = {
        ("unet", "whole"): (0.804, 0.867),
        ("unet", "to the last map"): (0.398, 0.386),
        ("text", "whole"): (text, text),
        ("decoder", "whole"): (2.515, 2.549),
        # 9 products fall to 4 at the 512, 512 and 256 channels before 128, 256 and 512 pixels: 0.388 TFLOP
        ("fused decoder", "whole"): (2.127, 2.162),
        # 36 of 64 pixels a side: 0.316 of the convolutions, and the square of that of the attention
        ("cropped decoder", "whole"): (0.666, 0.669),
    }
    for key, (forward, backward) in expected.items():
        assert cost.forward[key] / 1e12 == pytest.approx(forward, abs=0.0015)
        assert cost.backward[key] / 1e12 == pytest.approx(backward, abs=0.0015)
    assert cost.shared["first blocks"] / 1e12 == pytest.approx(0.0151, abs=1e-4)
    inner, tokens = 320, 64 * 64  # four projections and two products of all tokens
    assert cost.shared["first attention"] == 2 * (4 * tokens * inner * inner + 2 * tokens * tokens * inner)


def test_rows_times_their_flops():
    found = stage_flops(ROWS["reference"], COST)
    assert found == {"invert": 40 * 10**12, "refine": 26 * 10**12, "null-text": 24 * 10**12}
    assert stage_flops(ROWS["exact"], COST) == {"invert": 20 * 10**12, "refine": 11 * 10**12}


def test_what_rows_share_counts_once():
    cost = Cost(COST.forward, COST.backward, {"first blocks": 2 * 10**12, "first attention": 3 * 10**12})
    runs = Counter({MAPS: 4, Run("first blocks", "whole", "none"): 1, Run("first attention", "whole", "none"): 4})
    assert stage_flops({"refine": runs}, cost) == {"refine": (4 * 4 - 3 * 2) * 10**12}


def printed(*tables):
    console = Console(record=True, width=160)
    console.print(*tables)
    return console.export_text()


def test_the_tables_have_rows_flops_and_ratios():
    text = printed(flops_table("sd2", ROWS, COST), rows_table(ROWS), row_table("sd2", COST))
    assert "90.0" in text and "31.0" in text and "0.3444x" in text and "1.0000x" in text
    assert "1m + 1m" in text and " + 2" in text and "11.000" in text and "unet to the last map" in text


def test_the_command_prints_a_size(monkeypatch):
    monkeypatch.setattr(flops, "costs", lambda shape: COST)
    monkeypatch.setattr(flops, "measure", lambda size: ROWS)
    monkeypatch.setattr(peaks, "before", lambda shape: [peaks.Peak("refine", 1 << 30, 2 << 30)])
    monkeypatch.setattr(peaks, "after", lambda shape: [peaks.Peak("refine", 1 << 30, 1 << 29)])
    result = CliRunner().invoke(app, ["speed", "--size", "sd2"])
    assert result.exit_code == 0 and "0.3444x" in result.output and "1.50" in result.output
