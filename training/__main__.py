"""`python -m diff_harmonization.training COMMAND`: a command for each thing that is trained."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import InputError
from .settings import (
    Architecture,
    DiffHarmonySettings,
    EvaluatorSettings,
    HarmonyVAESettings,
    MiniSettings,
    RoutedSettings,
)

Photos = Annotated[Path, typer.Option(help="Photo set (images/, masks/, index.csv).")]
Work = Annotated[
    Path, typer.Option(help="Folder for checkpoints and exported weights. Run the same command again to continue.")
]
Initial = Annotated[Path | None, typer.Option(help="Exported weights to start from, when there is no checkpoint yet.")]
Seed = Annotated[int, typer.Option(help="Of the batches. Take another one to go on from exported weights.")]
Minutes = Annotated[float, typer.Option(help="Stop after this many minutes. Run the same command again to continue.")]
VAEFile = Annotated[Path, typer.Option(help="The trained VAE, vae.safetensors.")]
Inverse = Annotated[bool, typer.Option(help="The other way around: composites of photographs.")]
app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def training() -> None:
    """Train what the pack ships, on a GPU where there is one."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger(__package__).setLevel(logging.INFO)


@app.command()
def mini(
    photos: Photos,
    work: Work,
    steps: int = MiniSettings.steps,
    batch: Annotated[int, typer.Option(help="Pictures in a batch.")] = MiniSettings.batch,
    learning_rate: float = MiniSettings.learning_rate,
    per_photo: Annotated[int, typer.Option(help="Squares cut from each photo.")] = MiniSettings.per_photo,
    late_share: Annotated[
        float, typer.Option(help="Share of noise levels drawn towards the noisy end, where words matter most.")
    ] = MiniSettings.late_share,
    initial: Initial = None,
    minutes: Minutes = MiniSettings.minutes,
) -> None:
    """Train the embedded harmonization model. Needs ComfyUI: set COMFYUI_PATH, or run `bootstrap.py test` once."""
    from ..host.headless import prepare_host

    prepare_host()
    from .mini.train import train

    settings = MiniSettings(
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        per_photo=per_photo,
        late_share=late_share,
        initial=initial,
        minutes=minutes,
    )
    train(photos, work, settings)


@app.command()
def evaluator(
    photos: Photos,
    work: Work,
    architecture: Annotated[
        Architecture, typer.Option(help="lite0, the embedded one, or the paper's resnet50.")
    ] = EvaluatorSettings.architecture,
    initial_backbone: Annotated[
        Path | None,
        typer.Option(help="ImageNet weights of EfficientNet-Lite0 to start from (.pth); see evaluator/README.md."),
    ] = None,
    made: Annotated[
        Path | None,
        typer.Option(help="A data set of `data build`, or iHarmony4, whose composites take the place of recolorings."),
    ] = None,
    initial: Initial = None,
    steps: int = EvaluatorSettings.steps,
    groups: Annotated[int, typer.Option(help="Photos in a batch, two versions of each.")] = EvaluatorSettings.groups,
    coarse_share: Annotated[
        float, typer.Option(help="Share of the steps, from the first, at half the side: a quarter of the work.")
    ] = EvaluatorSettings.coarse_share,
    learning_rate: float = EvaluatorSettings.learning_rate,
    per_photo: Annotated[int, typer.Option(help="Squares cut from each photo.")] = EvaluatorSettings.per_photo,
    proposers: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            help="Files of `routed --half 0` and `--half 1`: learn to choose how much of their changes to make."
        ),
    ] = None,
    seed: Seed = EvaluatorSettings.seed,
    minutes: Minutes = EvaluatorSettings.minutes,
) -> None:
    """Train the embedded evaluator. Needs no ComfyUI."""
    from .evaluator.train import train

    with _refusals():
        settings = EvaluatorSettings(
            architecture=architecture,
            initial_backbone=initial_backbone,
            made=made,
            initial=initial,
            steps=steps,
            groups=groups,
            coarse_share=coarse_share,
            learning_rate=learning_rate,
            per_photo=per_photo,
            proposers=proposers,
            seed=seed,
            minutes=minutes,
        )
    train(photos, work, settings)


@app.command()
def routed(
    photos: Photos,
    work: Work,
    importance: Annotated[
        bool, typer.Option(help="Route by who looks like the object (the paper's ISEM).")
    ] = RoutedSettings.importance,
    transformer: Annotated[
        bool, typer.Option(help="Semantic routed transformer blocks (the paper's STB), else plain convolutions.")
    ] = RoutedSettings.transformer,
    half: Annotated[
        int | None,
        typer.Option(min=0, max=1, help="Learn from one half of the photos only, 0 or 1: for `evaluator --proposers`."),
    ] = None,
    initial_backbone: Annotated[
        Path | None, typer.Option(help="ImageNet weights of EfficientNet-Lite0, in place of the evaluator's encoder.")
    ] = None,
    initial: Initial = None,
    steps: int = RoutedSettings.steps,
    batch: Annotated[int, typer.Option(help="Pictures in a batch.")] = RoutedSettings.batch,
    learning_rate: float = RoutedSettings.learning_rate,
    per_photo: Annotated[int, typer.Option(help="Squares cut around each object.")] = RoutedSettings.per_photo,
    seed: Seed = RoutedSettings.seed,
    minutes: Minutes = RoutedSettings.minutes,
) -> None:
    """Train the embedded routed harmonizer. Needs no ComfyUI."""
    from .routed.train import train

    with _refusals():
        settings = RoutedSettings(
            importance=importance,
            transformer=transformer,
            half=half,  # pyright: ignore[reportArgumentType]
            initial_backbone=initial_backbone,
            initial=initial,
            steps=steps,
            batch=batch,
            learning_rate=learning_rate,
            per_photo=per_photo,
            seed=seed,
            minutes=minutes,
        )
    train(photos, work, settings)


