"""A client for ComfyUI's HTTP API. The standard library does, except for following progress (websocket-client)."""

from __future__ import annotations

import json
import mimetypes
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

Workflow = dict[str, dict[str, Any]]
Messages = Callable[[str, dict[str, Any]], None]
ENDS = ("execution_success", "execution_error", "execution_interrupted")

# A proxy from the environment has no business with a server on this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class WorkflowError(RuntimeError):
    """The server refused a workflow, or a node of it failed. `details` is what the server said."""

    def __init__(self, message: str, details: dict[str, Any]) -> None:
        super().__init__(message)
        self.details = details


class Client:
    def __init__(self, url: str) -> None:
        self.url = url
        self.id = str(uuid.uuid4())

    def system_stats(self) -> dict[str, Any]:
        return self._json("/system_stats", timeout=5)

    def object_info(self, node: str | None = None) -> dict[str, Any]:
        return self._json("/object_info" + (f"/{node}" if node else ""))

    def history(self, prompt_id: str) -> dict[str, Any] | None:
        """The finished run's entry: `outputs`, `status`, `meta`; None while it waits or runs."""
        return self._json(f"/history/{prompt_id}").get(prompt_id)

    def interrupt(self) -> None:
        """Cancel what runs now."""
        self._request("/interrupt", b"")

    def upload(self, path: Path, name: str | None = None) -> str:
        """Put a picture into the server's input folder; gives the name that LoadImage takes."""
        name, boundary = name or path.name, uuid.uuid4().hex
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        head = f'Content-Disposition: form-data; name="image"; filename="{name}"\r\nContent-Type: {kind}'
        overwrite = 'Content-Disposition: form-data; name="overwrite"\r\n\r\ntrue'
        body = f"--{boundary}\r\n{overwrite}\r\n--{boundary}\r\n{head}\r\n\r\n".encode() + path.read_bytes()
        body += f"\r\n--{boundary}--\r\n".encode()
        reply = json.loads(self._request("/upload/image", body, f"multipart/form-data; boundary={boundary}"))
        return "/".join(part for part in (reply["subfolder"], reply["name"]) if part)

    def view(self, file: dict[str, str]) -> bytes:
        """The bytes of one file of a run's outputs."""
        return self._request("/view?" + urlencode({key: file[key] for key in ("filename", "subfolder", "type")}))

    def queue(self, workflow: Workflow) -> str:
        """Post a workflow (API form) and give its prompt id; raises WorkflowError when any node is refused."""
        body = json.dumps({"prompt": workflow, "client_id": self.id}).encode()
        try:
            reply = json.loads(self._request("/prompt", body, "application/json"))
        except urllib.error.HTTPError as error:
            if error.code != 400:
                raise
            reply = json.load(error)
            raise WorkflowError(_refusal(reply, workflow), reply) from None
        if reply["node_errors"]:  # the host runs the outputs that are sound and answers 200
            self._request("/queue", json.dumps({"delete": [reply["prompt_id"]]}).encode(), "application/json")
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
        import websocket

        address = f"ws{self.url.removeprefix('http')}/ws?clientId={self.id}"
        connection = websocket.create_connection(address, timeout=timeout, http_no_proxy=["127.0.0.1"])

        def read() -> Iterator[tuple[str, dict[str, Any]]]:
            while message := connection.recv():
                if isinstance(message, str):  # the others are previews
                    parsed = json.loads(message)
                    yield parsed["type"], parsed["data"]
            raise websocket.WebSocketConnectionClosedException("It closed the connection.")  # with an empty message

        try:
            yield read()
        except (websocket.WebSocketException, ConnectionError) as error:
            raise ConnectionError(f"Lost the ComfyUI server while the workflow ran. {error}") from error
        finally:
            connection.close()

    def _json(self, path: str, timeout: float = 60) -> dict[str, Any]:
        return json.loads(self._request(path, timeout=timeout))

    def _request(self, path: str, body: bytes | None = None, kind: str | None = None, timeout: float = 60) -> bytes:
        headers = {"Content-Type": kind} if kind else {}
        with _opener.open(urllib.request.Request(self.url + path, body, headers), timeout=timeout) as reply:
            return reply.read()


def _refusal(reply: dict[str, Any], workflow: Workflow) -> str:
    lines = [
        f"  {workflow[key]['class_type']} (node {key}): {error['message']}: {error['details']}"
        for key, node in (reply.get("node_errors") or {}).items()
        for error in node["errors"]
    ]
    if error := reply.get("error"):
        lines.insert(0, f"  {error['message']} {error['details']}".rstrip())
    return "\n".join(["The server refused the workflow:", *lines])
