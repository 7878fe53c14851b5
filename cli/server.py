"""A real ComfyUI server in a process of its own, with this pack and nothing else in it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from .client import Client, StatusError

PACK = Path(__file__).resolve().parents[1]
NOT_THE_PACK = (".*", "__pycache__", "build", "dist", "output", "*.egg-info")
# The host's database would lie in the host's own folder.
OPTIONS = ("--disable-auto-launch", "--disable-api-nodes", "--database-url", "sqlite:///:memory:")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def device_options() -> tuple[str, ...]:
    """The server's options for this machine's device."""
    import torch

    return () if torch.accelerator.is_available() else ("--cpu",)


def frontend_options() -> tuple[str, ...]:
    """The server's options for the frontend that HARMONY_FRONTEND names; without it the host takes its own."""
    frontend = os.environ.get("HARMONY_FRONTEND")
    if not frontend:
        return ()
    folder = Path(frontend).expanduser().resolve()
    if not (folder / "index.html").is_file():
        raise FileNotFoundError(
            f"HARMONY_FRONTEND is {frontend}, which holds no frontend: there is no index.html in it. "
            "In a wheel of comfyui-frontend-package it is the folder comfyui_frontend_package/static."
        )
    return "--front-end-root", str(folder)


def install_pack(custom_nodes: Path) -> Path:
    """Put the pack into `custom_nodes` as a link, or as a copy where links need rights (Windows)."""
    custom_nodes.mkdir(parents=True, exist_ok=True)
    folder = custom_nodes / "diff_harmonization"
    if os.name == "nt":
        shutil.copytree(PACK, folder, ignore=shutil.ignore_patterns(*NOT_THE_PACK), dirs_exist_ok=True)
    elif not folder.is_symlink():
        folder.symlink_to(PACK, target_is_directory=True)
    return folder


class HostServer:
    """Starts `host/main.py` on a free port with `base` as its folder of inputs, outputs and models.

    A context manager that gives a `Client` of the running server. Raises RuntimeError with the end of the log when
    the server ends or is not up after `patience` seconds.
    """

    def __init__(self, host: Path, base: Path, log: Path, *options: str, patience: float = 300) -> None:
        if not (host / "main.py").is_file():
            raise FileNotFoundError(f"{host} holds no ComfyUI: there is no main.py in it. Check COMFYUI_PATH.")
        self.host, self.base, self.log, self.options, self.patience = host, base, log, options, patience
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Client:
        install_pack(self.base / "custom_nodes")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        port = free_port()
        command = [sys.executable, str(self.host / "main.py"), "--base-directory", str(self.base), "--port", str(port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *OPTIONS, *self.options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            return self._wait(Client(f"http://127.0.0.1:{port}"))
        except BaseException:
            self.stop()
            raise

    def _wait(self, client: Client) -> Client:
        assert self.process is not None
        end = time.monotonic() + self.patience
        while time.monotonic() < end and self.process.poll() is None:
            try:
                client.system_stats()
                return client
            except (ConnectionError, TimeoutError, StatusError):
                time.sleep(0.1)
        state = "did not start in time" if self.process.poll() is None else f"ended with code {self.process.returncode}"
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])
        raise RuntimeError(f"The ComfyUI server {state}. The end of its log ({self.log}):\n{tail}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
