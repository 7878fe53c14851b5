"""Make what the templates need beside the examples: masks of parts, and an object on transparency.

    python -m diff_harmonization.tools.make_template_pictures

All of them are cut out of the example `person_mountain`; its foreground is in the public domain.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[1] / "workflows" / "examples"
NECK = 0.615  # of the picture's height: above it is the head
HELMET = 0.602, 0.765  # left and top of the helmet, as shares of the picture
SIDE = 560  # of the pasted object, pixels


def main() -> None:
    """Write workflows/examples/template."""
    source, folder = EXAMPLES / "person_mountain", EXAMPLES / "template"
    folder.mkdir(exist_ok=True)
    with Image.open(source / "composite.jpg") as picture, Image.open(source / "mask.png") as plane:
        composite, mask = picture.convert("RGB"), plane.convert("L")
    pixels = np.asarray(mask)
    height, width = pixels.shape
    rows, columns = np.arange(height)[:, None] / height, np.arange(width)[None] / width
    head, helmet = rows + 0 * columns < NECK, (columns > HELMET[0]) & (rows > HELMET[1])
    parts = {"head": head, "body": ~head, "person": ~helmet, "helmet": helmet}
    for name, where in parts.items():
        Image.fromarray(np.where(where, pixels, 0).astype(np.uint8)).save(folder / f"{name}.png", optimize=True)
    pasted = composite.copy()
    pasted.putalpha(mask)
    pasted = pasted.crop(mask.getbbox())
    pasted.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    pasted.save(folder / "object.png", optimize=True)


if __name__ == "__main__":
    main()
