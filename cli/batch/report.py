"""The report on a batch: report.csv with a line for each picture, and report.html to look at."""

from __future__ import annotations

import base64
import csv
import io
import sqlite3
from html import escape
from pathlib import Path
from string import Template

from PIL import Image

from ...data.pictures import decode_picture
from .location import Location
from .manifest import Manifest
from .work import Job

TEMPLATE = Path(__file__).with_name("report.html")
HTML, CSV = "report.html", "report.csv"
SHOWN = 500  # pictures at most
SIDE = 220  # pixels, of a small picture's longer side
COLUMNS = "name", "state", "before", "after", "seconds", "result", "error", "told", "input_hash", "result_hash"


def write_reports(job: Job, manifest: Manifest) -> None:
    """Write both reports beside the results.

    The page shows the results with the lowest scores, at most SHOWN of them: those are what a person should look at.
    """
    job.output.write(CSV, _table(manifest).encode())
    job.output.write(HTML, _page(job, manifest).encode())


def _table(manifest: Manifest) -> str:
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(COLUMNS)
    lines.writerows([row[column] for column in COLUMNS] for row in manifest.rows())
    return text.getvalue()


def _page(job: Job, manifest: Manifest) -> str:
    counts = manifest.counts()
    done, failed, waiting = counts["done"], counts["failed"], counts["waiting"]
    better = sum(1 for row in manifest.rows("state = 'done' AND after > before"))
    every = manifest.total_seconds() / done if done else 0.0
    summary = f"{done} harmonized, {failed} failed" + (f", {waiting} waiting" if waiting else "")
    shown = list(manifest.rows("state = 'done'", "after, place", SHOWN))
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        summary=escape(summary),
        method=escape(job.settings.method),
        gain=escape(f"The evaluator scores {better} of {done} results higher than their composites."),
        seconds=f"{every:.2f}",
        errors="\n".join(map(_error, manifest.rows("state = 'failed'", limit=SHOWN))),
        more_errors=_left_out(failed),
        no_errors="hidden" if not failed else "",
        cells="\n".join(_cell(job, row) for row in shown),
        more_cells=_left_out(done),
    )


def _left_out(count: int) -> str:
    return f"{count - SHOWN} more are in {CSV}." if count > SHOWN else ""


def _error(row: sqlite3.Row) -> str:
    return f"<tr><th>{escape(row['name'])}</th><td>{escape(row['error'])}</td></tr>"


def _cell(job: Job, row: sqlite3.Row) -> str:
    pictures = _small(job.source, row["picture"]), _small(job.output, row["result"])
    gain = row["after"] - row["before"]
    kind = "same" if abs(gain) < 0.0005 else "up" if gain > 0 else "down"
    return (
        f'<figure title="{escape(row["told"])}">{"".join(pictures)}<figcaption><b>{escape(row["name"])}</b> '
        f'<span class="{kind}">{row["before"]:.3f} → {row["after"]:.3f}</span></figcaption></figure>'
    )


def _small(location: Location, name: str) -> str:
    """A picture as it is shown, inside the page; words where its file is gone."""
    try:
        picture = decode_picture(location.read(name))
    except (OSError, ValueError) as error:
        return f"<span>{escape(name)}: {escape(str(error))}</span>"
    values = picture.pixels >> 8 if picture.deep else picture.pixels
    small, buffer = Image.fromarray(values.astype("uint8")), io.BytesIO()
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    small.save(buffer, "JPEG", quality=85, icc_profile=picture.profile)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img src="data:image/jpeg;base64,{data}" width="{small.width}" height="{small.height}" alt="">'
