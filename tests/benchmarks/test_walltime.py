from rich.console import Console
from typer.testing import CliRunner

from diff_harmonization.benchmarks import walltime
from diff_harmonization.benchmarks.__main__ import app
from diff_harmonization.benchmarks.passes import Way, fast
from diff_harmonization.benchmarks.shapes import SHAPES, narrow, shallow
from diff_harmonization.benchmarks.walltime import Seconds, measure, table


def test_each_stage_of_each_way_is_timed():
    shape = narrow(SHAPES["sd2"], channels=32, width=32, latent=8)
    shape = shallow(shape)
    found = measure(shape, [Way("fast", fast, 2)], warm_up=1)
    assert list(found) == ["fast"] and list(found["fast"].clock) == ["invert", "refine", "edit"]
    assert all(seconds > 0 for times in (found["fast"].clock, found["fast"].processor) for seconds in times.values())


def test_the_command_prints_how_many_times_faster(monkeypatch):
    found = {
        "reference": Seconds({"invert": 50.0, "edit": 60.0}, {"invert": 20.0, "edit": 20.0}),
        "fast": Seconds({"invert": 5.0}, {"invert": 2.0}),
    }
    monkeypatch.setattr(walltime, "measure", lambda shape: found)
    result = CliRunner().invoke(app, ["speed", "--size", "narrow"])
    assert result.exit_code == 0 and "20.0x" in result.output and "1.0x" in result.output
    console = Console(record=True, width=160)
    console.print(table(found, walltime.narrow_sd2(256)))
    text = console.export_text()
    assert "110.0" in text and "256 pixels" in text
