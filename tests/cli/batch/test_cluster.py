"""Batches on a real Ray cluster of two workers on this machine."""

import json

import pytest
from killing import kill_a_ray_worker_after, results, start_batch

from diff_harmonization.cli.batch.run import one_by_one

pytest.importorskip("ray", reason="Ray is not installed")


def test_a_killed_worker_costs_nothing_and_every_byte_is_the_same(
    photo_set, host_path, job, items, tmp_path, monkeypatch
):
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else its workers wait for every other program
    out = tmp_path / "ray"
    process = start_batch(photo_set, out, "--ray", "local", "--workers", "2")
    seen = kill_a_ray_worker_after(process, out, 2)
    told, errors = process.communicate(timeout=500)
    assert json.loads(told) | {"done": 8, "failed": 0, "worked": 8} == json.loads(told), errors
    assert seen.items() <= results(out).items()  # none was done again
    for item, record in zip(items, one_by_one(job, items), strict=True):
        assert record.state == "done"
        assert (out / item.result).read_bytes() == job.output.read(item.result)
