"""The edge terms of a part against those of the whole, on the embedded trained VAE."""

import pytest
from rich.console import Console

from diff_harmonization.benchmarks.crop import MARGINS, SIGMAS, Loss, measure, table


def test_a_part_has_nearly_the_gradient_of_the_whole(photos):
    found = measure(photos[:1])
    shares = [found[margin][0].share for margin in MARGINS]
    assert shares == sorted(shares) and 0 < shares[0] < shares[-1] <= 1
    assert all(len(losses) == len(SIGMAS) for losses in found.values())
    assert all(loss.cosine > 0.98 and 0 <= loss.difference < 0.2 for losses in found.values() for loss in losses)
    with pytest.raises(ValueError, match="no photos to decode"):
        measure([])


def test_the_table_has_means_and_the_worst():
    console = Console(record=True, width=140)
    console.print(table({margin: [Loss(0.25, 1.0, 0.0), Loss(0.75, 0.9, 0.2)] for margin in MARGINS}))
    text = console.export_text()
    assert all(cell in text for cell in ("n=2", "0.50", "0.9500", "0.9000", "0.100", "0.200"))