@app.command()
def vae(
    photos: Photos,
    work: Work,
    steps: int = 2000,
    batch: Annotated[int, typer.Option(help="Pictures in a batch.")] = 8,
    learning_rate: float = 8e-4,
    minutes: Minutes = DiffHarmonySettings.minutes,
) -> None:
    """Train the embedded DiffHarmony's VAE, which the three others need. Needs ComfyUI, see `mini`."""
    from ..host.headless import prepare_host

    prepare_host()
    from .diffharmony.vae import train

    train(photos, work, DiffHarmonySettings(steps=steps, batch=batch, learning_rate=learning_rate, minutes=minutes))


@app.command("harmony_vae")
def harmony_vae(
    photos: Photos,
    work: Work,
    vae: VAEFile,
    inverse: Inverse = False,
    zero: Annotated[bool, typer.Option(help="The skips start at zero, else at random.")] = HarmonyVAESettings.zero,
    decoder: Annotated[
        bool, typer.Option(help="The decoder learns, too, not the conditional encoder and the skips alone.")
    ] = HarmonyVAESettings.decoder,
    initial: Initial = None,
    steps: int = 1000,
    batch: Annotated[int, typer.Option(help="Pictures in a batch.")] = 8,
    learning_rate: float = 4e-4,
    minutes: Minutes = DiffHarmonySettings.minutes,
) -> None:
    """Train the embedded Harmony-VAE. Needs the trained VAE alone."""
    from ..host.headless import prepare_host

    prepare_host()
    from .diffharmony.harmony_vae import train

    settings = HarmonyVAESettings(
        zero=zero,
        decoder=decoder,
        initial=initial,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        minutes=minutes,
    )
    train(photos, work, vae, settings, inverse=inverse)


@app.command()
def diffharmony(
    photos: Photos,
    work: Work,
    vae: VAEFile,
    inverse: Inverse = False,
    pairs: Annotated[int, typer.Option(help="Pairs of photograph and composite to learn from.")] = (
        DiffHarmonySettings.pairs
    ),
    made: Annotated[
        Path | None, typer.Option(help="A data set of `data build`, or iHarmony4, to learn from besides.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Learn from the first so many photos only.")] = None,
    initial: Initial = None,
    steps: int = 3000,
    batch: Annotated[int, typer.Option(help="Pairs in a batch.")] = DiffHarmonySettings.batch,
    learning_rate: float = DiffHarmonySettings.learning_rate,
    minutes: Minutes = DiffHarmonySettings.minutes,
) -> None:
    """Train the embedded DiffHarmony's UNet. Needs the trained VAE alone."""
    from ..host.headless import prepare_host

    prepare_host()
    from .diffharmony.unet import train

    settings = DiffHarmonySettings(
        pairs=pairs,
        made=made,
        limit=limit,
        initial=initial,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        minutes=minutes,
    )
    train(photos, work, vae, settings, inverse=inverse)


@app.command()
def classifier(photos: Photos, output: Annotated[Path, typer.Option(help="File to write.")]) -> None:
    """Fit DiffHarmony's harmony classifier, which picks composites for training. Takes minutes, needs no ComfyUI."""
    from .classifier.fit import fit

    fit(photos, output)


@app.command()
def norms(
    photos: Photos,
    output: Annotated[Path | None, typer.Option(help="File to write; by default the one that the pack ships.")] = None,
) -> None:
    """Measure how objects usually look: the numbers behind the descriptions by statistics. Takes seconds."""
    from .norms.fit import fit_photos

    fit_photos(photos, output)


@app.command()
def mean(
    files: Annotated[list[Path], typer.Argument(help="Exported weights of runs that began from the same weights.")],
    output: Annotated[Path, typer.Option(help="File to write.")],
) -> None:
    """Average the weights of several runs of one network."""
    from .files import mean_weights, write_weights

    with _refusals():
        write_weights(mean_weights(files), output)


@app.command()
def bundle(
    unet: Annotated[Path, typer.Option(help="unet.safetensors of `diffharmony`.")],
    harmony_vae: Annotated[Path, typer.Option(help="harmony_vae.safetensors of `harmony_vae`.")],
    output: Annotated[Path, typer.Option(help="File to write.")],
    vae: Annotated[Path | None, typer.Option(help="vae.safetensors; the inverse networks share the others'.")] = None,
) -> None:
    """Put the embedded DiffHarmony's networks of one direction into one file."""
    from .files import write_bundle

    parts = {"unet": unet, "harmony_vae": harmony_vae} | ({} if vae is None else {"vae": vae})
    write_bundle(parts, output)


@contextmanager
def _refusals() -> Iterator[None]:
    """A refused setting as an error of its option."""
    try:
        yield
    except InputError as error:
        raise typer.BadParameter(error.message, param_hint=f"--{error.parameter.replace('_', '-')}") from error


if __name__ == "__main__":
    app()
