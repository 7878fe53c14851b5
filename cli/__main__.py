"""`diff-harmonization COMMAND`, or `python -m diff_harmonization.cli COMMAND`: the pack from the command line."""

from __future__ import annotations

import typer

from ..data.__main__ import app as data
from .batch.command import batch
from .demo import main as demo
from .picture import harmonize, score
from .video import video

app = typer.Typer(no_args_is_help=True, add_completion=False)
for command in (harmonize, score, batch, video):
    app.command()(command)
app.command("demo")(demo)
app.add_typer(data, name="data")


@app.callback()
def cli() -> None:
    """Make a pasted object belong in its new photo, from the command line."""


if __name__ == "__main__":
    app()
