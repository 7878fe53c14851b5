"""A local HTTP endpoint that speaks the wire format of Gemini's generateContent, as its public reference gives it.

It answers from a script and refuses what the service would: unknown fields, a wrong key, parts of unknown kinds.
"""

from __future__ import annotations

import base64
import json
import re
import select
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATH = re.compile(r"/(?P<version>v1|v1beta)/models/(?P<model>[\w.-]+):generateContent")
TOP = {"contents", "generationConfig", "safetySettings", "systemInstruction", "tools", "toolConfig", "cachedContent"}
GENERATION = {"responseMimeType", "responseSchema", "responseJsonSchema", "temperature", "seed", "maxOutputTokens"}
INVALID_KEY = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "API_KEY_INVALID",
    "domain": "googleapis.com",
    "metadata": {"service": "generativelanguage.googleapis.com"},
}


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json; charset=UTF-8"})


@dataclass(frozen=True)
class Raw:
    """Bytes in the place of a whole HTTP reply; then the connection closes."""

    content: bytes


class Drip:
    """A reply that goes on and on, a byte at a time."""


class Silence:
    """No reply, for as long as the client waits."""


def says(text: str, finish: str = "STOP") -> Reply:
    content = {"parts": [{"text": text}], "role": "model"} if text else {"role": "model"}
    candidate = {"content": content, "finishReason": finish, "index": 0}
    usage = {"promptTokenCount": 900, "candidatesTokenCount": 40, "totalTokenCount": 940}
    return sends({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini", "responseId": "r1"})


def describes(*lines: str) -> Reply:
    """A structured reply; each line is `object: foreground words: background words`."""
    items = []
    for line in lines:
        name, foreground, background = line.split(":")
        items.append({"object": name, "foreground": foreground.split(), "background": background.split()})
    return says(json.dumps(items))


def sends(body: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode())


def fails(code: int, status: str, message: str, *details: dict[str, Any]) -> Reply:
    return sends({"error": {"code": code, "message": message, "status": status, "details": list(details)}}, code)


@dataclass(frozen=True)
class Request:
    version: str
    model: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def prompt(self) -> str:
        return self.body["contents"][0]["parts"][0]["text"]

    @property
    def files(self) -> list[tuple[str, bytes]]:
        """(type, content) of the pictures"""
        inline = [part["inlineData"] for part in self.body["contents"][0]["parts"][1:]]
        # The service reads names in both spellings, and the library sends this one.
        return [(data["mime_type"], base64.b64decode(data["data"], altchars=b"-_")) for data in inline]

    @property
    def settings(self) -> dict[str, Any]:
        return self.body.get("generationConfig", {})


class Endpoint:
    """Replies with what `script` was given, the last of it again and again; keeps what it was asked."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.replies: deque[Reply | Raw | Drip | Silence] = deque()
        self.requests: list[Request] = []
        self.hung_up = threading.Event()  # a client left before its reply
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def script(self, *replies: Reply | Raw | Drip | Silence) -> None:
        self.replies = deque(replies)
        self.requests.clear()
        self.hung_up.clear()

    def __enter__(self) -> Endpoint:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def reply_to(self, path: str, headers: dict[str, str], raw: bytes) -> Reply | Raw | Drip | Silence:
        match = PATH.fullmatch(path)
        if match is None:
            return fails(404, "NOT_FOUND", f"No such path: {path}")
        body = json.loads(raw)
        self.requests.append(Request(match["version"], match["model"], path, headers, body))
        if headers.get("x-goog-api-key") != self.key:
            return fails(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", INVALID_KEY)
        unknown = (set(body) - TOP) | (set(body.get("generationConfig", {})) - GENERATION)
        if unknown:
            return fails(400, "INVALID_ARGUMENT", f"Invalid JSON payload received. Unknown name {sorted(unknown)}")
        for part in body["contents"][0]["parts"]:
            if not set(part) <= {"text", "inlineData"}:
                return fails(400, "INVALID_ARGUMENT", f"Unknown kind of part: {sorted(part)}")
        return self.replies.popleft() if len(self.replies) > 1 else self.replies[0]

    def drip(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.close_connection = True
        try:
            for _ in range(1000):
                handler.wfile.write(b" ")
                time.sleep(0.05)
        except OSError:
            self.hung_up.set()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # noqa: N802 (the base class's name)
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                reply = endpoint.reply_to(self.path, {k.lower(): v for k, v in self.headers.items()}, raw)
                if isinstance(reply, Silence):
                    select.select([self.connection], [], [], 30)
                    endpoint.hung_up.set()
                    self.close_connection = True
                    return
                if isinstance(reply, Drip):
                    endpoint.drip(self)
                    return
                if isinstance(reply, Raw):
                    self.wfile.write(reply.content)
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
