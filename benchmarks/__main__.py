"""`python -m diff_harmonization.benchmarks COMMAND`: each command prints one table."""

from __future__ import annotations

import typer

from .commands import networks, pictures, votes, work

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def benchmarks() -> None:
    """Measure the pack; the figures in docs/figures.md come from here."""


for questions in (pictures, networks, work, votes):
    app.add_typer(questions.app)


if __name__ == "__main__":
    app()
