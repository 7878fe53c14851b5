import re
from dataclasses import replace

import torch
from pairs import write_picture
from rich.console import Console

from diff_harmonization.benchmarks.methods import LOOP_PASS
from diff_harmonization.benchmarks.resolution import measure
from diff_harmonization.loop.policy import LoopPolicy


def test_every_item_has_its_time_and_the_sum(tmp_path):
    mask = torch.zeros(60, 80)
    mask[20:40, 20:60] = 1
    write_picture(tmp_path / "composite.png", torch.rand(60, 80, 3))
    write_picture(tmp_path / "mask.png", mask)
    console = Console(record=True, width=100)
    settings, passes = replace(LOOP_PASS, steps=2), LoopPolicy(k=2, max_passes=2)
    console.print(measure(tmp_path / "composite.png", tmp_path / "mask.png", settings, passes))
    text = console.export_text()
    assert "80x60" in text
    rows = dict(re.findall(r"│ ([\w ]+?) +│ ([\d.]+) +│", text))
    items = ("read the composite", "describe", "2 passes", "carry one to full resolution", "save the picture")
    assert {*items, "save the LUT"} < set(rows)
    assert abs(sum(float(rows[name]) for name in rows if name != "all") - float(rows["all"])) < 0.06
