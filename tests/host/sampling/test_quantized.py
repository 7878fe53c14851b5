"""Every stage on a MODEL whose weights are quantized gives what the numbers they stand for give."""

import pytest
import tiny_models
import torch
from checkpoints import write_lora
from comfy.sd import load_lora_for_models
from comfy.utils import load_torch_file
from gguf import GGMLQuantizationType
from gguf_models import Sealed, gguf_and_plain
from quantized_models import quantized_and_plain

from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.host.zero_shot.stages import edit_trajectory, invert_latent, refine_words
from diff_harmonization.methods.zero_shot.refinement import RefinementSettings

LATENT = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
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
    found, expected = (
        stages(model, tiny_models.tiny_clip(1), LATENT) for model in quantized_and_plain(tmp_path, algorithm)
    )
    assert torch.equal(found[0], found[-1])
    assert max(distances(found, expected)) < 0.1  # the host multiplies some kinds without unpacking them


def test_weights_of_a_gguf_file(tmp_path, executor, monkeypatch):
    monkeypatch.setattr(tiny_models, "CONTEXT_DIM", 768)
    packed, plain = gguf_and_plain(tmp_path, GGMLQuantizationType.Q4_0)
    held = {name: bytes_of(weight).clone() for name, weight in packed.model.named_parameters()}
    lora = load_torch_file(str(write_lora(tmp_path / "lora.ckpt")))
    found, expected = {}, {}
    for model, into in ((packed, found), (plain, expected)):
        for name, one in (("plain", model), ("with a LoRA", load_lora_for_models(model, None, lora, 5.0, 0)[0])):
            into[name] = stages(one, tiny_models.tiny_clip(1), LATENT)
    for name in found:
        assert max(distances(found[name], expected[name])) < 1e-4
    assert min(distances(found["with a LoRA"], found["plain"])) > 1e-3
    assert all(torch.equal(bytes_of(weight), held[name]) for name, weight in packed.model.named_parameters())


def bytes_of(weight):
    return weight.as_subclass(torch.Tensor)


def test_weights_that_cannot_be_copied_are_told_in_one_sentence(tmp_path, executor, monkeypatch):
    monkeypatch.setattr(tiny_models, "CONTEXT_DIM", 768)
    packed, _ = gguf_and_plain(tmp_path, GGMLQuantizationType.Q8_0, Sealed)
    with pytest.raises(ValueError, match="weights of the kind Sealed, which gradients cannot use") as error:
        stages(packed, tiny_models.tiny_clip(1), LATENT)
    assert "steps_per_timestep" in str(error.value)
