from collections import Counter

import pytest
from rich.console import Console
from typer.testing import CliRunner

from diff_harmonization.benchmarks import growth
from diff_harmonization.benchmarks.__main__ import app
from diff_harmonization.benchmarks.counting import Run
from diff_harmonization.benchmarks.flops import Cost
from diff_harmonization.benchmarks.growth import Axis, described, measure, sentence, tera
from diff_harmonization.data.photos import read_image

CALL = Run("unet", "whole", "none")
PIXELS, STEPS, WORDS, PASSES = growth.RESOLUTION, growth.STEP_COUNT, growth.WORD_COUNT, growth.PASS_COUNT


def cost_at(shape):
    """A row of any network costs a TFLOP for each latent pixel of a side; nothing is shared."""
    flops, networks = shape.latent * 10**12, ("unet", "text", "fused decoder")
    ways = dict.fromkeys([(network, part) for network in networks for part in ("whole", "to the last map")], flops)
    shared = {"first blocks": 0, "first attention": 0}
    return Cost(ways, ways | {(network, "none"): 0 for network in networks}, shared)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(growth, "STEPS", 2)
    short = {"RESOLUTION": (256, 512), "STEP_COUNT": (2, 4), "WORD_COUNT": (1, 8), "PASS_COUNT": (1, 2)}
    for name, values in short.items():
        monkeypatch.setattr(growth, name, Axis(getattr(growth, name).name, values))


def test_each_axis_grows_as_its_rows_do(small):
    found = measure(cost_at)
    for way in ("exact", "fast"):
        pixels, steps, words, passes = (tflops[way] for tflops in found.values())
        assert pixels[1] == pytest.approx(2 * pixels[0])
        assert 1.5 < steps[1] / steps[0] < 3 and passes[1] == pytest.approx(2 * passes[0])
        assert words[1] == words[0] == pytest.approx(pixels[1]) == pytest.approx(steps[0])
    assert found[growth.RESOLUTION]["fast"][0] < found[growth.RESOLUTION]["exact"][0]


def test_rows_times_their_cost():
    cost = Cost({("unet", "whole"): 5 * 10**12}, {("unet", "none"): 0})
    assert tera({"invert": Counter({CALL: 3}), "edit": Counter({CALL: 1})}, cost) == 20


def test_a_sentence_says_how_it_grows():
    told = sentence(Axis("DDIM steps", (10, 50)), {"exact": [2.0, 10.0], "fast": [1.0, 4.5]})
    assert told == "DDIM steps, 10 -> 50 (5x): 5.00x (exact), 4.50x (fast)"
    assert len(described(3).foreground) == len(described(3).background) == 3


def test_the_command_prints_and_draws(monkeypatch, tmp_path):
    found = {}
    for axis in (PIXELS, STEPS, WORDS, PASSES):
        found[axis] = {"exact": [2.0 * value for value in axis.values], "fast": [1.0] * len(axis.values)}
    monkeypatch.setattr(growth, "measure", lambda: found)
    result = CliRunner().invoke(app, ["growth", "--plot", str(tmp_path / "growth.png")])
    assert result.exit_code == 0 and "4.00x (exact), 1.00x (fast)" in " ".join(result.output.split())
    picture = read_image(tmp_path / "growth.png")
    assert picture.shape == (320, 1200, 3) and 0.5 < picture.mean() < 1
    console = Console(record=True, width=160)
    console.print(growth.table(found))
    assert "2048.0" in console.export_text()
