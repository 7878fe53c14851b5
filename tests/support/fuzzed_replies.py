"""Replies of a service that is unwell, or of what stands in its place: of every kind, each from its own seed."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Callable
from typing import Any

from gemini_endpoint import INVALID_KEY, Raw, Reply, describes, fails, says, sends

GOOD = describes("cat:warm indoor:snowy winter", "cat:golden:icy cold", "kitten:bright:blue dusk")
ITEMS = json.loads(json.loads(GOOD.body)["candidates"][0]["content"]["parts"][0]["text"])
LINE = "cat & (foreground) warm indoor & (background) snowy winter"
# The ones of the public reference, two that it may add, and no reasons at all.
FINISHES = [
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
    "FINISH_REASON_UNSPECIFIED",
    "UNEXPECTED_TOOL_CALL",
    "NEW_REASON",
    "stop",
] + ["", None, 7, ["STOP"], {"reason": "STOP"}]
BLOCKS = [
    "SAFETY",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "IMAGE_SAFETY",
    "BLOCKED_REASON_UNSPECIFIED",
    "NEW_REASON",
] + [5, []]
CODES = (
    204,
    206,
    300,
    302,
    307,
    400,
    401,
    403,
    404,
    408,
    409,
    413,
    418,
    422,
    429,
    431,
    451,
    499,
    500,
    502,
    503,
    504,
    599,
)
SCRIPTS = [
    "кот",
    "गाय",
    "猫",
    "قطة",
    "แมว",
    "éléphant",
    "cat\u200b",
    "c\u0301at",
    "𝕔𝕒𝕥",
    "🐈",
    "\u202ecat",
    "\ud800",
    "\x00",
    "\x1b[31mcat",
]
ODD = [
    None,
    True,
    0,
    -1,
    0.5,
    1e300,
    float("nan"),
    "",
    "cat",
    "warm",
    [],
    {},
    [[]],
    [None],
    {"object": "cat"},
    "x" * 5000,
]
PAGE = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>The hotel's network wants your room.</body></html>"
)


def fuzzed(seed: int, key: str) -> Reply | Raw:
    """A reply by its number; some repeat the `key`."""
    chance = random.Random(seed)
    kinds = list(KINDS)
    return KINDS[kinds[seed % len(kinds)]](chance, key)


def spoilt(chance: random.Random, text: str) -> str:
    """Some characters cut, repeated or replaced."""
    for _ in range(chance.randint(1, 12)):
        start = chance.randrange(len(text)) if text else 0
        again = text[start : start + 40] * 3
        piece = chance.choice(["", again, "\0", "{", '"', "\\", "null", "[[[", "𝕏", "&", "1e999", "\n", "```"])
        text = text[:start] + piece + text[start + chance.randint(0, 8) :]
    return text


def spoilt_text(chance: random.Random, key: str) -> Reply:
    return says(spoilt(chance, chance.choice([json.dumps(ITEMS), LINE, f"{LINE}\n{LINE} {key}"])))


def spoilt_body(chance: random.Random, key: str) -> Reply:
    return Reply(200, spoilt(chance, GOOD.body.decode()).encode())


def cut(chance: random.Random, key: str) -> Reply:
    """JSON that ends too early: the service's own, or the model's inside of it."""
    if chance.random() < 0.5:
        return Reply(200, GOOD.body[: chance.randrange(len(GOOD.body))])
    text = json.dumps(ITEMS)
    return says(text[: chance.randrange(len(text))], chance.choice(["STOP", "MAX_TOKENS"]))


def fenced(chance: random.Random, key: str) -> Reply:
    text = chance.choice([json.dumps(ITEMS, indent=2), LINE, json.dumps(ITEMS[0])])
    before = chance.choice(["", "\n", "Here you are:\n", "**Description**\n", "> ", "\ufeff"])
    return says(
        f"{before}```{chance.choice(['', 'json', 'JSON', 'text'])}\n{text}\n```{chance.choice(['', chr(10), ' '])}"
    )


def wrong_types(chance: random.Random, key: str) -> Reply:
    """Well-formed JSON in the model's text, with values that are none of the schema's."""
    items: list[Any] = json.loads(json.dumps(ITEMS))
    for _ in range(chance.randint(1, 3)):
        item = chance.choice(items)
        if isinstance(item, dict):
            item[chance.choice(["object", "foreground", "background", key])] = chance.choice(ODD)
        if chance.random() < 0.3:
            items[chance.randrange(len(items))] = chance.choice(ODD)
    return says(json.dumps(chance.choice([items, items[0], {"descriptions": items}, [items], chance.choice(ODD)])))


def nested(chance: random.Random, key: str) -> Reply:
    depth = chance.choice([3, 50, 900, 5000, 9000])
    opening, closing = chance.choice([("[", "]"), ('{"object":', "}"), ('[{"foreground":[', "]}]")])
    text = opening * depth + '"cat"' + closing * chance.choice([0, depth])
    return says(text) if chance.random() < 0.5 else Reply(200, text.encode())


def no_text(chance: random.Random, key: str) -> Reply:
    """Candidates that are missing, empty, or hold something else."""
    part = chance.choice([
        {}, None, 5, "text", {"text": None}, {"text": 5}, {"text": ["cat"]}, {"text": " \n"}, {"unknown": 1},
        {"text": "Let me see...", "thought": True}, {"text": LINE, "thought": "yes"},
        {"functionCall": {"name": "describe", "args": {}}}, {"inlineData": {"mimeType": "image/png", "data": "%%"}},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
    ])  # fmt: skip
    content = chance.choice(
        [None, {}, [], {"parts": None}, {"parts": []}, {"parts": {}}, {"parts": [part]}, {"role": 5}]
    )
    candidates = chance.choice([[], None, {}, "none", [None], [{}], [{"content": content}], [{"content": content}] * 3])
    return sends(
        {"candidates": candidates, "usageMetadata": chance.choice([None, {}, "much", {"totalTokenCount": "x"}])}
    )


def finished(chance: random.Random, key: str) -> Reply:
    text = chance.choice([LINE, json.dumps(ITEMS), ""])
    content = {"parts": [{"text": text}], "role": "model"}
    return sends(
        {"candidates": [{"content": content, "finishReason": chance.choice(FINISHES), "index": chance.choice(ODD)}]}
    )


def blocked(chance: random.Random, key: str) -> Reply:
    feedback = chance.choice([None, {}, [], "no", *({"blockReason": reason, "safetyRatings": []} for reason in BLOCKS)])
    return sends({"promptFeedback": feedback} | chance.choice([{}, {"candidates": []}, json.loads(GOOD.body)]))


def scripts(chance: random.Random, key: str) -> Reply:
    """Letters of all the world, marks that turn or hide text, and halves of signs."""
    pick = lambda: chance.choice(SCRIPTS)  # noqa: E731
    items = [
        {"object": pick(), "foreground": [chance.choice(["warm", pick()])], "background": ["cold"]} for _ in range(3)
    ]
    text = json.dumps(items, ensure_ascii=True) if chance.random() < 0.5 else f"{pick()} {LINE} {pick()}"
    return says(text)


def huge(chance: random.Random, key: str) -> Reply:
    count = chance.choice([300, 2_000, 19_000, 100_000, 500_000])
    long = {"object": "cat", "foreground": ["warm"], "background": ["cold"]}
    long[chance.choice(["object", "foreground"])] = chance.choice(
        ["x" * count, "big " * (count // 4), "x-" * (count // 2)]
    )
    return says(
        chance.choice(
            [json.dumps([long]), json.dumps(ITEMS * (count // 200)), "\n" * count, f"{LINE}\n" * (count // 60)]
        )
    )


def page(chance: random.Random, key: str) -> Reply:
    """What a hotel's network or a proxy gives in the service's place, as if all were well."""
    body = chance.choice(
        [PAGE, PAGE + key.encode(), b"", b" ", b"null", b"[]", b"5", b'"text"', b"true", b"\xff\xfe\x00", b"OK"]
    )
    kind = chance.choice(
        ["text/html", "application/json", "text/plain; charset=utf-16", "text/html; charset=none", "image/png", ""]
    )
    return Reply(200, body, {"Content-Type": kind})


def failed(chance: random.Random, key: str) -> Reply:
    code = chance.choice(CODES)
    message = chance.choice(
        ["No.", f"{key} is unknown", "x" * 3000, "", None, 5, {"text": key}, "JSON mode is not enabled", "\n\t\x1b[31m"]
    )
    status = chance.choice(["INVALID_ARGUMENT", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED", None, 5])
    details = [
        chance.choice(
            [
                INVALID_KEY,
                {"retryDelay": "34s"},
                {"retryDelay": ["x"]},
                {"retryDelay": "nan"},
                {"violations": "PerDay"},
                *ODD,
            ]
        )
    ]
    told = fails(code, status, message, *details)
    headers = chance.choice(
        [told.headers, {"Content-Type": "text/html", "Retry-After": "9999"}, {"Location": "/elsewhere"}]
    )
    other = json.dumps(chance.choice(ODD)).encode()
    return Reply(
        code, b"" if code == 204 else chance.choice([told.body, told.body, PAGE, b"", other, told.body[:40]]), headers
    )


def packed(chance: random.Random, key: str) -> Reply:
    """Compressed, cut while compressed, or said to be."""
    zipped = gzip.compress(GOOD.body)
    name, body = chance.choice([
        ("gzip", zipped), ("deflate", zlib.compress(GOOD.body)), ("gzip", GOOD.body), ("br", GOOD.body),
        ("zstd", GOOD.body), ("gzip", zipped[:40]), ("gzip", b""), ("deflate", chance.randbytes(200)),
        ("gzip", b"\x1f\x8b" + chance.randbytes(90)), ("nonsense", GOOD.body), ("gzip", gzip.compress(b" " * 10**6)),
    ])  # fmt: skip
    return Reply(
        chance.choice([200, 200, 200, 500]), body, {"Content-Type": "application/json", "Content-Encoding": name}
    )


def broken(chance: random.Random, key: str) -> Raw:
    """No HTTP, or HTTP that ends where it should not."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    return Raw(chance.choice([
        b"", b"\r\n", b"220 mail ESMTP\r\n", chance.randbytes(100), b"HTTP/1.1 200\r\n", b"HTTP/9.9 abc\r\n\r\n",
        head, head + b"Content-Length: 5000\r\n\r\n" + GOOD.body, head + b"Content-Length: many\r\n\r\n" + GOOD.body,
        head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nx", head + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"can",
        head + b"X: " + b"x" * 100_000 + b"\r\n\r\n", head + b"\r\n" + GOOD.body, head + key.encode() + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + head + b"Connection: close\r\n\r\n" + GOOD.body,
    ]))  # fmt: skip


def good(chance: random.Random, key: str) -> Reply:
    """Well, in one of the ways in which models are: to know that answers come through."""
    return chance.choice(
        [GOOD, says(LINE), says(f"```json\n{json.dumps(ITEMS)}\n```"), describes("a cat, 3 years:warm:cold")]
    )


MAKERS = (spoilt_text, spoilt_body, cut, fenced, wrong_types, nested, no_text, finished, blocked)
MAKERS += (scripts, huge, page, failed, packed, broken, good)
KINDS: dict[str, Callable[[random.Random, str], Reply | Raw]] = {make.__name__: make for make in MAKERS}
