"""Where the host is, a real server of it for the whole session, and the rules of importing it in this process."""

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # two such processes, and a server of each, share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

REPO = Path(__file__).resolve().parents[1]
NO_HOST = (
    "No ComfyUI found. Set COMFYUI_PATH to a checkout of it, or run the tests through `python bootstrap.py test`, "
    "which fetches one."
)


def host_folder() -> Path | None:
    """COMFYUI_PATH wins; else what bootstrap.py keeps in .cache."""
    if path := os.environ.get("COMFYUI_PATH"):
        return Path(path).expanduser().resolve()
    pinned = re.search(r'^HOST_SHA256 = "(\w{12})', (REPO / "bootstrap.py").read_text(encoding="utf-8"), re.MULTILINE)
    cached = REPO / ".cache" / f"host-{pinned.group(1)}" if pinned else None
    return cached if cached and (cached / "main.py").is_file() else None


def host_first(folder: Path) -> None:
    """Let this process import the host; its `nodes` and `tests` must win over this repository's.

    It works on the CPU where there is no GPU.
    """
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() not in (REPO, folder)]
    sys.path.insert(0, str(folder))
    import comfy.options

    comfy.options.enable_args_parsing(False)
    import torch
    from comfy.cli_args import args

    args.cpu = not torch.accelerator.is_available()


HOST = host_folder()
if HOST and (HOST / "comfy").is_dir():
    host_first(HOST)


def pytest_collection_finish() -> None:
    """Collecting tests/nodes leaves an empty module `nodes` behind, which would hide the host's."""
    if getattr(sys.modules.get("nodes"), "__file__", None) is None:
        sys.modules.pop("nodes", None)


@pytest.fixture
def threads():
    """For tests of commands, which set the number of threads for their process: the others keep their own."""
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def host_path() -> Path:
    if HOST is None or not (HOST / "main.py").is_file():
        pytest.fail(f"{NO_HOST} (looked at: {HOST})" if HOST else NO_HOST, pytrace=False)
    return HOST


@pytest.fixture(scope="session")
def new_base(tmp_path_factory) -> Callable[[], Path]:
    """Makes folders for servers; beside the pack they have nodes for tests, such as scores from a script."""

    def make() -> Path:
        base = tmp_path_factory.mktemp("server")
        (base / "custom_nodes").mkdir()
        shutil.copy(REPO / "tests" / "support" / "scripted_nodes.py", base / "custom_nodes")
        return base

    return make


@pytest.fixture(scope="session")
def server_base(new_base) -> Path:
    """The server's folder of inputs, outputs and models."""
    return new_base()


@pytest.fixture(scope="session")
def server_log(server, server_base) -> Path:
    return server_base / "server.log"


def refusing_namesakes(upload: Callable[..., str]) -> Callable[..., str]:
    """An upload that fails when a name stands for another picture: all tests share the folder, in any order."""
    stored: dict[str, bytes] = {}

    def checked(path: Path, name: str | None = None) -> str:
        name = name or path.name
        data = path.read_bytes()
        assert stored.setdefault(name, data) == data, f"Another test has put another picture there as {name}."
        return upload(path, name)

    return checked


@pytest.fixture(scope="session")
def server(host_path, server_base):
    """A client of a real ComfyUI server that has loaded this pack: object_info, upload, run, interrupt, history."""
    from diff_harmonization.cli.server import HostServer, device_options, frontend_options

    options = *device_options(), *frontend_options()
    with HostServer(host_path, server_base, server_base / "server.log", *options) as client:
        client.upload = refusing_namesakes(client.upload)
        yield client
