"""Resident memory of a real server; the benchmark itself runs for longer."""

import pytest

from diff_harmonization.benchmarks.memory import Reuse, measure, table


@pytest.fixture(scope="module")
def default_cache(host_path):
    return measure(host_path, 4)


def test_memory_stays_where_it_is(default_cache):
    values, _ = default_cache
    assert len(values) == 4 and min(values) > 100
    assert values[3] <= 1.05 * values[2]


def test_the_default_cache_serves_some_finished_passes(default_cache):
    """It drops what the running graph has not asked for yet; how many those are is the host's affair."""
    _, reuse = default_cache
    assert reuse.finished == 3 and 0 < reuse.reused <= 3
    assert str(reuse) == f"{reuse.reused} of 3 finished passes were reused when only max_passes grew"


def test_the_classic_cache_serves_every_finished_pass(host_path):
    values, reuse = measure(host_path, 1, "--cache-classic")
    assert len(values) == 1 and reuse == Reuse(finished=3, reused=3)


def test_growth_counts_from_the_fifth_prompt():
    drawn = table([100.0, 200.0, 300.0, 390.0, 400.0, 410.0, 396.0])
    assert list(drawn.columns[2].cells) == [""] * 5 + ["+2.5%", "-1.0%"]
