"""Where no work can be done on Ray. Real work on it: test_build.py, tests/cli/batch/test_cluster.py."""

import sys

import pytest

from diff_harmonization.cli.server import free_port
from diff_harmonization.data.cluster import Cluster


def work():
    return lambda row: row


def test_without_ray_a_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'diff-harmonization\[ray\]'"):
        next(Cluster("local").map(work, [{"a": 1}]))


def test_nobody_answers_at_the_address():
    pytest.importorskip("ray", reason="Ray is not installed")
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(ConnectionError, match=f"^There is no Ray cluster at {address} .*: start one with"):
        next(Cluster(address).map(work, [{"a": 1}]))
