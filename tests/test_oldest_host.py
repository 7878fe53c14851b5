"""A ComfyUI that is too old is told so in one sentence, not by an error of the nodes' schemas."""

import re
from pathlib import Path

import pytest

import diff_harmonization


@pytest.mark.parametrize("version", ["0.3.64", "0.18.2", "0.23.9"])
def test_an_older_host_is_told_to_update(version):
    with pytest.raises(ImportError, match=f"needs ComfyUI 0.24 or newer, this is {version}: update ComfyUI"):
        diff_harmonization.require_host(version)


@pytest.mark.parametrize("version", ["0.24.0", "0.30.0", "0.46.0", "1.0"])
def test_newer_hosts_are_taken(version):
    diff_harmonization.require_host(version)


def test_the_host_says_its_version_where_the_pack_looks(host_path):
    text = Path(host_path, "comfyui_version.py").read_text(encoding="utf-8")
    assert re.search(r'^__version__ = "\d+\.\d+\.\d+"', text, re.MULTILINE)
