"""`python -m diff_harmonization.tools.workflows URL`: write the shipped workflows anew; URL is a running server's."""

from __future__ import annotations

from typing import Annotated

import typer

from .build import write


def main(server: Annotated[str, typer.Argument(help="A running server, such as http://127.0.0.1:8188.")]) -> None:
    """Write every shipped workflow in both forms."""
    write(server.rstrip("/"))


if __name__ == "__main__":
    typer.run(main)
