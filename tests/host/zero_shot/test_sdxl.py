"""SDXL in the real host, inside inference mode: every stage, the whole pass and the loop.

The small checkpoint is a file that the host itself takes for SDXL: its UNet has SDXL's 70 transformer blocks at a width
of 320, its text models SDXL's widths and three layers each. The tiny models are quicker and test the same code.
"""

from dataclasses import replace

import comfy.model_base
import comfy.sample
import comfy.samplers
import comfy.sd
import pytest
import torch
from checkpoints import write_sdxl
from controls import FakeControl
from text_nodes import encoded
from tiny_models import SDXL, SIZES, tiny_clip, tiny_model, tiny_vae

from diff_harmonization.attention.maps import CrossAttentionMaps
from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.host.sampling.denoiser import to_latent_out, with_denoiser
from diff_harmonization.host.sampling.text import ClipEncoder
from diff_harmonization.host.zero_shot.edit import Models, PassSettings, edit_once
from diff_harmonization.host.zero_shot.harmonize import run_harmonize, take
from diff_harmonization.host.zero_shot.null_text import optimize_null
from diff_harmonization.host.zero_shot.stages import (
    edit_trajectory,
    invert_latent,
    read_word_maps,
    refine_words,
    scheduled_conditioning,
)
from diff_harmonization.loop.policy import LoopPolicy
from diff_harmonization.methods.zero_shot.contexts import PooledContext, join_rows
from diff_harmonization.methods.zero_shot.null_text import NullTextSettings
from diff_harmonization.methods.zero_shot.refinement import RefinementSettings
from diff_harmonization.methods.zero_shot.training_refinement import TrainingSettings

WORDS = ImagingDescription("cat", ("warm", "golden"), ("cold",))
SIGMAS = torch.tensor([3.0, 1.5, 0.7, 0.0])
ONCE = RefinementSettings(steps_per_timestep=1)
NULL = NullTextSettings(growth_interval=0)


@pytest.fixture(autouse=True)
def as_a_node(executor):
    """Everything here runs as the host runs a node."""


@pytest.fixture(scope="module")
def models():
    with torch.inference_mode():
        return Models(tiny_model(SDXL), tiny_clip(SDXL), tiny_vae())


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """MODEL, CLIP and VAE of a file, as Load Checkpoint gives them, with three layers in each text model."""
    path = write_sdxl(tmp_path_factory.mktemp("checkpoints") / "sdxl.ckpt", layers=(3, 3))
    fewer = {f"clip_{name}_model_config": {"num_hidden_layers": 3} for name in "lg"}
    with torch.inference_mode():
        return Models(*comfy.sd.load_checkpoint_guess_config(str(path), te_model_options=fewer)[:3])


@pytest.fixture
def mask():
    mask = torch.zeros(1, 128, 128)
    mask[:, 30:100, 20:90] = 1
    return mask


@pytest.fixture
def image():
    return torch.rand(1, 128, 128, 3, generator=torch.Generator().manual_seed(0))


def context_of(conditioning):
    return PooledContext(conditioning[0][0], conditioning[0][1]["pooled_output"])


def sample(models, latent):
    """What a stock KSampler node returns."""
    noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(5))
    positive, negative = encoded(models.clip, "a warm cat", "")
    return comfy.sample.sample(models.model, noise, 2, 3.0, "euler", "normal", positive, negative, latent, seed=5)


def euler(denoise, x, contexts):
    for sigma, low, context in zip(SIGMAS[:-1], SIGMAS[1:], contexts, strict=True):
        x = x + (low - sigma) * denoise(x, sigma, context)
    return x


def hosts_euler(model, latent, conditioning):
    return comfy.samplers.sample(
        model, torch.ones_like(latent), conditioning, conditioning, 1.0, "cpu", comfy.samplers.sampler_object("euler"),
        SIGMAS, latent_image=latent, seed=0,
    )  # fmt: skip


