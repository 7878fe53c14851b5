"""`python -m diff_harmonization.cli COMMAND`: the pack from the command line."""

from __future__ import annotations

import typer

from .demo import main as demo

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.command("demo")(demo)


@app.callback()
def cli() -> None:
    """Make a pasted object belong in its new photo, from the command line."""


if __name__ == "__main__":
    app()
