"""`python -m diff_harmonization.benchmarks COMMAND`: each command prints one table."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from ..data.photos import Photo, Split, read_photos
from ..host.headless import find_host, prepare_host

if TYPE_CHECKING:
    from ..data.composites import Composite
    from ..data.pairs import Pair, Recipe

ScoresFile = Annotated[
    Path | None,
    typer.Option(
        help="Write every pair's scores to this file, and continue from those in it. Use a new file for other settings."
    ),
]
PHOTOS = typer.Option(help="Photo set (images/, masks/, index.csv).", envvar="HARMONY_PHOTOS")
PairsOption = Annotated[Path | None, typer.Option(help="Folder of pairs; by default they are built from --photos.")]
RecipeOption = Annotated[
    Literal["looks", "light"],
    typer.Option(
        help="How the objects of built pairs are recolored. looks: an object takes the look of another object of its "
        "kind, or its tones in Lab are changed at random. light: exposure, white balance and contrast are changed at "
        "random in linear light. Pairs of a folder stay as they are."
    ),
]
EXAMPLE = Path(__file__).resolve().parent.parent / "workflows" / "examples" / "tree_golden"
app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def benchmarks() -> None:
    """Measure the pack; the figures in docs/figures.md come from here."""


@app.command()
def quality(
    pairs: PairsOption = None,
    photos: Annotated[Path | None, PHOTOS] = None,
    split: Annotated[Split, typer.Option(help="Photos to build pairs from: tune or report.")] = "report",
    limit: Annotated[int | None, typer.Option(help="Only the first so many pairs.")] = None,
    recipe: RecipeOption = "looks",
    loop: Annotated[bool, typer.Option(help="Also the loop, which takes most of the time.")] = True,
    oracle: Annotated[bool, typer.Option(help="Also with words and means taken from the truth.")] = True,
    json: ScoresFile = None,
) -> None:
    """PSNR, MSE and fMSE of doing nothing, of simple baselines and of the pack; how many pictures come out visibly
    worse; and the means again by the size of the object."""
    prepare_host()
    from .quality import area_table, measure, methods, table

    source, count = _source(pairs, photos, split, limit, recipe)
    results = measure(source, methods(photos, loop, oracle), count, json)
    Console().print(table(results), area_table(results))


@app.command()
def evaluator(
    photos: Annotated[Path, PHOTOS],
    limit: Annotated[int | None, typer.Option(help="Only the first so many photos of either kind.")] = None,
    name: Annotated[str, typer.Option(help="embedded, or a file of the host's models/harmony_evaluator.")] = "embedded",
    details: Annotated[
        bool, typer.Option(help="Also a score of color statistics alone, and what the AUC rests on.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Write the figures here.")] = None,
) -> None:
    """ROC-AUC of the harmony score, natural photos over pasted composites, and its correlation with recoloring.

    Measured on the photos that were held back from the evaluator's training; on all where the folder has none of them.
    """
    prepare_host()
    from ..host.evaluator import FOLDER, load_evaluator
    from ..host.folders import register_folder
    from .evaluator import evidence_table, measure, network_score, photos_of, statistics_score, table, write_json

    register_folder(FOLDER)
    chosen, title = photos_of(photos, limit)
    score = network_score(load_evaluator(name))
    results = measure(chosen, {name: score} | ({"color statistics": statistics_score} if details else {}))
    Console().print(table(results, title))
    if details:
        Console().print(evidence_table(chosen, score))
    if json:
        write_json(results, json)


@app.command()
def describe(
    photos: Annotated[Path, PHOTOS],
    split: Annotated[Split, typer.Option(help="Photos to build pairs from: tune or report.")] = "report",
    limit: Annotated[int | None, typer.Option(help="Only the first so many pairs.")] = None,
    recipe: RecipeOption = "looks",
    words_only: Annotated[bool, typer.Option("--words-only", help="Without the pictures, which are slow.")] = False,
) -> None:
    """Words from statistics and from the routed harmonizer's look, against words from the true photo, and what the
    better words bring to the pictures."""
    prepare_host()
    from ..data.pairs import build_pairs
    from ..host.routed.harmonizer import EMBEDDED, importance_of, load_harmonizer
    from ..host.zero_shot.edit import Models
    from ..mini.loader import load_mini
    from .describe import METHODS, describe_pairs, describe_towards, shift_table, words_tables
    from .methods import ONE_PASS, one_pass
    from .quality import area_table, measure, methods, table
    from .routed import routed

    chosen = read_photos(photos, split)
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
    from ..host.zero_shot.edit import Models
    from ..methods.zero_shot.refinement import RefinementSettings
    from ..mini.loader import load_mini
    from .methods import ONE_PASS
    from .words import PAIRS, measure, single_changes, table

    natural = [photo for photo in read_photos(photos, split) if photo.natural]
    chosen = natural[:: max(1, len(natural) // max(1, limit))][:limit]
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
    from ..methods.zero_shot.null_text import NullTextSettings
    from .null_text import measure, saving, saving_table, table

    settings = NullTextSettings()
    chosen = [photo for photo in read_photos(photos, split) if photo.natural][:limit]
    if not chosen:
        raise typer.BadParameter(f"{photos} has no natural photo of the split '{split}'.")
    Console().print(table(measure(chosen, steps, settings), steps, settings))
    Console().print(saving_table(saving(repeats)))


@app.command()
def ablation(
    photos: Annotated[Path, PHOTOS],
    split: Annotated[Split, typer.Option(help="Photos to build pairs from: tune or report.")] = "report",
    limit: Annotated[int | None, typer.Option(help="Only the first so many pairs.")] = None,
    json: ScoresFile = None,
) -> None:
    """The paper's ablations: refinement, self-attention, edges, prompts, and one pass against the loop."""
    prepare_host()
    from ..data.pairs import build_pairs
    from ..host.evaluator import load_evaluator
    from ..host.zero_shot.edit import Models
    from ..mini.loader import load_mini
    from .ablation import methods, tables
    from .quality import measure

    chosen = read_photos(photos, split)
    count = min(len(chosen), limit or len(chosen))
    found = methods(Models(*load_mini()), load_evaluator("embedded"))
    for drawn in tables(measure(itertools.islice(build_pairs(chosen), limit), found, count, json)):
        Console().print(drawn)


