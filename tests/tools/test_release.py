"""What a version must have before it is published."""

import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest

from diff_harmonization.tools.release import problems, whats_new

REPO = Path(__file__).resolve().parents[2]
CHANGELOG = """# Changelog

## [Unreleased]

## [0.2.0] - 2026-12-24

Two things are new.

- One.

### For users

- Two.

## [0.1.0]

- The first.
"""
METADATA = {
    "project": {"version": "0.2.0", "urls": {"Repository": "https://example.org/diff-harmonization"}},
    "tool": {"comfy": {"PublisherId": "someone", "requires-comfyui": ">=0.30.0"}},
}


@pytest.fixture
def own():
    tomllib = pytest.importorskip("tomllib")
    return tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))


def test_a_complete_version_has_no_problem():
    assert problems("v0.2.0", METADATA, CHANGELOG) == []


@pytest.mark.parametrize(
    ("part", "key", "value", "problem"),
    [
        (
            "project",
            "version",
            "0.3.0",
            r"The tag is v0\.2\.0, but .* 0\.3\.0.*\nCHANGELOG\.md has no heading '## \[0\.3\.0\]",
        ),
        ("project", "version", "0.2", r"The version 0\.2 is not three numbers"),
        ("project", "urls", {"Paper": "https://example.org"}, "lacks Repository"),
        ("comfy", "PublisherId", "", "lacks PublisherId"),
        ("comfy", "requires-comfyui", ">=0.30", "must be >= and three numbers"),
    ],
)
def test_what_is_missing_is_told(part, key, value, problem):
    metadata = copy.deepcopy(METADATA)
    (metadata["tool"]["comfy"] if part == "comfy" else metadata["project"])[key] = value
    assert re.search(problem, "\n".join(problems("v0.2.0", metadata, CHANGELOG)))


def test_a_version_without_its_date_is_told():
    assert problems("v0.1.0", METADATA | {"project": METADATA["project"] | {"version": "0.1.0"}}, CHANGELOG) == [
        "CHANGELOG.md has no heading '## [0.1.0] - YYYY-MM-DD'."
    ]


def test_the_news_are_the_versions_own():
    news = whats_new("0.2.0", CHANGELOG)
    assert news.startswith("Two things are new.") and news.endswith("- Two.")
    assert whats_new("0.1.0", CHANGELOG) == "- The first."
    assert whats_new("0.9.0", CHANGELOG) == ""


def test_the_command_refuses_a_tag_that_is_not_the_version(own):
    command = (sys.executable, str(REPO / "tools" / "release.py"), "v99.0.0")
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPO.anchor)
    assert done.returncode == 1 and done.stdout == ""
    assert f"The tag is v99.0.0, but pyproject.toml has version {own['project']['version']}." in done.stderr


def test_only_what_the_release_day_brings_is_missing(own):
    """The repository's address, and the date: README and developers.md say so."""
    version = own["project"]["version"]
    changelog = (REPO / "CHANGELOG.md").read_text(encoding="utf-8")
    dated = re.sub(rf"^(## \[{re.escape(version)}\]).*$", r"\1 - 2026-12-24", changelog, count=1, flags=re.MULTILINE)
    own["project"]["urls"].setdefault("Repository", "https://example.org")
    assert problems(f"v{version}", own, dated) == []
    assert len(whats_new(version, changelog)) > 200


def test_the_registrys_own_fields_are_ones_that_it_knows(own):
    """A classifier that it does not know makes it ignore all of its kind."""
    known = {"NVIDIA CUDA", "AMD ROCm", "Intel Arc", "Apple Metal"}
    classifiers = own["project"]["classifiers"]
    assert "Operating System :: OS Independent" in classifiers
    environments = [each for each in classifiers if each.startswith("Environment ::")]
    assert environments and all(each.removeprefix("Environment :: GPU :: ") in known for each in environments)
    assert not own["project"]["name"].lower().startswith("comfy")
