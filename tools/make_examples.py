"""Make the example composites from freely licensed pictures (sources and licenses: workflows/examples/README.md).

    pip install typer kornia opencv-python-headless scikit-image scikit-learn
    apt-get download lomiri-wallpapers-16.04 lomiri-wallpapers-20.04     # on Debian 12
    for package in lomiri-wallpapers-*.deb; do dpkg -x $package wallpapers; done
    python -m diff_harmonization.tools.make_examples wallpapers

For each example, GrabCut cuts the foreground inside hand-drawn outlines. A guided filter refines the cut. The colors
along its edge are estimated without the old background. Then the foreground is laid over the new background. No color
of either picture is changed.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import typer
from kornia.filters import guided_blur

HERE = Path(__file__).resolve().parents[1] / "workflows" / "examples"
Box = tuple[float, float, float, float]  # left, top, right, bottom as fractions of a picture
Outline = tuple[tuple[float, float], ...]  # points (x, y) as fractions of the cropped picture
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue

SUNDIAL: Outline = (
    (0.175, 0.345), (0.178, 0.31), (0.20, 0.275), (0.25, 0.24), (0.33, 0.222), (0.40, 0.218), (0.50, 0.222),
    (0.60, 0.242), (0.68, 0.27), (0.76, 0.31), (0.82, 0.36), (0.84, 0.40), (0.838, 0.45), (0.83, 0.50), (0.79, 0.545),
    (0.70, 0.585), (0.60, 0.60), (0.592, 0.60), (0.592, 1.0), (0.38, 1.0), (0.367, 0.66), (0.362, 0.545), (0.30, 0.515),
    (0.25, 0.475), (0.20, 0.43), (0.18, 0.39),
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """A foreground, where it comes from, and where it goes."""

    name: str
    descriptions: tuple[str, ...]
    foreground: str
    background: str
    size: tuple[int, int]  # width and height of the composite
    background_box: Box  # cut from the background and scaled to the size
    foreground_box: Box
    place: tuple[float, float, float]  # left and top of the cut and its width, as fractions of the composite
    region: tuple[Outline, ...]  # may be foreground; everything else is not
    inside: tuple[Outline, ...]  # is foreground
    outside: tuple[Outline, ...] = ()  # is not
    mirror: bool = False
    softness: int = 4  # radius in pixels within which the edge follows the picture


RECIPES = (
    Recipe(
        name="tree_golden",
        descriptions=(
            "tree & (foreground) cold dull & (background) golden sunset",
            "tree & (foreground) winter dull & (background) golden warm bright",
        ),
        foreground="Kleiber_by_Lukas_Baubkus.jpg",
        background="seeding_by_Clements_Engelhardt.jpg",
        size=(4480, 2520),
        background_box=(0.0, 0.0, 1.0, 1.0),
        foreground_box=(0.0, 0.0, 0.6, 1.0),
        place=(0.42, 0.0, 0.6),
        mirror=True,
        region=(((0, 0), (0.65, 0), (0.66, 0.33), (0.72, 0.36), (0.93, 0.63), (0.8, 0.68), (0.8, 1), (0, 1)),),
        inside=(((0, 0), (0.61, 0), (0.64, 0.45), (0.66, 0.7), (0.76, 1), (0, 1)),),
        softness=6,
    ),
    Recipe(
        name="cat_snow",
        descriptions=(
            "cat & (foreground) warm indoor & (background) snowy winter cold",
            "cat & (foreground) golden bright & (background) snowy blue dim",
        ),
        foreground="chelsea.png",
        background="Kleiber_by_Lukas_Baubkus.jpg",
        size=(1200, 798),
        background_box=(0.52, 0.3, 0.98, 0.844),
        foreground_box=(0.0, 0.0, 1.0, 1.0),
        place=(0.0, 0.0, 1.0),
        region=(((0, 0), (0.86, 0), (0.84, 0.25), (0.84, 0.6), (0.76, 0.8), (0.7, 1), (0, 1)),),
        inside=(((0.1, 0), (0.76, 0), (0.78, 0.12), (0.77, 0.45), (0.7, 0.75), (0.62, 0.95), (0.1, 1), (0.05, 0.5)),),
        softness=8,
    ),
    Recipe(
        name="person_mountain",
        descriptions=(
            "person & (foreground) indoor warm & (background) mountain cold clear",
            "person & (foreground) warm bright & (background) sky blue clear",
        ),
        foreground="astronaut.png",
        background="picosdeeuropa_by_Aitzol_Berasategi.jpg",
        size=(1600, 1200),
        background_box=(0.0, 0.0, 1.0, 1.0),
        foreground_box=(0.0, 0.0, 1.0, 1.0),
        place=(0.28, 0.3, 0.525),
        region=(
            (
                (0.29, 0.0),
                (0.6, 0.0),
                (0.62, 0.25),
                (0.6, 0.38),
                (0.66, 0.46),
                (0.71, 0.6),
                (0.72, 0.66),
                (0.84, 0.66),
                (0.93, 0.71),
                (1.0, 0.86),
                (1.0, 1.0),
                (0.04, 1.0),
                (0.03, 0.7),
                (0.05, 0.58),
                (0.15, 0.46),
                (0.2, 0.4),
                (0.23, 0.28),
                (0.29, 0.25),
            ),
        ),
        inside=(
            (
                (0.36, 0.08),
                (0.5, 0.06),
                (0.56, 0.15),
                (0.54, 0.22),
                (0.49, 0.28),
                (0.48, 0.34),
                (0.39, 0.34),
                (0.33, 0.18),
            ),
            (
                (0.27, 0.35),
                (0.55, 0.42),
                (0.64, 0.55),
                (0.68, 0.68),
                (0.6, 0.98),
                (0.08, 0.98),
                (0.1, 0.62),
                (0.2, 0.5),
            ),
            ((0.58, 0.8), (0.68, 0.71), (0.8, 0.69), (0.9, 0.74), (0.95, 0.85), (0.96, 0.99), (0.58, 0.99)),
        ),
        outside=(
            ((0.33, 0.255), (0.35, 0.26), (0.354, 0.285), (0.32, 0.29)),
            ((0.515, 0.268), (0.54, 0.255), (0.56, 0.33), (0.53, 0.345), (0.508, 0.31)),
        ),
        softness=3,
    ),
    Recipe(
        name="building_sunset",
        descriptions=(
            "building & (foreground) sunny daylight & (background) sunset dusk golden",
            "building & (foreground) bright daylight & (background) sunset orange dim",
        ),
        foreground="china.jpg",
        background="sunset_by_Aitzol_Berasategi.jpg",
        size=(1280, 854),
        background_box=(0.12, 0.0, 0.88, 0.76),
        foreground_box=(0.0, 0.0, 1.0, 1.0),
        place=(0.0, 0.0, 1.0),
        region=(
            (
                (0.0, 0.3),
                (0.12, 0.4),
                (0.1, 0.2),
                (0.3, 0.05),
                (0.34, 0.05),
                (0.52, 0.24),
                (0.56, 0.6),
                (0.62, 0.72),
                (0.8, 0.63),
                (0.86, 0.65),
                (0.84, 0.4),
                (0.92, 0.3),
                (1.0, 0.38),
                (1.0, 1.0),
                (0.0, 1.0),
            ),
        ),
        inside=(
            (
                (0.2, 0.27),
                (0.29, 0.22),
                (0.315, 0.16),
                (0.335, 0.16),
                (0.36, 0.22),
                (0.44, 0.27),
                (0.5, 0.7),
                (0.15, 0.7),
            ),
            ((0.0, 0.86), (0.5, 0.92), (0.7, 0.75), (0.88, 0.78), (0.9, 0.6), (0.97, 0.45), (1, 0.5), (1, 1), (0, 1)),
        ),
        outside=(
            ((0.105, 0.5), (0.135, 0.5), (0.13, 0.58), (0.095, 0.61), (0.03, 0.60), (0.04, 0.57)),
            ((0.03, 0.66), (0.10, 0.66), (0.11, 0.7), (0.10, 0.74), (0.04, 0.73)),
            ((0.16, 0.12), (0.27, 0.12), (0.298, 0.15), (0.28, 0.18), (0.2, 0.215), (0.16, 0.22)),
            ((0.38, 0.12), (0.5, 0.15), (0.5, 0.24), (0.43, 0.215), (0.37, 0.17)),
        ),
        softness=2,
    ),
    Recipe(
        name="table_meadow",
        descriptions=(
            "table & (foreground) dusk dark & (background) daylight autumn cloudy",
            "table & (foreground) sunset shaded & (background) bright daylight forest",
        ),
        foreground="sunset_by_Aitzol_Berasategi.jpg",
        background="aitzgorri_by_Aitzol_Berasategi.jpg",
        size=(1920, 1280),
        background_box=(0.0, 0.0, 1.0, 1.0),
        foreground_box=(0.55, 0.55, 1.0, 1.0),
        place=(0.03, 0.4, 0.9),
        region=(SUNDIAL,),
        inside=(SUNDIAL,),
        softness=2,
    ),
)


def read(path: Path) -> np.ndarray:
    """RGB in 0-1, [H,W,3]."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise typer.BadParameter(f"{path} cannot be read as a picture.")
    return picture[:, :, ::-1].astype(np.float32) / 255


