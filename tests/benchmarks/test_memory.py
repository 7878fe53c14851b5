"""Resident memory of a real server; the benchmark itself runs for longer."""

from diff_harmonization.benchmarks.memory import resident, table


def test_memory_stays_where_it_is(host_path):
    values = list(resident(host_path, 4))
    assert len(values) == 4 and min(values) > 100
    assert values[3] <= 1.05 * values[2]


def test_growth_counts_from_the_fifth_prompt():
    drawn = table([100.0, 200.0, 300.0, 390.0, 400.0, 410.0, 396.0])
    assert list(drawn.columns[2].cells) == [""] * 5 + ["+2.5%", "-1.0%"]
