"""Batches in processes of their own, to be killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import diff_harmonization

PARENT = Path(diff_harmonization.__file__).resolve().parents[1]


def start(photo_set, out, *options):
    command = [sys.executable, "-m", "diff_harmonization.cli", "batch", str(photo_set), "--method", "routed", "--json"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(PARENT), os.environ.get("PYTHONPATH", "")))}
    return subprocess.Popen(
        [*command, "--out", str(out), *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def results(out):
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.glob("*.png")}


def kill_after(process, out, wanted, patience=300):
    """Kill a run as soon as it has so many results."""
    end = time.monotonic() + patience
    while len(results(out)) < wanted:
        assert process.poll() is None and time.monotonic() < end, process.stderr.read()
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
