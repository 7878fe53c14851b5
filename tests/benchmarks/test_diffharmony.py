import pytest
import torch
from mini_diffharmony import lively_weights, write_lively
from rich.console import Console

from diff_harmonization.benchmarks.diffharmony import (
    SETTINGS,
    Decoded,
    bundles,
    decoded,
    decoder_table,
    diffharmony,
    diffharmony_methods,
    psnr_inside,
)
from diff_harmonization.core.view import cut, find_view
from diff_harmonization.data.composites import Pasted
from diff_harmonization.data.pairs import build_pairs
from diff_harmonization.host.diffharmony.harmonizer import harmonize
from diff_harmonization.mini.diffharmony.loader import assembled


@pytest.fixture(autouse=True)
def executor():
    """Runs a test as the host runs a node."""
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def models():
    with torch.inference_mode():
        weights = lively_weights()
        return assembled(weights, weights, "harmonize")


@pytest.fixture
def pair(photos):
    return next(build_pairs(photos))


def test_the_rows_differ_inside_the_mask_alone(models, pair):
    results = {name: method(pair) for name, method in diffharmony_methods(models, variants=True).items()}
    assert list(results) == [
        "DiffHarmony, 4 seeds",
        "DiffHarmony, 4 seeds, judged",
        "DiffHarmony, 1 seed",
        "DiffHarmony, 4 seeds, plain VAE",
        "DiffHarmony, 4 seeds, pixels",
    ]
    for result in results.values():
        assert torch.equal(result[pair.mask == 0], pair.composite[pair.mask == 0])
    four, _, one, plain, pixels = results.values()
    assert not torch.equal(one, four) and not torch.equal(four, pixels)
    assert torch.allclose(four, plain, atol=1e-3)  # with its skips at zero Harmony-VAE is the plain one
    expected = harmonize(models, pair.composite[None], pair.mask[None], SETTINGS, count=4, carry="lut").image[0]
    assert torch.equal(four, expected)


def test_an_object_too_small_for_the_latent_is_left(models):
    image, dots = torch.rand(64, 64, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(64, 64)
    dots[1, 1] = dots[62, 62] = 1  # neither is where the latent's pixels are sampled, at multiples of 4
    assert torch.equal(diffharmony(models)(Pasted("dots", "tree", image, dots)), image)


def test_the_truth_s_latent_is_decoded_by_both(models, pair):
    found = decoded(models, pair, 64)
    view = find_view(pair.mask)
    truth, mask = cut(pair.truth[None], pair.mask[None], view, 64)
    plain = models.vae.decode(models.vae.encode(truth))
    assert found.plain == pytest.approx(psnr_inside(plain, truth, (mask >= 100 / 255).float()), abs=1e-4)
    assert found.harmony == pytest.approx(found.plain, abs=0.05)  # its skips are at zero


def test_psnr_inside_the_mask():
    truth = torch.full((1, 4, 4, 3), 100 / 255)
    picture, mask = truth.clone(), torch.zeros(1, 4, 4)
    mask[:, :2] = 1
    picture[:, :2] += 10 / 255
    picture[:, 2:] += 90 / 255
    assert psnr_inside(picture, truth, mask) == pytest.approx(28.13, abs=0.01)  # 20 log10(255 / 10)


def test_the_table_of_decoders():
    console = Console(width=150, record=True)
    console.print(decoder_table({("zero", 64): [Decoded(20.0, 25.0), Decoded(22.0, 28.0)]}))
    text = console.export_text()
    assert "21.00" in text and "26.50" in text and "+5.50" in text and "n=2" in text


def test_networks_of_files_are_named_by_their_folders(tmp_path, pair):
    files = [write_lively(tmp_path / name / "bundle.safetensors", seed) for seed, name in enumerate(("one", "two"))]
    networks = bundles(files)
    assert list(networks) == ["one", "two"]
    first, second = (diffharmony(models, seeds=1)(pair) for models in networks.values())
    assert not torch.equal(first, second)
