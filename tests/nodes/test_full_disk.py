"""A disk that is really full: a file system of a page, which only root may mount."""

import shutil
import subprocess
from contextlib import contextmanager

import pytest
from graphs import add, one_box_graph, refusal


@contextmanager
def full_disk(folder):
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_costs_the_copies_of_the_passes_alone(server, server_base, composite_name, mask_name):
    with full_disk(server_base / "temp" / "harmonize_passes"):
        outputs = server.run(one_box_graph(composite_name, mask_name, "dog & (foreground) dull & (background) sunny"))
    text = "\n".join(outputs["apply"]["text"])
    assert "Note: A pass could not be saved" in text and "No space left on device" in text and "pass 1: " in text
    assert outputs["save"]["images"]


def test_a_lut_that_finds_no_room(server, server_base, composite_name):
    folder = server_base / "output" / "full"
    with full_disk(folder):
        graph = add({}, "load", "LoadImage", image=composite_name)
        add(graph, "other", "ImageInvert", image=["load", 0])
        numbers = {"size": 33, "smoothness": 1e-4, "identity_weight": 1e-3}
        add(graph, "fit", "FitColorLUT", before=["load", 0], after=["other", 0], **numbers)
        told = refusal(server, add(graph, "cube", "SaveColorLUT", lut=["fit", 0], filename_prefix="full/lut"))
        assert told.startswith("SaveColorLUT, input filename_prefix: cannot write") and "space on the disk" in told
        assert not list(folder.iterdir())
