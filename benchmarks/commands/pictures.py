"""Commands that ask how good pictures are: of the zero-shot way, its words, its loop and its parts."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ...data.photos import Split, read_natural
from ...host.headless import prepare_host
from .options import PHOTOS, LimitOption, PairsOption, RecipeOption, ScoresFile, SplitOption, natural_photos, pairs_of

app = typer.Typer()


@app.command()
def quality(
    pairs: PairsOption = None,
    photos: Annotated[Path | None, PHOTOS] = None,
    split: SplitOption = "report",
    limit: LimitOption = None,
    recipe: RecipeOption = "looks",
    loop: Annotated[bool, typer.Option(help="Also the loop, which takes most of the time.")] = True,
    oracle: Annotated[bool, typer.Option(help="Also with words and means taken from the truth.")] = True,
    json: ScoresFile = None,
) -> None:
    """PSNR, MSE and fMSE of doing nothing, of simple baselines and of the pack; how many pictures come out visibly
    worse; and the means again by the size of the object."""
    prepare_host()
    from ..quality import area_table, measure, methods, table

    source, count = pairs_of(pairs, photos, split, limit, recipe)
    results = measure(source, methods(photos, loop, oracle), count, json)
    Console().print(table(results), area_table(results))


@app.command()
def loop(
    pairs: PairsOption = None,
    photos: Annotated[Path | None, PHOTOS] = None,
    split: SplitOption = "report",
    limit: LimitOption = None,
    recipe: RecipeOption = "looks",
    max_passes: Annotated[int, typer.Option(help="The loop's limit.")] = 10,
    json: ScoresFile = None,
) -> None:
    """PSNR and fMSE of the loop stopped after 1, 2, 3 and all passes, against doing nothing; and how many pictures come
    out visibly worse."""
    prepare_host()
    from ..loop import decisions_line, measure, table

    source, count = pairs_of(pairs, photos, split, limit, recipe)
    runs = measure(source, max_passes, count, json)
    Console().print(table(runs), decisions_line(runs))


@app.command()
def describe(
    photos: Annotated[Path, PHOTOS],
    split: SplitOption = "report",
    limit: LimitOption = None,
    recipe: RecipeOption = "looks",
    words_only: Annotated[bool, typer.Option("--words-only", help="Without the pictures, which are slow.")] = False,
) -> None:
    """Words from statistics and from the routed harmonizer's look, against words from the true photo, and what the
    better words bring to the pictures."""
    prepare_host()
    from ...data.pairs import build_pairs
    from ...host.routed.harmonizer import EMBEDDED, importance_of, load_harmonizer
    from ...host.zero_shot.edit import Models
    from ...mini.loader import load_mini
    from ..describe import METHODS, describe_pairs, describe_towards, shift_table, words_tables
    from ..methods import ONE_PASS, one_pass
    from ..quality import area_table, measure, methods, table
    from ..routed import routed

    chosen = read_natural(photos, split)
    count = min(len(chosen), limit or len(chosen))
    harmonizer = routed(load_harmonizer(EMBEDDED))
    described = describe_pairs(
        itertools.islice(build_pairs(chosen, recipe=recipe), limit),
        count,
        lambda pair: importance_of(pair.composite, pair.mask),
        harmonizer,
    )
    for drawn in (*words_tables(described), shift_table(described)):
        Console().print(drawn)
    if not words_only:
        found = {name: method for name, method in methods(None, loop=False, oracle=True).items() if name in METHODS}
        by_harmonizer = one_pass(Models(*load_mini()), describe_towards(harmonizer), ONE_PASS)
        found["zero-shot, one pass, harmonizer's words"] = by_harmonizer
        results = measure(itertools.islice(build_pairs(chosen, recipe=recipe), limit), found, count)
        Console().print(table(results), area_table(results))


@app.command()
def words(
    photos: Annotated[Path, PHOTOS],
    split: Annotated[Split, typer.Option(help="Photos to edit: tune or report.")] = "tune",
    limit: Annotated[int, typer.Option(help="So many photos, evenly from the split; each takes minutes.")] = 3,
    refinement: Annotated[bool, typer.Option(help="Refine the words' embeddings, as the workflows do.")] = True,
) -> None:
    """Whether words steer: for every word of the vocabulary, and for pairs such as autumn -> winter, how often an edit
    moves the object's look in the right direction, how far, what else moves, and whether it grows with the strength."""
    prepare_host()
    from ...host.zero_shot.edit import Models
    from ...methods.zero_shot.refinement import RefinementSettings
    from ...mini.loader import load_mini
    from ..methods import ONE_PASS
    from ..words import PAIRS, measure, single_changes, table

    chosen = natural_photos(photos, split, limit)
    settings = ONE_PASS if refinement else replace(ONE_PASS, refinement=RefinementSettings(steps_per_timestep=0))
    found = measure(Models(*load_mini()), chosen, [*single_changes(), *PAIRS], settings)
    Console().print(table(found))


@app.command("null_text")
def null_text(
    photos: Annotated[Path, PHOTOS],
    split: Annotated[Split, typer.Option(help="Photos to take: tune or report.")] = "report",
    limit: Annotated[int, typer.Option(help="Only the first so many photos; each takes a minute.")] = 8,
    steps: Annotated[int, typer.Option(help="DDIM steps; the paper's are 50.")] = 50,
    repeats: Annotated[int, typer.Option(help="Runs of each order of work; the fastest counts.")] = 3,
) -> None:
    """Error of guidance 2.5 along a photo's inversion with and without null-text, and the work that one conditional
    prediction a timestep saves."""
    prepare_host()
    from ...methods.zero_shot.null_text import NullTextSettings
    from ..null_text import measure, saving, saving_table, table

    settings = NullTextSettings()
    chosen = read_natural(photos, split)[:limit]
    if not chosen:
        raise typer.BadParameter(f"{photos} has no natural photo of the split '{split}'.")
    Console().print(table(measure(chosen, steps, settings), steps, settings))
    Console().print(saving_table(saving(repeats)))


@app.command()
def ablation(
    photos: Annotated[Path, PHOTOS],
    split: SplitOption = "report",
    limit: LimitOption = None,
    json: ScoresFile = None,
) -> None:
    """The paper's ablations: refinement, self-attention, edges, prompts, and one pass against the loop."""
    prepare_host()
    from ...data.pairs import build_pairs
    from ...host.evaluator import load_evaluator
    from ...host.zero_shot.edit import Models
    from ...mini.loader import load_mini
    from ..ablation import methods, tables
    from ..quality import measure

    chosen = read_natural(photos, split)
    count = min(len(chosen), limit or len(chosen))
    found = methods(Models(*load_mini()), load_evaluator("embedded"))
    for drawn in tables(measure(itertools.islice(build_pairs(chosen), limit), found, count, json)):
        Console().print(drawn)
