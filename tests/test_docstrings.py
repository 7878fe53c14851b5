"""The examples in the docstrings give what they say."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
WITH_EXAMPLES = sorted(
    path.relative_to(REPO)
    for path in REPO.glob("*/**/*.py")
    if path.relative_to(REPO).parts[0] not in ("tests", ".venv", ".cache", "build", "dist")
    and re.search(r"^ *>>> ", path.read_text(encoding="utf-8"), re.MULTILINE)
)


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=str)
def test_the_examples_hold(path):
    module = importlib.import_module(".".join(("diff_harmonization", *path.with_suffix("").parts)))
    failed, attempted = doctest.testmod(module)
    assert attempted and not failed


def test_there_are_examples():
    assert len(WITH_EXAMPLES) >= 3