@app.command()
def loop(
    pairs: PairsOption = None,
    photos: Annotated[Path | None, PHOTOS] = None,
    split: Annotated[Split, typer.Option(help="Photos to build pairs from: tune or report.")] = "report",
    limit: Annotated[int | None, typer.Option(help="Only the first so many pairs.")] = None,
    recipe: RecipeOption = "looks",
    max_passes: Annotated[int, typer.Option(help="The loop's limit.")] = 10,
    json: ScoresFile = None,
) -> None:
    """PSNR and fMSE of the loop stopped after 1, 2, 3 and all passes, against doing nothing; and how many pictures come
    out visibly worse."""
    prepare_host()
    from .loop import decisions_line, measure, table

    source, count = _source(pairs, photos, split, limit, recipe)
    runs = measure(source, max_passes, count, json)
    Console().print(table(runs), decisions_line(runs))


@app.command()
def routed(
    networks: Annotated[
        list[Path] | None, typer.Argument(help="Files of further networks; a row is named by its file's folder.")
    ] = None,
    pairs: PairsOption = None,
    photos: Annotated[Path | None, PHOTOS] = None,
    split: Annotated[Split, typer.Option(help="Photos to build pairs from: tune or report.")] = "report",
    limit: Annotated[int | None, typer.Option(help="Only the first so many pairs.")] = None,
    recipe: RecipeOption = "looks",
    repeats: Annotated[int, typer.Option(help="Runs of each size; the fastest counts.")] = 3,
) -> None:
    """The routed harmonizer: its quality, that of other networks such as those of the ablation, and its seconds."""
    prepare_host()
    from ..data.composites import Pasted
    from ..data.photos import read_image, read_mask
    from ..host.evaluator import load_evaluator
    from ..host.routed.harmonizer import EMBEDDED, load_harmonizer
    from .baselines import nothing
    from .quality import measure, table
    from .routed import network_methods, routed_methods, timings

    harmonizer = load_harmonizer(EMBEDDED)
    source, count = _source(pairs, photos, split, limit, recipe)
    found = {"nothing": nothing, **routed_methods(harmonizer, load_evaluator("embedded"))}
    try:
        found |= network_methods(networks or [], found)
    except (FileNotFoundError, ValueError) as error:  # of a name or of a file
        raise typer.BadParameter(str(error)) from error
    Console().print(table(measure(source, found, count)))
    example = Pasted("", "", read_image(EXAMPLE / "composite.jpg"), read_mask(EXAMPLE / "mask.png"))
    Console().print(timings(harmonizer, example, (1024, 4096), repeats))


