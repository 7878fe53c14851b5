"""Estimated memory: the ways down each take something away, and every stage ends within 6 GiB."""

import pytest
import torch
from torch import nn

from diff_harmonization.benchmarks.peaks import (
    GIB,
    Kept,
    after,
    before,
    decoder_kept,
    decoder_recomputed,
    text_kept,
    unet_kept,
    weight_bytes,
)
from diff_harmonization.benchmarks.shapes import SHAPES, narrow, shallow


@pytest.fixture(scope="module")
def shape():
    shape = narrow(SHAPES["sd2"], channels=32, width=32, latent=16)
    return shallow(shape)


def test_kept_counts_each_storage_once_and_no_weight():
    layer = nn.Linear(4, 4, bias=False).requires_grad_(False)
    x = torch.ones(8, 4, requires_grad=True)
    for copies, times in ((False, 1), (True, 2)):
        kept = Kept(layer, spare=False, copies=copies)
        with kept.counted():
            y = layer(x)
            (y * y).sum()
        assert kept.bytes == times * 8 * 4 * 4  # y alone, which is kept twice


def test_weight_bytes_are_counted_at_the_size_asked_for():
    assert weight_bytes(nn.Linear(3, 5)) == 2 * 20 and weight_bytes(nn.Linear(3, 5), 4) == 80


def test_each_way_down_takes_something_away(shape):
    whole, part = (unet_kept(shape, 2, to_last_map=last, spare=False) for last in (False, True))
    assert part < whole
    for last in (False, True):
        assert unet_kept(shape, 2, last, spare=True) < 0.8 * unet_kept(shape, 2, last, spare=False)
    assert text_kept(shape, 2, torch.float32) < 0.8 * text_kept(shape, 2, torch.float16)
    assert text_kept(shape, 2, torch.float32) == 2 * text_kept(shape, 1, torch.float32)
    (inputs, block), kept = (work(shape, fused=False) for work in (decoder_recomputed, decoder_kept))
    assert inputs + block < 0.5 * kept and block < 0.25 * kept
    assert sum(decoder_recomputed(shape, fused=True)) <= inputs + block and decoder_kept(shape, fused=True) < kept


@pytest.mark.parametrize("size", ["sd15", "sd2"])
def test_every_stage_fits_6_gib_where_the_vae_computes_again(size):
    old, new = ({peak.stage: peak for peak in peaks(SHAPES[size])} for peaks in (before, after))
    assert all(new[stage].total < peak.total for stage, peak in old.items())
    assert max(peak.total for peak in old.values()) > 11 * GIB
    assert all(peak.total < 6 * GIB for stage, peak in new.items() if stage != "null-text, edges")


def test_every_stage_of_sdxl_fits_12_gib_where_activations_go_to_the_cpu():
    new = {peak.stage: peak.total / GIB for peak in after(SHAPES["sdxl"])}
    assert new["null-text, edges"] > 24 and new["refine, later"] > 12
    short = ("refine, activations on the CPU", "null-text, no edges, activations on the CPU", "null-text, edges, both")
    assert all(new[stage] < 10 for stage in short)  # the operation at work comes on top
