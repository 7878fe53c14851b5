"""Small photographs, and pairs of a composite and its truth, on disk."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from diff_harmonization.data.photos import Photo
from diff_harmonization.data.recoloring import lab

SIZE = 40


def write_picture(path: Path, values: torch.Tensor) -> None:
    """Write [H,W,3] or [H,W] in 0-1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (values.clamp(0, 1) * 255).round().byte().numpy()
    Image.fromarray(np.ascontiguousarray(pixels)).save(path)


def picture(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A textured scene with a box in it, and the box's mask."""
    generator = torch.Generator().manual_seed(seed)
    base, tone = torch.rand(2, 3, generator=generator) * 0.6 + 0.2
    mask = torch.zeros(SIZE, SIZE)
    mask[12:28, 10:26] = 1
    image = torch.where(mask[..., None] > 0, tone, base)
    return (image + 0.06 * torch.randn(SIZE, SIZE, 3, generator=generator)).clamp(0, 1), mask


def to_lab(image: torch.Tensor) -> torch.Tensor:
    """[H,W,3] in 0-1 to Lab."""
    return lab.to_lab(image.movedim(-1, 0)[None])[0].movedim(0, -1)


def write_index(path: Path, columns: list[str], rows: list[list]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


@pytest.fixture
def photos(tmp_path) -> list[Photo]:
    """Five photos: three trees, a car, a horse."""
    folder, names = tmp_path / "photos", ["tree", "car", "tree", "tree", "horse"]
    for seed, _ in enumerate(names):
        image, mask = picture(seed)
        write_picture(folder / "images" / f"p{seed}.jpg", image)
        write_picture(folder / "masks" / f"p{seed}.png", mask)
    write_index(
        folder / "index.csv", ["id", "kind", "object"], [[f"p{i}", "natural", name] for i, name in enumerate(names)]
    )
    return [Photo(f"p{i}", name, True, folder) for i, name in enumerate(names)]


@pytest.fixture
def pairs_folder(tmp_path) -> Path:
    """Two pairs whose objects are too dark and too blue."""
    folder = tmp_path / "pairs"
    for seed, shift in enumerate([(-0.2, -0.2, -0.2), (-0.15, -0.05, 0.1)]):
        truth, mask = picture(seed)
        composite = torch.where(mask[..., None] > 0, truth + torch.tensor(shift), truth)
        for kind, values in (("truths", truth), ("composites", composite), ("masks", mask)):
            write_picture(folder / kind / f"{seed}.png", values)
    write_index(folder / "index.csv", ["id", "object"], [[0, "tree"], [1, "car"]])
    return folder


@pytest.fixture
def write_set(tmp_path):
    """Writes a photo set of natural photos and of composites, whose objects are bright red, under the given ids."""

    def write(natural: list[str], composites: list[str]) -> Path:
        folder, rows = tmp_path / "set", []
        for seed, photo_id in enumerate([*natural, *composites]):
            image, mask = picture(seed)
            if photo_id in composites:
                image = torch.where(mask[..., None] > 0, torch.tensor([0.9, 0.1, 0.1]), image)
            write_picture(folder / "images" / f"{photo_id}.jpg", image)
            write_picture(folder / "masks" / f"{photo_id}.png", mask)
            rows.append([photo_id, "composite" if photo_id in composites else "natural", "tree"])
        write_index(folder / "index.csv", ["id", "kind", "object"], rows)
        return folder

    return write


@pytest.fixture
def composites_folder(tmp_path) -> Path:
    """Two composites without truths, the second wider than high."""
    folder = tmp_path / "composites"
    for seed, (name, width) in enumerate([("011", SIZE), ("003", 2 * SIZE)]):
        image, mask = picture(seed)
        write_picture(folder / f"{name}.jpg", image.repeat(1, width // SIZE, 1))
        write_picture(folder / f"{name}_mask.png", torch.nn.functional.pad(mask, (0, width - SIZE)))
    columns = ["id", "width", "height", "object", "foreground", "background"]
    rows = [["011", SIZE, SIZE, "boy", "sunny", "bright"], ["003", 2 * SIZE, SIZE, "house", "bright", "cloudy"]]
    write_index(folder / "index.csv", columns, rows)
    return folder
