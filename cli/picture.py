"""`harmonize` and `score`: one picture."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from torch import Tensor

from ..color.cube import save_cube
from ..data.output import JsonOption, Output, ThreadsOption
from ..data.pictures import Picture, decode_mask, decode_picture, encode_picture, lossless_suffix
from .methods import MethodName, Settings, described, load_judge, make_method

ImageArgument = Annotated[Path, typer.Argument(help="The composite.")]
MaskArgument = Annotated[Path, typer.Argument(help="A picture of its size: white on the pasted object, else black.")]
MethodOption = Annotated[
    MethodName,
    typer.Option(
        help="auto: the routed network, and the evaluator chooses how much to change. routed: the routed network "
        "alone. diffharmony: the small DiffHarmony that ships with the pack; routed does better. words: the "
        "zero-shot loop with the embedded model; takes a minute or more."
    ),
]
StrengthOption = Annotated[
    float | None,
    typer.Option(min=0, max=10, help="How much to change: 0 is nothing. By default 1, for words 0.7."),
]
DescribeOption = Annotated[
    str,
    typer.Option(
        help="For words: the object's name, such as 'dog'; or the words too, as 'dog bright, dog dusk', with ';' "
        "between alternatives. By default statistics choose the words."
    ),
]


def harmonize(
    image: ImageArgument,
    mask: MaskArgument,
    method: MethodOption = "auto",
    describe: DescribeOption = "",
    strength: StrengthOption = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The result: .png, .tif, .jpg or .webp. By default NAME_harmonized.png, for a TIFF .tif."),
    ] = None,
    cube: Annotated[
        bool, typer.Option(help="Also write the change of color as a .cube LUT beside the result.")
    ] = False,
    threads: ThreadsOption = 1,
    json: JsonOption = False,
) -> None:
    """Harmonize one picture. Profile, EXIF, bit depth and alpha stay; outside the mask no value changes."""
    output = Output(json)
    with output.errors():
        place = out or image.with_name(f"{image.stem}_harmonized{lossless_suffix(image.name)}")
        picture, plane = read_pair(image, mask)
        settings = Settings(method, strength, describe, threads)
        shows = described("", settings)
        encode_picture(picture, place.suffix)  # a name that cannot hold the picture is told before the work
        run, begun = make_method(settings), time.monotonic()
        done = run(picture.colors(), plane, shows)
        place.write_bytes(encode_picture(picture.with_colors(done.image), place.suffix))
        lut = save_cube(done.lut, place.with_suffix(".cube")) if cube else None
        seconds = time.monotonic() - begun
        words = f"{place}\nscore {done.before:.3f} -> {done.after:.3f} in {seconds:.1f} s\n{done.told}"
        facts = {"result": str(place), "cube": None if lut is None else str(lut), "told": done.told}
        output.tell(words, **facts, before=done.before, after=done.after, seconds=round(seconds, 3))


def score(image: ImageArgument, mask: MaskArgument, json: JsonOption = False) -> None:
    """The evaluator's score from 0 to 1: how well the object belongs."""
    output = Output(json)
    with output.errors():
        picture, plane = read_pair(image, mask)
        value = float(load_judge().score(picture.colors()[None], plane[None]))
        output.tell(f"{value:.3f}", score=value)


def read_pair(image: Path, mask: Path) -> tuple[Picture, Tensor]:
    """A picture and its mask [H,W] from two files.

    Raises:
        OSError, ValueError: when one cannot be read, or the mask has another size. It names the file.
    """
    pair = []
    for path, decode in ((image, decode_picture), (mask, decode_mask)):
        try:
            pair.append(decode(path.read_bytes()))
        except ValueError as error:
            raise ValueError(f"{path}: {error}.") from error
    picture, plane = pair
    require_one_size(picture, plane)
    return picture, plane


def require_one_size(picture: Picture, plane: Tensor) -> None:
    """Raises ValueError when a mask [H,W] has another size than its picture."""
    (height, width), (own_height, own_width) = picture.pixels.shape[:2], plane.shape
    if (height, width) != (own_height, own_width):
        raise ValueError(f"the mask is {own_width}x{own_height}, expected {width}x{height} like the picture")
