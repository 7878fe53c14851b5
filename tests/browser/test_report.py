"""The report of a batch, as its reader sees it."""

import shutil

import pytest
from photo_sets import photo_set  # noqa: F401
from selenium.webdriver.common.by import By
from typer.testing import CliRunner

from diff_harmonization.cli.__main__ import app
from diff_harmonization.cli.batch.report import HTML


@pytest.mark.usefixtures("threads")
def test_every_picture_is_shown_and_every_error_is_said(chromium, photo_set, tmp_path):  # noqa: F811
    folder = shutil.copytree(photo_set, tmp_path / "in")
    (folder / "images" / "t3.jpg").write_bytes(b"torn")
    CliRunner().invoke(app, ["batch", str(folder), "--method", "routed", "--out", str(tmp_path / "out")])
    chromium.get_log("browser")  # of the pages before
    chromium.get((tmp_path / "out" / HTML).as_uri())
    pictures = chromium.find_elements(By.CSS_SELECTOR, "figure img")
    assert len(pictures) == 2 * 7
    assert all(chromium.execute_script("return arguments[0].naturalWidth > 0", picture) for picture in pictures)
    (row,) = chromium.find_elements(By.CSS_SELECTOR, "tr")
    assert row.is_displayed() and row.text.startswith("t3.jpg")
    assert "7 harmonized, 1 failed" in chromium.find_element(By.TAG_NAME, "h1").text
    assert chromium.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert [entry for entry in chromium.get_log("browser") if entry["level"] == "SEVERE"] == []