def crop(picture: np.ndarray, box: Box) -> np.ndarray:
    height, width = picture.shape[:2]
    left, top, right, bottom = (round(v * n) for v, n in zip(box, (width, height) * 2, strict=True))
    return picture[top:bottom, left:right]


def scale(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    smaller = width < picture.shape[1]
    method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cv2.resize(picture, (width, height), interpolation=method).clip(0, 1)


def fill(shape: tuple[int, int], outlines: tuple[Outline, ...]) -> np.ndarray:
    """Boolean [H,W], true inside any outline."""
    canvas = np.zeros(shape, np.uint8)
    for outline in outlines:
        cv2.fillPoly(canvas, [np.round(np.array(outline) * (shape[1], shape[0])).astype(np.int32)], 1)
    return canvas > 0


def cut(picture: np.ndarray, recipe: Recipe, side: int = 900) -> np.ndarray:
    """Alpha [H,W] in 0-1: GrabCut at a small size, the largest piece with its holes closed, a guided filter."""
    height, width = picture.shape[:2]
    ratio = min(1.0, side / max(height, width))
    small = scale(picture, round(width * ratio), round(height * ratio))
    shape = small.shape[:2]
    band = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    region, inside = fill(shape, recipe.region), fill(shape, recipe.inside)
    if recipe.region == recipe.inside:  # one outline, drawn tightly: only a band along it is in question
        inside = cv2.erode(inside.astype(np.uint8), band, borderValue=1) > 0
        region = cv2.dilate(region.astype(np.uint8), band) > 0
    labels = np.full(shape, cv2.GC_BGD, np.uint8)
    labels[region] = cv2.GC_PR_FGD
    labels[inside] = cv2.GC_FGD
    labels[fill(shape, recipe.outside)] = cv2.GC_BGD
    cv2.setRNGSeed(0)
    pixels = np.ascontiguousarray((small[:, :, ::-1] * 255).round().astype(np.uint8))
    cv2.grabCut(pixels, labels, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 6, cv2.GC_INIT_WITH_MASK)
    hard = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    _, pieces, sizes, _ = cv2.connectedComponentsWithStats(hard)
    hard = (pieces == 1 + sizes[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    hard = cv2.medianBlur(hard * 255, 11 if recipe.region == recipe.inside else 5).astype(np.float32) / 255
    alpha = guided_filter(picture, scale(hard, width, height), round(recipe.softness / min(ratio, 1)))
    return ((alpha - 0.1) / 0.8).clip(0, 1)


def guided_filter(guide: np.ndarray, plane: np.ndarray, radius: int, epsilon: float = 1e-4) -> np.ndarray:
    """He et al. 2010 on the guide's luminance: the plane's edges move to the picture's."""
    gray = torch.from_numpy(guide @ LUMINANCE)[None, None].double()
    level = torch.from_numpy(plane)[None, None].double()
    return guided_blur(gray, level, 2 * radius + 1, epsilon, "replicate", separable=True)[0, 0].float().numpy()


def unmix(picture: np.ndarray, alpha: np.ndarray, radius: int) -> np.ndarray:
    """The foreground's own colors where alpha is between 0 and 1 (blur fusion, Forte 2021)."""
    weight = alpha[..., None]

    def mean(x: np.ndarray) -> np.ndarray:
        blurred = cv2.blur(x, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REPLICATE)
        return blurred.reshape(*blurred.shape[:2], -1)

    near = mean(picture * weight) / (mean(weight) + 1e-4)
    far = mean(picture * (1 - weight)) / (mean(1 - weight) + 1e-4)
    return (near + weight * (picture - weight * near - (1 - weight) * far)).clip(0, 1)


def compose(recipe: Recipe, find: Callable[[str], Path]) -> tuple[np.ndarray, np.ndarray]:
    """Composite [H,W,3] and mask [H,W], both in 0-1."""
    width, height = recipe.size
    canvas = scale(crop(read(find(recipe.background)), recipe.background_box), width, height)
    piece = crop(read(find(recipe.foreground)), recipe.foreground_box)
    left, top, share = recipe.place
    piece_width = round(share * width)
    piece = scale(piece, piece_width, round(piece_width * piece.shape[0] / piece.shape[1]))
    alpha = cut(piece, recipe)
    alpha[alpha < 0.02], alpha[alpha > 0.98] = 0, 1
    colors = unmix(piece, alpha, 4 * recipe.softness)
    if recipe.mirror:
        colors, alpha = colors[:, ::-1], alpha[:, ::-1]

    x, y = round(left * width), round(top * height)
    rows, columns = min(alpha.shape[0], height - y), min(alpha.shape[1], width - x)
    mask = np.zeros((height, width), np.float32)
    mask[y : y + rows, x : x + columns] = alpha[:rows, :columns]
    weight = alpha[:rows, :columns, None]
    spot = canvas[y : y + rows, x : x + columns]
    canvas[y : y + rows, x : x + columns] = weight * colors[:rows, :columns] + (1 - weight) * spot
    return canvas, mask


def package_folder(name: str, *parts: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent.joinpath(*parts) if spec and spec.origin else None


def main(
    wallpapers: Annotated[Path, typer.Argument(help="Folder that the wallpaper packages were extracted into.")],
    photos: Annotated[Path | None, typer.Option(help="Folder with china.jpg; by default scikit-learn's.")] = None,
    output: Annotated[Path, typer.Option(help="Folder to write the examples into.")] = HERE,
    only: Annotated[str | None, typer.Option(help="Name of a single example.")] = None,
) -> None:
    """Write <name>/composite.jpg and <name>/mask.png for every recipe, and index.json."""
    folders = [wallpapers, photos, package_folder("skimage", "data"), package_folder("sklearn", "datasets", "images")]

    def find(name: str) -> Path:
        for folder in filter(None, folders):
            for path in sorted(folder.rglob(name)):
                return path
        raise typer.BadParameter(f"{name} is in none of {[str(f) for f in folders if f]}.")

    for recipe in RECIPES:
        if only in (None, recipe.name):
            composite, mask = compose(recipe, find)
            folder = output / recipe.name
            folder.mkdir(parents=True, exist_ok=True)
            pixels = (composite[:, :, ::-1] * 255).round().astype(np.uint8)
            cv2.imwrite(str(folder / "composite.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 92])
            gray = (mask * 255).round().astype(np.uint8)
            cv2.imwrite(str(folder / "mask.png"), gray, [cv2.IMWRITE_PNG_COMPRESSION, 9])
            share = (mask >= 100 / 255).mean()
            typer.echo(f"{recipe.name}: {recipe.size[0]}x{recipe.size[1]}, foreground {share:.1%}")
    index = [
        {
            "name": recipe.name,
            "composite": f"{recipe.name}/composite.jpg",
            "mask": f"{recipe.name}/mask.png",
            "descriptions": recipe.descriptions,
        }
        for recipe in RECIPES
    ]
    (output / "index.json").write_text(json.dumps(index, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
