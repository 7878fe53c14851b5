"""The table against figures that are computed here, in another way."""

import math

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from diff_harmonization.benchmarks.baselines import nothing
from diff_harmonization.benchmarks.iharmony4 import METHODS, scores_of, subset_table
from diff_harmonization.benchmarks.metrics import mean_score
from diff_harmonization.benchmarks.quality import area_table, measure
from diff_harmonization.data.iharmony4 import Sample, pairs, read_samples, write_lists

BOXES = {"HCOCO": [(10, 20), (60, 60)], "HFlickr": [(100, 160)]}  # (height, width) of each object


@pytest.fixture
def data_set(tmp_path):
    """Three composites of 256 pixels whose object is off by 10, 20 and 30 levels; PNG, which keeps every level."""
    lines = []
    for subset, boxes in BOXES.items():
        names = [f"p{index}_1_1.png" for index in range(len(boxes))]
        for name, (height, width) in zip(names, boxes, strict=True):
            composite, mask, truth = Sample(tmp_path / subset, name).files
            for path in (composite, mask, truth):
                path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(len(lines)).integers(50, 200, (256, 256, 3), np.uint8)
            Image.fromarray(pixels).save(truth)
            plane = np.zeros((256, 256), np.uint8)
            plane[:height, :width] = 255
            Image.fromarray(plane).save(mask)
            pixels[:height, :width] += np.uint8(10 * (len(lines) + 1))
            Image.fromarray(pixels).save(composite)
            lines.append((subset, name))
        write_lists(tmp_path, subset, {"test": names, "train": ()})
    (tmp_path / "IHD_test.txt").write_text("".join(f"{s}/composite_images/{n}\n" for s, n in lines))
    return tmp_path


@pytest.fixture
def results(data_set):
    return measure(pairs(read_samples(data_set, "test")), {"nothing": nothing}, 3)


def expected():
    """(fMSE, MSE, PSNR) of each composite, from the sizes of the boxes."""
    rows = []
    for index, (height, width) in enumerate(box for boxes in BOXES.values() for box in boxes):
        fmse = (10 * (index + 1)) ** 2
        mse = fmse * height * width / 256**2
        rows.append((fmse, mse, 10 * math.log10(255**2 / mse)))
    return rows


def test_figures_of_every_composite(results):
    for (fmse, mse, psnr), (_, _, found) in zip(expected(), results["nothing"], strict=True):
        assert (found.fmse, found.mse, found.psnr) == pytest.approx((fmse, mse, psnr), rel=1e-4)


def test_means_by_subset_and_over_all(results):
    rows = expected()
    for subset, chosen in {"HCOCO": rows[:2], "HFlickr": rows[2:], "all": rows}.items():
        found = mean_score(scores_of(results["nothing"], subset))
        mean = [sum(values) / len(chosen) for values in zip(*chosen, strict=True)]
        assert (found.fmse, found.mse, found.psnr) == pytest.approx(tuple(mean), rel=1e-4)


def test_the_tables_print_them(results):
    console = Console(width=200, record=True)
    console.print(subset_table(results), area_table(results))
    text = console.export_text()
    rows = expected()
    mean = [sum(values) / 3 for values in zip(*rows, strict=True)]
    assert "HCOCO (n=2)" in text and "HFlickr (n=1)" in text and "all (n=3)" in text
    assert f"{mean[2]:.2f} / {mean[1]:.1f} / {mean[0]:.1f}" in text
    assert "0-5% (n=1)" in text and "5-15% (n=1)" in text and "15-100% (n=1)" in text


def test_every_method_of_the_pack_is_there():
    ours = {"one_pass", "loop", "loop_following", "one_box", "routed", "routed_judged", "diffharmony"}
    assert set(METHODS) == {"nothing", "color_transfer"} | ours
