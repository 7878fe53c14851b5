"""Make the templates' thumbnails: the picture before and after, from runs on a server with the pack.

    python -m diff_harmonization.tools.make_thumbnails http://127.0.0.1:8188 [NAME]...

A template that wants weights or a key which do not ship is shown with its picture alone, and says what it needs.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image, ImageDraw, ImageFont

from ..cli.client import Client

WORKFLOWS = Path(__file__).resolve().parents[1] / "workflows"
SIDE, GAP = 400, 8  # of each half, and between them, pixels
PASSES = 3  # of a loop at most; a thumbnail shows what it does, not the best that it can do
NEEDS = {
    "harmonize_gemini": "Words by Gemini.\nNeeds your API key.",
    "harmonize_sd2": "One pass with your\nStable Diffusion 1.5 or 2\ncheckpoint.",
    "harmonize_sdxl": "One pass with your\nSDXL checkpoint.",
    "harmonize_sd15_lora_controlnet": "Stable Diffusion 1.5\nwith your LoRA and\nControlNet.",
    "painterly": "Into a painting.\nNeeds your Stable\nDiffusion checkpoint.",
    "diffharmony": "DiffHarmony++.\nNeeds weights that\ndo not ship.",
    "inverse_harmonization": "Composites of a\nreal picture. Needs weights\nthat do not ship.",
}
GROUND, INK = (40, 40, 44), (235, 235, 235)


def main(
    server: Annotated[str, typer.Argument(help="A running server, such as http://127.0.0.1:8188.")],
    names: Annotated[list[str] | None, typer.Argument(help="Templates; without any, all.")] = None,
) -> None:
    """Write workflows/NAME.jpg."""
    client = Client(server.rstrip("/"))
    for path in sorted((WORKFLOWS / "api").glob("*.json")):
        if not names or path.stem in names:
            graph = json.loads(path.read_text(encoding="utf-8"))
            left, right = halves(client, graph, path.stem)
            drawn = Image.new("RGB", (2 * SIDE + GAP, SIDE), "white")
            drawn.paste(left, (0, 0))
            drawn.paste(right, (SIDE + GAP, 0))
            drawn.save(WORKFLOWS / f"{path.stem}.jpg", quality=88)


def halves(client: Client, graph: dict[str, Any], name: str) -> tuple[Image.Image, Image.Image]:
    """The square around the object before and after, or a panel that says what is needed."""
    if name in NEEDS:
        before = picture(client, {"filename": graph["composite"]["inputs"]["image"], "subfolder": "", "type": "input"})
        return square(before), panel(NEEDS[name])
    for node in graph.values():
        if "max_passes" in node["inputs"]:
            node["inputs"]["max_passes"] = PASSES
    outputs = client.run(graph, timeout=3600)
    pair = picture(client, outputs["save_side"]["images"][0])
    return square(pair.crop((0, 0, pair.width // 2, pair.height))), square(
        pair.crop((pair.width - pair.width // 2, 0, pair.width, pair.height))
    )


def picture(client: Client, file: dict[str, str]) -> Image.Image:
    with Image.open(io.BytesIO(client.view(file))) as opened:
        return opened.convert("RGB")


def square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, image.height - side
    return image.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def panel(text: str) -> Image.Image:
    drawn = Image.new("RGB", (SIDE, SIDE), GROUND)
    pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(32)
    pen.multiline_text((SIDE / 2, SIDE / 2), text, INK, font, anchor="mm", align="center", spacing=10)
    return drawn


if __name__ == "__main__":
    typer.run(main)
