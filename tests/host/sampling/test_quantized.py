"""Every stage on a MODEL whose weights are quantized gives what the numbers they stand for give."""

import pytest
import tiny_models
import torch
from quantized_models import Sealed, pack, quantized_and_plain

from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.host.zero_shot.stages import edit_trajectory, invert_latent, refine_words
from diff_harmonization.methods.zero_shot.refinement import RefinementSettings
from diff_harmonization.mini.loader import load_mini

WORDS = ImagingDescription("cat", ("warm",), ("cold",))


def stages(model, clip, latent):
    """What inversion, refinement and edit give, and the inversion again."""
    mask = torch.zeros(1, 64, 64)
    mask[:, 16:40, 20:48] = 1
    path = invert_latent(model, clip, latent, 2)
    refined = refine_words(model, clip, path, WORDS, mask, RefinementSettings(steps_per_timestep=1))
    edited = edit_trajectory(model, path, refined)
    return path.latents, refined.target, edited, invert_latent(model, clip, latent, 2).latents


def distances(found, expected):
    return [float((a - b).norm() / b.norm()) for a, b in zip(found, expected, strict=True)]


@pytest.mark.parametrize("algorithm", ["float8_e4m3fn", "int8_tensorwise"])
def test_the_hosts_quantized_weights(tmp_path, executor, monkeypatch, algorithm):
    monkeypatch.setattr(tiny_models, "CONTEXT_DIM", 768)
    latent = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    found, expected = (
        stages(model, tiny_models.tiny_clip(1), latent) for model in quantized_and_plain(tmp_path, algorithm)
    )
    assert torch.equal(found[0], found[-1])
    assert max(distances(found, expected)) < 0.1  # the host multiplies some kinds without unpacking them


def test_bytes_that_each_operation_unpacks(executor):
    """As in a model of GGUF files."""
    (packed, clip, _), (plain, other, _) = load_mini(), load_mini()
    pack(packed, plain)
    latent = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert max(distances(stages(packed, clip, latent), stages(plain, other, latent))) < 1e-5


def test_weights_that_cannot_be_copied_are_told_in_one_sentence(executor):
    (packed, clip, _), (plain, _, _) = load_mini(), load_mini()
    pack(packed, plain, Sealed)
    with pytest.raises(ValueError, match="weights of the kind Sealed, which gradients cannot use") as error:
        stages(packed, clip, torch.rand(1, 3, 64, 64))
    assert "steps_per_timestep" in str(error.value)