@app.command()
def iharmony4(
    folder: Annotated[Path, typer.Option(help="iHarmony4, one of its subsets, or a data set of `data build`.")],
    part: Annotated[Literal["train", "test"], typer.Option(help="Which list to measure.")] = "test",
    limit: Annotated[int | None, typer.Option(help="Only the first so many composites.")] = None,
    methods: Annotated[
        list[str] | None, typer.Option(help="A method to measure; give it once for each. By default all of them.")
    ] = None,
    json: ScoresFile = None,
) -> None:
    """MSE, PSNR and fMSE at 256x256, by subset and by the object's share of the picture, as the papers print them."""
    prepare_host()
    from ..data.iharmony4 import pairs, read_samples
    from .iharmony4 import METHODS, subset_table
    from .quality import area_table, measure, table

    chosen = ["nothing", *(name for name in methods or METHODS if name != "nothing")]
    if unknown := sorted(set(chosen) - set(METHODS)):
        raise typer.BadParameter(f"no method {', '.join(unknown)}; there are {', '.join(METHODS)}")
    samples = read_samples(folder, part)[:limit]
    results = measure(pairs(samples), {name: METHODS[name]() for name in chosen}, len(samples), json)
    Console().print(subset_table(results), area_table(results), table(results))


@app.command()
def diffharmony(
    pairs: PairsOption = None,
    photos: Annotated[Path | None, PHOTOS] = None,
    split: Annotated[Split, typer.Option(help="Photos to build pairs from: tune or report.")] = "report",
    limit: Annotated[int | None, typer.Option(help="Only the first so many pairs.")] = None,
    recipe: RecipeOption = "looks",
    weights: Annotated[
        list[Path] | None,
        typer.Argument(help="Files of `training bundle` with a VAE, to measure beside the embedded one."),
    ] = None,
    sides: Annotated[list[int] | None, typer.Option(help="Sides of the squares that are decoded, pixels.")] = None,
    decoders: Annotated[bool, typer.Option(help="Harmony-VAE against the plain VAE alone, which is quick.")] = False,
    variants: Annotated[
        bool, typer.Option(help="Also one seed, the plain VAE, the model's own pixels, and the routed network.")
    ] = False,
    json: ScoresFile = None,
) -> None:
    """DiffHarmony: its quality beside the routed network, what Harmony-VAE brings, and its seconds."""
    prepare_host()
    from .diffharmony import bundles, decoder_table, measure_decoders, quality_methods, seconds
    from .quality import area_table, measure, table

    networks = bundles(weights or [])
    source, count = _source(pairs, photos, split, limit, recipe)
    if decoders:
        Console().print(decoder_table(measure_decoders(source, networks, sides or [64, 128], count)))
        return
    results = measure(source, quality_methods(networks, variants), count, json)
    Console().print(table(results), area_table(results))
    Console().print(f"Seconds for a picture: {seconds(next(iter(networks.values()))):.2f}")


@app.command()
def memory(
    prompts: Annotated[int, typer.Option(help="Prompts, one after the other.")] = 30,
    classic: Annotated[bool, typer.Option(help="With the server's --cache-classic.")] = False,
) -> None:
    """Resident memory of a real server after each of many prompts, and how many passes its cache serves again."""
    from .memory import measure, table

    values, reuse = measure(find_host(), prompts, *(("--cache-classic",) if classic else ()))
    Console().print(table(values), str(reuse))


@app.command()
def resolution(
    composite: Annotated[Path, typer.Option(help="A large composite.")] = EXAMPLE / "composite.jpg",
    mask: Annotated[Path, typer.Option(help="Its mask.")] = EXAMPLE / "mask.png",
) -> None:
    """Seconds that full resolution adds to an edit at working size, item by item."""
    from .resolution import measure

    Console().print(measure(composite, mask))


@app.command()
def speed(
    repeats: Annotated[int, typer.Option(help="Runs of each; the fastest counts. Without --size alone.")] = 5,
    size: Annotated[
        Literal["sd15", "sd2", "narrow"] | None,
        typer.Option(
            help="sd15, sd2: rows, FLOPs and estimated memory of a pass at that size, on the meta device. narrow: "
            "seconds of a pass on an SD2 of few channels, which takes ten minutes."
        ),
    ] = None,
    pixels: Annotated[
        int, typer.Option(help="Of --size narrow: the picture's side. 256 takes five times as long.")
    ] = 128,
) -> None:
    """Each saved piece of work against doing it: equal results, and the ratio of times. With --size: a pass in the
    order of work of the method's authors (reference) against the pack's exact and fast ones, in one run."""
    prepare_host()
    if size is None:
        from .speed import table

        Console().print(table(repeats))
    elif size == "narrow":
        from . import walltime

        shape = walltime.narrow_sd2(pixels)
        Console().print(walltime.table(walltime.measure(shape), shape))
    else:
        from . import flops, peaks
        from .shapes import SHAPES

        cost = flops.costs(SHAPES[size])
        Console().print(peaks.table(size), flops.row_table(size, cost))
        found = flops.measure(size)
        Console().print(flops.rows_table(found), flops.flops_table(size, found, cost))


