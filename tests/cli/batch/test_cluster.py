"""Batches on a real Ray cluster of two workers on this machine."""

import json
import os
import signal
import sys
import time

import psutil
import pytest
from killing import results, start

from diff_harmonization.cli.batch.cluster import Cluster
from diff_harmonization.cli.batch.run import one_by_one

pytest.importorskip("ray", reason="Ray is not installed")


def workers(process):
    """The processes of a run's Ray workers."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if any("MapWorker" in part for part in child.cmdline()):
                found.append(child)
        except psutil.Error:  # it has ended
            pass
    return found


@pytest.fixture
def ray_run(photo_set, host_path, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else its workers wait for every other program
    return start(photo_set, tmp_path / "ray", "--ray", "local", "--workers", "2"), tmp_path / "ray"


def test_a_killed_worker_costs_nothing_and_every_byte_is_the_same(ray_run, job, items):
    process, out = ray_run
    end = time.monotonic() + 500
    while len(results(out)) < 2:
        assert process.poll() is None and time.monotonic() < end, process.stderr.read()
        time.sleep(0.05)
    own, seen = workers(process), results(out)
    assert len(own) == 2
    os.kill(own[0].pid, signal.SIGKILL)
    told, errors = process.communicate(timeout=500)
    assert json.loads(told) | {"done": 8, "failed": 0, "worked": 8} == json.loads(told), errors
    assert seen.items() <= results(out).items()  # none was done again
    for item, record in zip(items, one_by_one(job, items), strict=True):
        assert record.state == "done"
        assert (out / item.result).read_bytes() == job.output.read(item.result)


def test_without_ray_a_sentence_says_how_to_get_it(job, items, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'diff-harmonization\[ray\]'"):
        next(Cluster("local")(job, items))
