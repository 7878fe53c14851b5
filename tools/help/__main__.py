"""`python -m diff_harmonization.tools.help URL`: write the nodes' help and locales anew; URL is a running server's."""

from __future__ import annotations

from typing import Annotated

import typer

from ...cli.client import Client
from .build import files, write


def main(server: Annotated[str, typer.Argument(help="A running server, such as http://127.0.0.1:8188.")]) -> None:
    """Write every help page and every locale."""
    write(files(Client(server.rstrip("/")).object_info()))


if __name__ == "__main__":
    typer.run(main)