@app.command()
def fast(
    pairs: PairsOption = None,
    photos: Annotated[Path | None, PHOTOS] = None,
    split: Annotated[Split, typer.Option(help="Photos to build pairs from: tune or report.")] = "report",
    limit: Annotated[int | None, typer.Option(help="Only the first so many pairs.")] = 12,
    recipe: RecipeOption = "looks",
    steps: Annotated[int, typer.Option(help="DDIM steps; the paper's are 50. The last row takes 40% of them.")] = 50,
    null_text: Annotated[bool, typer.Option(help="Also with null-text, which takes most of the time.")] = False,
) -> None:
    """What each approximation of `fast` costs in quality, beside what it saves in time, on the embedded model."""
    prepare_host()
    from ..host.zero_shot.edit import Models
    from ..mini.loader import load_mini
    from .fast import compare, table

    source, count = _source(pairs, photos, split, limit, recipe)
    Console().print(table(compare(Models(*load_mini()), source, count, steps, null_text)))


@app.command()
def composites(
    output: Annotated[
        Path, typer.Option(help="Folder to write to. Results in it are kept: use a new folder for other settings.")
    ],
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of composites: index.csv (id,object), NNN.jpg, NNN_mask.png.")
    ] = None,
    photos: Annotated[Path | None, PHOTOS] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first so many composites.")] = None,
    methods: Annotated[
        list[str] | None, typer.Option(help="A method to show; give it once for each. By default all of them.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the order of the votes, and of the sides.")] = 0,
) -> None:
    """Results on real composites, which have no truth: PNG files, a contact sheet, and a page for blind votes.

    Without FOLDER the composites are those of --photos that were held back from the evaluator's training.
    """
    prepare_host()
    from .composites import METHODS, measure, write_page, write_sheet

    chosen = list(dict.fromkeys(methods or METHODS))
    if unknown := sorted(set(chosen) - set(METHODS)):
        raise typer.BadParameter(f"no method {', '.join(unknown)}; there are {', '.join(METHODS)}")
    if len(chosen) < 2:
        raise typer.BadParameter("votes need two methods or more: give --methods once for each")
    found = _composites(folder, photos)[:limit]
    shown = measure(found, {name: METHODS[name]() for name in chosen}, output)
    write_sheet(shown, output / "sheet.jpg")
    write_page(shown, seed, output / "votes.html")
    Console().print(f"{output}: {len(shown)} composites, sheet.jpg, votes.html")


@app.command()
def votes(
    files: Annotated[list[Path], typer.Argument(help="Files that votes.html saved.", exists=True, dir_okay=False)],
) -> None:
    """Wins, losses, ties and Bradley-Terry scores of the methods, from all votes in the files."""
    from .votes import read_votes, standings, table

    Console().print(table(standings([vote for file in files for vote in read_votes(file)])))


def _source(
    pairs: Path | None, photos: Path | None, split: Split, limit: int | None, recipe: Recipe
) -> tuple[Iterator[Pair], int | None]:
    """The pairs to measure, and their number where it is known."""
    from ..data.pairs import build_pairs, read_pairs

    if pairs:
        return itertools.islice(read_pairs(pairs), limit), limit
    if not photos:
        raise typer.BadParameter("give --pairs, a folder of pairs, or --photos, the photo set to build them from")
    chosen = read_photos(photos, split)
    return itertools.islice(build_pairs(chosen, recipe=recipe), limit), min(len(chosen), limit or len(chosen))


def _composites(folder: Path | None, photos: Path | None) -> Sequence[Composite | Photo]:
    """The composites to show."""
    from ..data.composites import read_composites

    if folder:
        return read_composites(folder)
    if not photos:
        raise typer.BadParameter("give FOLDER, a folder of composites, or --photos, a photo set")
    return [photo for photo in read_photos(photos, "evaluator_held_back") if not photo.natural]


if __name__ == "__main__":
    app()
