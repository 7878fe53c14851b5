"""The report, and how a browser shows it."""

import csv
import io
from dataclasses import replace

import pytest

from diff_harmonization.cli.batch import report as module
from diff_harmonization.cli.batch.items import Item
from diff_harmonization.cli.batch.manifest import Manifest, Record
from diff_harmonization.cli.batch.report import CSV, HTML, write_reports


@pytest.fixture
def reported(job, items, tmp_path):
    """Three results that nothing made, with names and errors that would break a careless page."""
    job = replace(job, output=job.source)
    found = [replace(item, name=f"{item.name} <b>&", result=item.picture) for item in items[:3]]
    found.append(Item("bad <i>.jpg", "x", "y", "z", "s"))

    def write(manifest):
        job_out = replace(job, output=type(job.output)(str(tmp_path / "report")))
        write_reports(job_out, manifest)
        return (tmp_path / "report" / HTML).read_text(), (tmp_path / "report" / CSV).read_text()

    with Manifest(tmp_path / "m.sqlite") as manifest:
        manifest.take_up(found, "s", ())
        for place, item in enumerate(found[:3]):
            told = f'say "{place}"\nmore'
            manifest.record(Record(item.name, "done", "i", "o", 0.5, (0.9, 0.3, 0.5)[place], 2.0, told))
        manifest.record(Record(found[3].name, "failed", error="broken <script>alert(1)</script>"))
        yield found, write(manifest), lambda: write(manifest)


def test_the_table_has_a_line_for_each_picture(reported):
    found, (_, table), _ = reported
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["name"] for row in rows] == [item.name for item in found]
    assert [row["state"] for row in rows] == ["done", "done", "done", "failed"]
    assert rows[0]["told"] == 'say "0"\nmore'


def test_the_page_tells_all_and_believes_nothing(reported):
    _, (page, _), _ = reported
    assert "<script" not in page and "<b>&</b>" not in page
    assert "3 harmonized, 1 failed" in page
    assert "scores 1 of 3 results higher" in page and "2.00 s for each picture" in page
    assert [page.index(text) for text in ("0.500 → 0.300", "0.500 → 0.500", "0.500 → 0.900")] == sorted(
        page.index(text) for text in ("0.500 → 0.300", "0.500 → 0.500", "0.500 → 0.900")
    )


def test_a_large_batch_shows_the_lowest_scores(reported, monkeypatch):
    monkeypatch.setattr(module, "SHOWN", 2)
    page, table = reported[2]()
    assert page.count("<figure") == 2 and "0.500 → 0.900" not in page
    assert f"1 more are in {CSV}" in page and table.count("done") == 3


def test_a_result_that_is_gone_is_said(reported, job):
    page = reported[1][0]
    assert page.count("FileNotFound") == 0
    assert page.count("No such file") == 3  # the results lie elsewhere here; the composites are shown
    assert page.count("<img") == 3
