"""`python tools/release.py v0.2.0`: check that this version can be published, and print what is new in it.

The standard library alone, and no import of the package: the publishing job runs it in a bare Python 3.11 or newer.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def problems(tag: str, metadata: dict[str, Any], changelog: str) -> list[str]:
    """What keeps the version from being published.

    Args:
        tag: of the commit, such as v0.2.0.
        metadata: what pyproject.toml holds.
        changelog: the text of CHANGELOG.md.
    """
    project, comfy = metadata["project"], metadata["tool"]["comfy"]
    version = project["version"]
    found = []
    if tag != f"v{version}":
        found.append(f"The tag is {tag}, but pyproject.toml has version {version}.")
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        found.append(f"The version {version} is not three numbers.")
    if not re.fullmatch(r">=\d+\.\d+\.\d+", comfy.get("requires-comfyui", "")):
        found.append("[tool.comfy] requires-comfyui must be >= and three numbers; the registry ignores anything else.")
    if not project.get("urls", {}).get("Repository", "").startswith("https://"):
        found.append("[project.urls] lacks Repository, the address of this repository. The registry shows it.")
    if not comfy.get("PublisherId"):
        found.append("[tool.comfy] lacks PublisherId, your name at the registry.")
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        found.append(f"CHANGELOG.md has no heading '## [{version}] - YYYY-MM-DD'.")
    return found


def whats_new(version: str, changelog: str) -> str:
    """The part of the changelog about a version, without its heading; empty if there is none."""
    found = re.search(rf"^## \[{re.escape(version)}\].*?\n(.*?)(?=^## \[|\Z)", changelog, re.MULTILINE | re.DOTALL)
    return found.group(1).strip() if found else ""


def main(tag: str) -> int:
    import tomllib  # pyright: ignore[reportMissingImports]  # since Python 3.11, which the publishing job has

    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = problems(tag, metadata, changelog)
    if found:
        sys.stderr.write("\n".join(found) + "\n")
        return 1
    sys.stdout.write(whats_new(metadata["project"]["version"], changelog) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
