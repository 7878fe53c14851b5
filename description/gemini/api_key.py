"""A provider's API key: where it comes from, and how it stays out of everything that is shown or kept.

The key is never a widget: widgets are written into workflows and into the metadata of every saved picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

VARIABLES = ("GOOGLE_API_KEY", "GEMINI_API_KEY")  # the vendor's own names, in the order its library reads them
REDACTED = "[API key]"
PAGE = "https://aistudio.google.com/apikey"


@dataclass(frozen=True)
class ApiKey:
    secret: SecretStr  # shown as asterisks, whoever prints it
    source: str  # where it was found, for errors

    def redact(self, text: str) -> str:
        """`text` without the key: some of the provider's messages repeat it."""
        return text.replace(self.secret.get_secret_value(), REDACTED)


def find_key(environment: Mapping[str, str], file: Path | None) -> ApiKey:
    """The key from the first of VARIABLES that is set, else the content of a file.

    Args:
        environment: names and values of environment variables.
        file: where the key may be kept; None for no file.

    Raises:
        ValueError: when there is no key, or a text that cannot be a key. The error does not repeat the text.
    """
    for name in VARIABLES:
        if value := environment.get(name, "").strip():
            return _checked(value, f"the environment variable {name}")
    places = f"set the environment variable {VARIABLES[1]} before ComfyUI starts"
    if file is not None:
        if file.is_file() and (value := file.read_text(encoding="utf-8-sig", errors="replace").strip()):
            return _checked(value, f"the file {file}")
        places += f", or put the key alone into the file {file}"
    raise ValueError(f"no API key was found; {places}. Keys are made at {PAGE}.")


def _checked(value: str, source: str) -> ApiKey:
    """HTTP libraries repeat a header that they refuse, so a text that is no header never reaches them."""
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError(
            f"{source} holds no API key; a key is one line of letters, digits and signs, without spaces. Copy it again "
            f"from {PAGE}."
        )
    return ApiKey(SecretStr(value), source)