def test_each_row_reads_its_own_pooled_output_and_the_pictures_size(models, latent):
    contexts = join_rows([context_of(text) for text in encoded(models.clip, "a warm cat", "a cold dog", "")])

    def stage(denoise, x):
        return denoise(x.repeat(3, 1, 1, 1), 1.0, contexts), denoise(x, 1.0, contexts[1:2])

    eps, alone = with_denoiser(models.model, latent, stage, SIGMAS)
    model = models.model.model
    x = model.process_latent_in(latent).repeat(3, 1, 1, 1)
    y = model.encode_adm(pooled_output=contexts.pooled, width=128, height=128, device="cpu")
    expected = x - model.apply_model(x, torch.ones(3), c_crossattn=contexts.tokens, y=y)
    torch.testing.assert_close(eps, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(alone, eps[1:2], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(eps[0], eps[1], atol=1e-3)


class SeeingControl(FakeControl):
    """Keeps the pooled texts and sizes that it sees."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def get_control(self, x_noisy, t, cond, batched_number, transformer_options):
        self.seen.append(cond["y"])
        return {"middle": [torch.ones(1, 64, 1, 1)], "output": [], "input": []}


@pytest.mark.parametrize("gradients", [False, True])
def test_a_controlnet_sees_each_rows_pooled_output(models, latent, gradients):
    contexts = join_rows([context_of(text) for text in encoded(models.clip, "a warm cat", "a cold dog")])
    control = SeeingControl()

    def stage(denoise, x):
        return denoise(x.repeat(2, 1, 1, 1), 1.0, contexts.to(torch.float32))

    plain = with_denoiser(models.model, latent, stage, SIGMAS, gradients=gradients)
    controlled = with_denoiser(models.model, latent, stage, SIGMAS, [[None, {"control": control}]], gradients)
    assert not torch.allclose(controlled, plain, atol=1e-3)
    (y,) = control.seen
    assert torch.equal(y[:, : contexts.pooled.shape[1]], contexts.pooled) and y.shape == (2, 64 + SIZES)


@pytest.mark.parametrize("sizes", [{}, {"width": 2048, "height": 512, "crop_w": 64}])
@pytest.mark.parametrize("prediction", ["EPS", "V_PREDICTION"])
def test_euler_steps_equal_the_hosts_sampler(models, latent, prediction, sizes):
    """Sizes that a connected conditioning brings hold for every row; its text does not count."""
    model = tiny_model(SDXL, prediction)
    text, other = encoded(models.clip, "a warm cat", "another text", **sizes)

    def stage(denoise, x):
        return to_latent_out(model, euler(denoise, x + torch.ones_like(x) * SIGMAS[0], [context_of(text)] * 3))

    ours = with_denoiser(model, latent, stage, SIGMAS, other)
    torch.testing.assert_close(ours, hosts_euler(model, latent, text), rtol=1e-4, atol=1e-4)


def test_scheduled_conditioning_brings_each_steps_pooled_output(models, latent):
    steps = [context_of(text) for text in encoded(models.clip, "a warm cat", "a cold dog", "a bird")]
    contexts = PooledContext(torch.stack([x.tokens for x in steps]), torch.stack([x.pooled for x in steps]))
    conditioning = scheduled_conditioning(contexts, SIGMAS)

    def stage(denoise, x):
        return to_latent_out(models.model, euler(denoise, x + torch.ones_like(x) * SIGMAS[0], steps))

    ours = with_denoiser(models.model, latent, stage, SIGMAS)
    torch.testing.assert_close(ours, hosts_euler(models.model, latent, conditioning), rtol=1e-4, atol=1e-4)
    ((_, once),) = scheduled_conditioning(
        PooledContext(contexts.tokens[:1].expand(3, -1, -1, -1), contexts.pooled[:1].expand(3, -1, -1)), SIGMAS
    )
    assert torch.equal(once["pooled_output"], steps[0].pooled)


def test_gradient_of_the_words_matches_finite_differences_through_the_whole_model(models, latent):
    """Through both text models, the contexts and the pooled output, and the UNet."""
    encoder = ClipEncoder(models.clip)
    prompt = encoder.tokenize("cat warm golden")
    with encoder.gradients():
        start = encoder.embed(prompt)
        direction = torch.zeros_like(start)
        direction[2:4] = torch.randn(2, start.shape[1], generator=torch.Generator().manual_seed(1))

        def stage(denoise, x):
            def loss(embeddings):
                return denoise(x, 1.0, encoder.encode(prompt, embeddings)).double().square().sum()

            leaf = start.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(loss(leaf), leaf)
            with torch.no_grad():
                return gradient, (loss(leaf + 1e-3 * direction) - loss(leaf - 1e-3 * direction)) / 2e-3

        gradient, numeric = with_denoiser(models.model, latent.clone(), stage, SIGMAS, gradients=True)
    assert float((gradient * direction).sum()) == pytest.approx(float(numeric), rel=2e-2)
    assert gradient[2:4].abs().amin() > 0  # every number of both text models' embeddings counts


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_every_stage_and_a_clean_host_after_it(dtype, latent, mask, image):
    models = Models(tiny_model(SDXL, dtype=dtype), tiny_clip(SDXL, dtype), tiny_vae(dtype))
    before = sample(models, latent)
    trajectory = invert_latent(models.model, models.clip, latent, 3)
    for settings in (ONCE, replace(ONCE, cached_queries=True), TrainingSettings(epochs=2, batch_size=1)):
        refined = refine_words(models.model, models.clip, trajectory, WORDS, mask, settings)
        plain = refine_words(models.model, models.clip, trajectory, WORDS, mask, replace(ONCE, steps_per_timestep=0))
        assert refined.losses and not torch.equal(refined.target.tokens, plain.target.tokens)
        assert not torch.equal(refined.source.pooled, plain.source.pooled)
    maps = read_word_maps(models.model, models.clip, trajectory, WORDS, refined)
    assert all(row.after.shape[-2:] == (4, 4) and row.after.isfinite().all() for row in maps)
    still = edit_trajectory(models.model, trajectory, refined, strength=0.0)
    torch.testing.assert_close(still, latent, rtol=1e-4, atol=1e-4)
    null_text, _ = optimize_null(
        models.model, models.vae, trajectory, refined, image, mask, NULL, edges="sobel", gamma=0.0
    )
    edits = [edit_trajectory(models.model, trajectory, refined, null_text=x) for x in (None, null_text)]
    assert all(edit.isfinite().all() and not torch.allclose(edit, latent) for edit in edits)
    assert torch.equal(sample(models, latent), before)


def test_a_batch_of_two_is_two_single_pictures(models, mask):
    latents = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(9))
    settings = replace(ONCE, steps_per_timestep=0)

    def edited(latent):
        trajectory = invert_latent(models.model, models.clip, latent, 3)
        refined = refine_words(models.model, models.clip, trajectory, WORDS, mask, settings)
        return edit_trajectory(models.model, trajectory, refined)

    singles = torch.cat([edited(latent[None]) for latent in latents])
    torch.testing.assert_close(edited(latents), singles, rtol=1e-3, atol=1e-3)


class RisingScores:
    """Every picture is better than the one before."""

    def __init__(self):
        self.last = 0.1

    def score(self, image, mask):
        self.last += 0.1
        return torch.full((len(image),), self.last)


@pytest.mark.parametrize("null_text", [None, NULL])
def test_the_loop_of_whole_passes(models, image, mask, null_text):
    settings = PassSettings(size=128, steps=2, refinement=ONCE, null_text=null_text, edges="sobel")
    policy = LoopPolicy(k=1, max_passes=2)
    run = run_harmonize(models, RisingScores(), image, mask, [WORDS], settings, policy, view_size=128)
    done = take(run, image, mask)
    assert done.taken == 2 and len(done.states.images) == 3
    outside = mask[0] == 0
    assert torch.equal(done.image[0][outside], image[0][outside])
    assert not torch.equal(done.image[0][~outside], image[0][~outside])


# The checkpoint that the host reads


def test_the_host_takes_the_file_for_sdxl(checkpoint):
    assert type(checkpoint.model.model) is comfy.model_base.SDXL
    assert type(checkpoint.clip.cond_stage_model).__name__ == "SDXLClipModel"


def test_its_text_is_the_hosts(checkpoint):
    encoder = ClipEncoder(checkpoint.clip)
    text = "old photographer's umbrella, bright golden greyscale"
    prompt = encoder.tokenize(text)
    plain, sized = encoded(checkpoint.clip, text) + encoded(checkpoint.clip, text, width=512, height=512)
    for conditioning in (plain, sized):
        expected = context_of(conditioning)
        assert expected.shape == (1, 77, 2048) and expected.pooled.shape == (1, 1280)
        for context in (encoder.encode(prompt), encoder.encode(prompt, encoder.embed(prompt))):
            assert torch.equal(context.tokens, expected.tokens) and torch.equal(context.pooled, expected.pooled)


def test_maps_come_from_all_layers_at_a_quarter_of_the_latents_side(checkpoint):
    """50 of SDXL's 70: the down and up blocks' at its coarsest size."""
    latent = torch.zeros(1, 4, 32, 32)
    (text,) = encoded(checkpoint.clip, "cat")
    maps = CrossAttentionMaps((8, 8))

    def stage(denoise, x):
        denoise(x, 1.0, context_of(text), maps)
        return maps.maps()

    assert with_denoiser(checkpoint.model, latent, stage, SIGMAS).shape == (1, 77, 8, 8)
    assert maps.layers == 20 + 30


def test_a_whole_pass_on_it_and_a_clean_host_after_it(checkpoint):
    image = torch.rand(1, 192, 256, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(1, 192, 256)
    mask[:, 40:150, 60:190] = 1
    latent = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(2))
    before = sample(checkpoint, latent)
    settings = PassSettings(size=128, steps=1, refinement=ONCE, null_text=NULL, edges="sobel")
    edited = edit_once(checkpoint, image, mask, WORDS, settings)
    outside = mask[0] == 0
    assert edited.isfinite().all() and torch.equal(edited[0][outside], image[0][outside])
    assert not torch.equal(edited, image)
    assert torch.equal(sample(checkpoint, latent), before)
