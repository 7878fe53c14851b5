"""Commands in processes of their own, to be killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

import diff_harmonization

PARENT = Path(diff_harmonization.__file__).resolve().parents[1]


def start(command, *arguments):
    """A command of the command line, with --json."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(PARENT), os.environ.get("PYTHONPATH", "")))}
    return subprocess.Popen(
        [sys.executable, "-m", "diff_harmonization.cli", *command.split(), *map(str, arguments), "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_batch(photo_set, out, *options):
    return start("batch", photo_set, "--method", "routed", "--out", out, *options)


def results(out, pattern="*.png"):
    """Which files there are, and when each was written."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.glob(pattern)}


def wait_for(process, out, wanted, pattern="*.png", patience=500, pause=0.001):
    """Until a run has so many results."""
    end = time.monotonic() + patience
    while len(results(out, pattern)) < wanted:
        assert process.poll() is None and time.monotonic() < end, process.stderr.read()
        time.sleep(pause)


def kill_after(process, out, wanted):
    """Kill a run as soon as it has so many results."""
    wait_for(process, out, wanted)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def kill_a_ray_worker_after(process, out, wanted, pattern="*.png"):
    """Kill one of a run's two Ray workers as soon as it has so many results; gives the results there are."""
    wait_for(process, out, wanted, pattern, pause=0.05)
    own, seen = ray_workers(process), results(out, pattern)
    assert len(own) == 2
    os.kill(own[0].pid, signal.SIGKILL)
    return seen


def ray_workers(process):
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if any("MapWorker" in part for part in child.cmdline()):
                found.append(child)
        except psutil.Error:  # it has ended
            pass
    return found
