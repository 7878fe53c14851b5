import re

import pytest
import torch
from typer.testing import CliRunner

from diff_harmonization.benchmarks import null_text
from diff_harmonization.benchmarks.__main__ import app
from diff_harmonization.benchmarks.metrics import Score
from diff_harmonization.benchmarks.null_text import Reconstruction, conditional_once, table
from diff_harmonization.data.photos import split_ids
from diff_harmonization.methods.zero_shot.null_text import NullTextSettings


class MatrixDenoiser:
    """Noise that is a matrix product of the context: a row costs as much backward as forward."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        self.weights = torch.randn(5 * 4, 3 * 6 * 6, generator=generator, dtype=torch.float64)
        self.rows = []

    def __call__(self, latent, sigma, context, control=None):
        self.rows.append(len(context))
        return (context.flatten(1) @ self.weights).tanh().view_as(latent)


@pytest.fixture
def matrix():
    """The denoiser, and the saving on it."""
    denoise = MatrixDenoiser()
    generator = torch.Generator().manual_seed(1)
    latent, context = (torch.randn(n, generator=generator, dtype=torch.float64) for n in ((1, 3, 6, 6), (2, 5, 4)))
    return denoise, conditional_once(denoise, latent, context, repeats=1)


def test_one_conditional_row_gives_the_same_gradients_for_less(matrix):
    denoise, saving = matrix
    assert saving.difference < 1e-12
    # one row each: source once, then 3 times forward and backward, then onwards; against two rows but for the first
    assert saving.flops / saving.reference_flops == pytest.approx((1 + 3 * 2 + 1) / (2 * (3 * 2 + 1)))
    assert denoise.rows[:5] == [1] * 5 and denoise.rows[5:9] == [2] * 4
    assert saving.comparison.seconds > 0


def test_the_table_tells_the_ratio_of_means_and_the_lowest():
    scores = [(Score(20, 100.0, 90.0), Score(30, 10.0, 9.0)), (Score(20, 300.0, 90.0), Score(22, 90.0, 9.0))]
    found = [Reconstruction(str(i), *pair, seconds=4.0) for i, pair in enumerate(scores)]
    drawn = table(found, 50, NullTextSettings())
    cells = [list(column.cells) for column in drawn.columns]
    assert cells[1] == ["20.00 / 200.0 / 90.0", "26.00 / 50.0 / 9.0"]
    assert [column[1] for column in cells[2:]] == ["4.0", "3.3", "4.0"]


def test_the_command_lowers_the_error_of_a_photo(write_set, matrix, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(null_text, "saving", lambda repeats: matrix[1])  # on the embedded model: seconds more
    folder = write_set([split_ids()["tune"][0]], [])
    command = ["null_text", "--photos", str(folder), "--split", "tune", "--steps", "8"]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0 and "Reconstruction of 1 photos, 8 steps, guidance 2.5" in result.stdout
    plain, optimized = (
        float(re.search(rf"{name} +│ [\d.]+ / ([\d.]+) /", result.stdout)[1])
        for name in ("the empty prompt", "null-text")
    )
    assert optimized < plain
    assert float(re.search(r"differ by ([\d.e+-]+) of", result.stdout)[1]) < 1e-12
    assert re.search(r"ratio +│ 0.57x", result.stdout)


def test_a_folder_without_photos_of_the_split(write_set):
    result = CliRunner().invoke(app, ["null_text", "--photos", str(write_set(["n1"], []))])
    assert result.exit_code == 2
    assert "no natural photo of the split 'report'" in " ".join(result.output.replace("│", " ").split())
