"""A client for ComfyUI's HTTP API."""

from __future__ import annotations

import json
import mimetypes
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

Workflow = dict[str, dict[str, Any]]
Messages = Callable[[str, dict[str, Any]], None]
ENDS = ("execution_success", "execution_error", "execution_interrupted")


class WorkflowError(RuntimeError):
    """The server refused a workflow, or a node of it failed. `details` is what the server said."""

    def __init__(self, message: str, details: dict[str, Any]) -> None:
        super().__init__(message)
        self.details = details


class StatusError(OSError):
    """The server answered a request with an HTTP error."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"ComfyUI answered {response.status_code} {response.reason_phrase} to {response.url}.")
        self.response = response


class Client:
    """A ComfyUI server at an address such as http://127.0.0.1:8188.

    Its methods raise ConnectionError or TimeoutError when the server cannot be reached, and StatusError for an answer
    that tells of an error.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.id = str(uuid.uuid4())
        # A proxy from the environment has no business with a server on this machine.
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def system_stats(self) -> dict[str, Any]:
        return self.get_json("/system_stats", timeout=5)

    def object_info(self, node: str | None = None) -> dict[str, Any]:
        return self.get_json("/object_info" + (f"/{node}" if node else ""))

    def history(self, prompt_id: str) -> dict[str, Any] | None:
        """The finished run's entry: `outputs`, `status`, `meta`; None while it waits or runs."""
        return self.get_json(f"/history/{prompt_id}").get(prompt_id)

    def interrupt(self) -> None:
        """Cancel what runs now."""
        self.post("/interrupt")

    def free(self) -> None:
        """Let the server forget its loaded models and cached results before its next run."""
        self.post("/free", json={"unload_models": True, "free_memory": True})

    def upload(self, path: Path, name: str | None = None) -> str:
        """Put a picture into the server's input folder; gives the name that LoadImage takes."""
        name = name or path.name
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        files = {"image": (name, path.read_bytes(), kind)}
        reply = self.post("/upload/image", files=files, data={"overwrite": "true"}).json()
        return "/".join(part for part in (reply["subfolder"], reply["name"]) if part)

    def view(self, file: dict[str, str]) -> bytes:
        """The bytes of one file of a run's outputs."""
        return self._send("GET", "/view", params={key: file[key] for key in ("filename", "subfolder", "type")}).content

    def queue(self, workflow: Workflow) -> str:
        """Post a workflow (API form) and give its prompt id; raises WorkflowError when any node is refused."""
        try:
            reply = self.post("/prompt", json={"prompt": workflow, "client_id": self.id}).json()
        except StatusError as error:
            if error.response.status_code != 400:
                raise
            reply = error.response.json()
            raise WorkflowError(_refusal(reply, workflow), reply) from None
        if reply["node_errors"]:  # the host runs the outputs that are sound and answers 200
            self.post("/queue", json={"delete": [reply["prompt_id"]]})
            self.interrupt()
            raise WorkflowError(_refusal(reply, workflow), reply)
        return reply["prompt_id"]

    def wait(self, prompt_id: str, timeout: float = 600) -> dict[str, Any]:
        """The history entry of a run that ended well; raises WorkflowError otherwise, TimeoutError when it is late."""
        end = time.monotonic() + timeout
        while (entry := self.history(prompt_id)) is None:
            if time.monotonic() > end:
                raise TimeoutError(f"The workflow was not done after {timeout:.0f} s.")
            time.sleep(0.05)
        if entry["status"]["status_str"] == "success":
            return entry
        for kind, data in reversed(entry["status"]["messages"]):
            if kind == "execution_error":
                name = f"{data['node_type']} (node {data['node_id']})"
                raise WorkflowError(f"{name} failed: {data['exception_type']}: {data['exception_message']}", data)
            if kind == "execution_interrupted":
                raise WorkflowError(f"The run was interrupted in {data['node_type']} (node {data['node_id']}).", data)
        raise WorkflowError("The run failed without saying why; see the server's log.", entry)

    def run(self, workflow: Workflow, timeout: float = 600, on_message: Messages | None = None) -> dict[str, Any]:
        """Run a workflow to its end and give its outputs by node id.

        `on_message(type, data)` hears the server's messages while it runs; ConnectionError when they break off.
        """
        if on_message is None:
            return self.wait(self.queue(workflow), timeout)["outputs"]
        with self._messages(timeout) as messages:
            prompt_id = self.queue(workflow)
            for kind, data in messages:
                on_message(kind, data)
                if kind in ENDS and data.get("prompt_id") == prompt_id:
                    break
        return self.wait(prompt_id, timeout)["outputs"]

    @contextmanager
    def _messages(self, timeout: float) -> Iterator[Iterator[tuple[str, dict[str, Any]]]]:
        address = f"ws{self.url.removeprefix('http')}/ws?clientId={self.id}"
        try:
            # No limit to a message's size: a progress message holds the state of every node. No pings: a server that
            # is busy with a model may answer them too late.
            with connect(address, open_timeout=timeout, max_size=None, ping_interval=None, proxy=None) as connection:

                def read() -> Iterator[tuple[str, dict[str, Any]]]:
                    while True:
                        message = connection.recv(timeout)
                        if isinstance(message, str):  # the others are previews
                            parsed = json.loads(message)
                            yield parsed["type"], parsed["data"]

                yield read()
        except (WebSocketException, ConnectionError, TimeoutError) as error:
            raise ConnectionError(f"Lost the ComfyUI server while the workflow ran. {error}") from error

    def get_json(self, path: str, timeout: float = 60) -> Any:
        """The answer to a GET request, from JSON."""
        return self._send("GET", path, timeout=timeout).json()

    def post(self, path: str, **content: Any) -> httpx.Response:
        """The answer to a POST request; content: httpx's `json`, `data` or `files`."""
        return self._send("POST", path, **content)

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TimeoutException as error:
            raise TimeoutError(f"ComfyUI at {self.url} did not answer in time.") from error
        except httpx.TransportError as error:
            raise ConnectionError(f"ComfyUI at {self.url} cannot be reached: {error}.") from error
        if response.is_error:
            raise StatusError(response)
        return response


def _refusal(reply: dict[str, Any], workflow: Workflow) -> str:
    lines = [
        f"  {workflow[key]['class_type']} (node {key}): {error['message']}: {error['details']}"
        for key, node in (reply.get("node_errors") or {}).items()
        for error in node["errors"]
    ]
    if error := reply.get("error"):
        lines.insert(0, f"  {error['message']} {error['details']}".rstrip())
    return "\n".join(["The server refused the workflow:", *lines])
