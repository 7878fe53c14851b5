"""Each saved piece of work gives what doing it would have given, on the embedded model."""

from rich.console import Console

from diff_harmonization.benchmarks import speed
from diff_harmonization.benchmarks.speed import Comparison, comparisons, fastest, table


def test_every_saving_leaves_the_result_as_it_is():
    found = comparisons(repeats=1)
    assert len(found) == 8 and len({c.name for c in found}) == 8
    for comparison in found:
        exact = "`fast`" not in comparison.name
        assert comparison.difference < (1e-5 if exact else 1e-3), comparison.name
        assert comparison.seconds > 0 and comparison.reference_seconds > 0


def test_the_first_run_does_not_count():
    ran = []
    assert fastest(lambda: ran.append(1), repeats=3) >= 0
    assert len(ran) == 4


def test_the_table_has_the_ratio(monkeypatch):
    monkeypatch.setattr(speed, "comparisons", lambda repeats: [Comparison("rows", 1e-7, 0.5, 2.0)])
    console = Console(record=True, width=120)
    console.print(table(1))
    text = console.export_text()
    assert all(cell in text for cell in ("rows", "1.0e-07", "500.0", "2000.0", "0.25x"))
