"""Commands that ask how good a network is: the evaluator, the routed harmonizer, DiffHarmony, and all on iHarmony4."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from ...host.headless import prepare_host
from .options import EXAMPLE, PHOTOS, LimitOption, PairsOption, RecipeOption, ScoresFile, SplitOption, pairs_of

app = typer.Typer()
EvaluatorName = Annotated[str, typer.Option(help="embedded, or a file of the host's models/harmony_evaluator.")]


@app.command()
def evaluator(
    photos: Annotated[Path, PHOTOS],
    limit: Annotated[int | None, typer.Option(help="Only the first so many photos of either kind.")] = None,
    name: EvaluatorName = "embedded",
    details: Annotated[
        bool, typer.Option(help="Also a score of color statistics alone, and what the AUC rests on.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Write the figures here.")] = None,
) -> None:
    """ROC-AUC of the harmony score, natural photos over pasted composites, and its correlation with recoloring.

    Measured on the photos that were held back from the evaluator's training; on all where the folder has none of them.
    """
    prepare_host()
    from ...host.evaluator import FOLDER, load_evaluator
    from ...host.folders import register_folder
    from ..evaluator import evidence_table, measure, network_score, photos_of, statistics_score, table, write_json

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
def preference(
    pairs: PairsOption = None,
    photos: Annotated[Path | None, PHOTOS] = None,
    split: SplitOption = "report",
    limit: LimitOption = None,
    recipe: RecipeOption = "looks",
) -> None:
    """How often a true photo scores above its own composite, by the embedded evaluator and by the classifier."""
    prepare_host()
    from ...host.evaluator import CLASSIFIER, EMBEDDED, load_evaluator
    from ..evaluator import network_score, statistics_score
    from ..preference import measure, table

    source, count = pairs_of(pairs, photos, split, limit, recipe)
    scores = {name: network_score(load_evaluator(name)) for name in (EMBEDDED, CLASSIFIER)}
    Console().print(table(measure(source, scores | {"color statistics": statistics_score}, count)))


@app.command()
def routed(
    networks: Annotated[
        list[Path] | None, typer.Argument(help="Files of further networks; a row is named by its file's folder.")
    ] = None,
    pairs: PairsOption = None,
    photos: Annotated[Path | None, PHOTOS] = None,
    split: SplitOption = "report",
    limit: LimitOption = None,
    recipe: RecipeOption = "looks",
    repeats: Annotated[int, typer.Option(help="Runs of each size; the fastest counts.")] = 3,
    evaluator: EvaluatorName = "embedded",
) -> None:
    """The routed harmonizer: its quality, that of other networks such as those of the ablation, and its seconds."""
    prepare_host()
    from ...data.composites import Pasted
    from ...data.photos import read_image, read_mask
    from ...host.evaluator import FOLDER, load_evaluator
    from ...host.folders import register_folder
    from ...host.routed.harmonizer import EMBEDDED, load_harmonizer
    from ..baselines import nothing
    from ..quality import measure, table
    from ..routed import network_methods, routed_methods, timings

    register_folder(FOLDER)
    harmonizer = load_harmonizer(EMBEDDED)
    source, count = pairs_of(pairs, photos, split, limit, recipe)
    found = {"nothing": nothing, **routed_methods(harmonizer, load_evaluator(evaluator))}
    try:
        found |= network_methods(networks or [], found)
    except (FileNotFoundError, ValueError) as error:  # of a name or of a file
        raise typer.BadParameter(str(error)) from error
    Console().print(table(measure(source, found, count)))
    example = Pasted("", "", read_image(EXAMPLE / "composite.jpg"), read_mask(EXAMPLE / "mask.png"))
    Console().print(timings(harmonizer, example, (1024, 4096), repeats))


@app.command()
def diffharmony(
    pairs: PairsOption = None,
    photos: Annotated[Path | None, PHOTOS] = None,
    split: SplitOption = "report",
    limit: LimitOption = None,
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
    from ..diffharmony import bundles, decoder_table, measure_decoders, quality_methods, seconds
    from ..quality import area_table, measure, table

    networks = bundles(weights or [])
    source, count = pairs_of(pairs, photos, split, limit, recipe)
    if decoders:
        Console().print(decoder_table(measure_decoders(source, networks, sides or [64, 128], count)))
        return
    results = measure(source, quality_methods(networks, variants), count, json)
    Console().print(table(results), area_table(results))
    Console().print(f"Seconds for a picture: {seconds(next(iter(networks.values()))):.2f}")


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
    from ...data.iharmony4 import pairs, read_samples
    from ..iharmony4 import METHODS, subset_table
    from ..quality import area_table, measure, table

    chosen = ["nothing", *(name for name in methods or METHODS if name != "nothing")]
    if unknown := sorted(set(chosen) - set(METHODS)):
        raise typer.BadParameter(f"no method {', '.join(unknown)}; there are {', '.join(METHODS)}")
    samples = read_samples(folder, part)[:limit]
    results = measure(pairs(samples), {name: METHODS[name]() for name in chosen}, len(samples), json)
    Console().print(subset_table(results), area_table(results), table(results))
