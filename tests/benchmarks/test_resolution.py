import re

import torch
from pairs import write_picture
from rich.console import Console

from diff_harmonization.benchmarks.resolution import measure


def test_every_item_has_its_time_and_the_sum(tmp_path):
    mask = torch.zeros(60, 80)
    mask[20:40, 20:60] = 1
    write_picture(tmp_path / "composite.png", torch.rand(60, 80, 3))
    write_picture(tmp_path / "mask.png", mask)
    console = Console(record=True, width=100)
    console.print(measure(tmp_path / "composite.png", tmp_path / "mask.png"))
    text = console.export_text()
    assert "80x60" in text
    rows = dict(re.findall(r"│ ([\w ]+?) +│ ([\d.]+) +│", text))
    items = ("read the composite", "describe", "crop", "LUT fit", "LUT application", "save the picture", "save the LUT")
    assert set(items) < set(rows)
    assert abs(sum(float(rows[name]) for name in rows if name != "all") - float(rows["all"])) < 0.06
