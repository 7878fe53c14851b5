"""The rows of a pass, counted where they run, in the pack's order of work and in the reference's."""

from dataclasses import replace

import pytest
import torch

from diff_harmonization.benchmarks.counting import Run, count_rows
from diff_harmonization.benchmarks.passes import WAYS, Way, exact, fast, fast_edges
from diff_harmonization.benchmarks.reference import reference_pass
from diff_harmonization.benchmarks.shapes import SHAPES, narrow, random_models, shallow

N = 4


@pytest.fixture(scope="module")
def shape():
    shape = narrow(SHAPES["sd2"], channels=32, width=32, latent=8)
    return shallow(shape)


@pytest.fixture(scope="module")
def models(shape):
    return random_models(shape)


WHOLE, TRAINED = Run("unet", "whole", "none"), Run("unet", "whole", "whole")
TEXT, TRAINED_TEXT = Run("text", "whole", "none"), Run("text", "whole", "whole")
DECODED, DECODED_FUSED = Run("decoder", "whole", "whole"), Run("fused decoder", "whole", "whole")
MAPS = Run("unet", "to the last map", "none")
BLOCKS, ATTENTION = Run("first blocks", "whole", "none"), Run("first attention", "whole", "none")


def first(blocks, attention):
    """Rows of what precedes the first text."""
    return {BLOCKS: blocks, ATTENTION: attention}


def test_the_reference_works_in_the_authors_order(shape, models):
    """49, 98, 145 evaluations for 50 steps are N - 1, 2 (N - 1) and one a timestep, then more, for N."""
    rows = count_rows(Way("reference", reference_pass, N), models, shape)
    n = N - 1
    assert rows == {
        "invert": {WHOLE: 2 * n} | first(2 * n, 2 * n),
        "refine": {
            Run("unet", "whole", "to the last map"): 4 * 2 * n,
            WHOLE: 4 * n,
            TRAINED_TEXT: 2 * 2 * n,
            TEXT: 2 * n,
        }
        | first(3 * 4 * n, 3 * 4 * n),
        "null-text": {TRAINED: 2 * n, WHOLE: 2 * n, DECODED: n} | first(4 * n, 4 * n),
        "edit": {WHOLE: 4 * n} | first(4 * n, 4 * n),
    }
    assert WAYS[0].run is reference_pass and WAYS[0].steps == 50


def test_the_exact_pass_leaves_out_what_the_result_does_not_need(shape, models):
    assert count_rows(Way("exact", exact, N), models, shape) == {
        "invert": {WHOLE: N, TEXT: 1} | first(N, N),
        "refine": {
            Run("unet", "to the last map", "to the last map"): 2 * 2 * N,
            WHOLE: 1,  # where the last map is
            TRAINED_TEXT: 2 * 2 * N,
            TEXT: 3,
        }
        | first(N + 1, N + 1),  # both rows and both optimizer steps share it; one row is evaluated alone
        "null-text": {TRAINED: N, WHOLE: N + N - 1, DECODED_FUSED: N} | first(N, N),
        "edit": {WHOLE: 3 * N} | first(2 * N - 1, 3 * N),  # all three start from one latent
    }


def test_the_fast_pass_looks_once_at_the_picture_for_each_noise_level(shape, models):
    assert count_rows(Way("fast", fast, N), models, shape) == {
        "invert": {WHOLE: N, TEXT: 1} | first(N, N),
        "refine": {WHOLE: 1, MAPS: N - 1, TRAINED_TEXT: 2 * 2 * N, TEXT: 3} | first(N, N),
        "edit": {WHOLE: 2 * N} | first(2 * N - 1, 2 * N),
    }


def test_fast_edges_decode_a_part_once_for_each_noise_level(shape, models):
    """More than 10 steps, so that some noise levels have two optimizer steps."""
    rows = count_rows(Way("fast, null-text", fast_edges, 20), models, replace(shape, latent=16))
    cropped = Run("cropped decoder", "whole", "whole")
    assert rows["null-text"] == {TRAINED: 30, WHOLE: 20 + 19, cropped: 20} | first(20, 20)


def test_hooks_do_not_stay(shape, models):
    count_rows(Way("fast", fast, 1), models, shape)
    networks = (models.model.model, models.clip.cond_stage_model, models.vae.first_stage_model)
    assert not any(m._forward_hooks or m._forward_pre_hooks for network in networks for m in network.modules())


@pytest.mark.parametrize("run", [reference_pass, exact, fast])
def test_every_way_gives_a_latent(shape, models, run):
    marked = []

    class Mark:
        def __init__(self, stage):
            marked.append(stage)

        __enter__ = __exit__ = lambda *_: None

    latent = Way("", run, 2)(models, shape, Mark)
    assert latent.shape == (1, 4, 8, 8) and bool(torch.isfinite(latent).all())
    assert marked == ["invert", "refine", *(["null-text"] if run is not fast else []), "edit"]
