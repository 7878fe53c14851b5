"""Null-text optimization in the real host: models and VAEs as loaders give them, inside inference mode."""

from dataclasses import replace

import comfy.model_management
import comfy.sample
import pytest
import torch
from tiny_models import pixel_vae, tiny_model, tiny_taesd, tiny_vae

from diff_harmonization.core.view import Rectangle
from diff_harmonization.host.sampling.denoiser import to_latent_out
from diff_harmonization.host.zero_shot.null_text import decoded_part, edges_of, optimize_null
from diff_harmonization.host.zero_shot.stages import edit_trajectory, invert_latent
from diff_harmonization.methods.zero_shot.null_text import NullTextSettings
from diff_harmonization.methods.zero_shot.structure.sobel import sobel_edges
from diff_harmonization.methods.zero_shot.types import NullText, RefinedEmbedding, Trajectory
from diff_harmonization.mini.loader import load_mini

VAES = {"kl": tiny_vae, "taesd": tiny_taesd}
SIGMAS = torch.tensor([2.0, 1.0, 0.4, 0.0])
EAGER = NullTextSettings(inner_steps=3, growth_interval=0)


def rand(seed, *shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def mask():
    mask = torch.zeros(1, 32, 32)
    mask[:, 8:28, 6:24] = 1
    return mask


@pytest.fixture
def image(executor):
    """[1,32,32,3], as it comes from another node."""
    image = rand(1, 1, 32, 32, 3)
    assert image.is_inference()
    return image


def path(latent_shape, width=64, seed=5):
    """A trajectory and contexts that no inversion made: what follows must not lean on a good one."""
    generator = torch.Generator().manual_seed(seed)
    clean, noise = (torch.randn(latent_shape, generator=generator) for _ in range(2))
    latents = torch.stack([0.3 * clean + sigma * noise for sigma in SIGMAS])
    source, negative = (torch.randn(latent_shape[0], 77, width, generator=generator) for _ in range(2))
    source = source.expand(3, -1, -1, -1)
    weights = torch.ones(1)
    refined = RefinedEmbedding(source, source, source, negative, weights, (2,), (2,), SIGMAS, tuple(latent_shape))
    return Trajectory(latents, SIGMAS), refined


def sample(model, latent, context):
    """What a stock KSampler node returns."""
    positive, negative = [[context, {}]], [[torch.zeros_like(context), {}]]
    noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(5))
    return comfy.sample.sample(model, noise, 2, 3.0, "euler", "normal", positive, negative, latent, seed=5)


@pytest.mark.parametrize("kind", VAES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_every_step_lowers_the_loss(kind, dtype, image, mask):
    model, (trajectory, refined) = tiny_model(dtype=dtype), path((1, 4, 4, 4))
    settings = replace(EAGER, learning_rate=0.01, inner_steps=6)
    null_text, notice = optimize_null(model, VAES[kind](), trajectory, refined, image, mask, settings, edges="sobel")
    assert notice == "Edges by Sobel." and len(null_text.losses) == 18
    assert all(null_text.losses[6 * step + 5] < null_text.losses[6 * step] for step in range(3))
    assert null_text.embeddings.shape == (3, 1, 77, 64) and null_text.embeddings.isfinite().all()


@pytest.mark.parametrize("kind", VAES)
def test_the_edges_matter(kind, image, mask):
    model, vae, (trajectory, refined) = tiny_model(), VAES[kind](), path((1, 4, 4, 4))
    with_edges, without = (
        optimize_null(model, vae, trajectory, refined, image, mask, EAGER, edges=edges)[0]
        for edges in ("sobel", "none")
    )
    assert with_edges.losses[0] > without.losses[0]
    assert not torch.allclose(with_edges.embeddings, without.embeddings, atol=1e-3)


def test_the_first_loss_is_the_papers(image, mask):
    """L_Null-text + L_Edge of the first step, from the host's own sampler, VAE and kornia."""
    from kornia.filters import sobel

    model, vae, (trajectory, refined) = tiny_model(), tiny_vae(), path((1, 4, 4, 4))
    null_text, _ = optimize_null(model, vae, trajectory, refined, image, mask, EAGER, edges="sobel")
    x = trajectory.latents[0]
    eps = [
        (x - model.model.apply_model(x, torch.tensor([2.0]), c_crossattn=c)) / 2
        for c in (refined.negative, refined.source[0])
    ]
    landed = x + (1 - 2) * (eps[0] + 2.5 * (eps[1] - eps[0]))
    z, aim = landed / 2**0.5, trajectory.latents[1] / 2**0.5  # alpha_bar is 1 / (1 + 1²)
    picture = (vae.first_stage_model.decode(model.model.process_latent_out(z)) + 1) / 2
    found, wanted = sobel(picture), sobel(image.movedim(-1, 1))
    expected = 10 * (z - aim).square().mean() + (mask[:, None] * (found - wanted)).square().mean()
    assert null_text.losses[0] == pytest.approx(expected.item(), rel=1e-3)


def test_the_embedded_models_pixels(executor):
    """Odd sides; the null text goes into the edit, and guidance lands nearer with it."""
    model, clip, vae = load_mini()
    image = 0.25 + 0.5 * rand(2, 1, 29, 37, 3).round(decimals=1)
    image[:, 8:20, 10:30] *= 0.5
    mask = torch.zeros(1, 29, 37)
    mask[:, 8:20, 10:30] = 1
    trajectory = invert_latent(model, clip, vae.encode(image), 6)
    context, empty = (clip.encode_from_tokens(clip.tokenize(text)) for text in ("car snowy dark", ""))
    source = context.expand(trajectory.steps, -1, -1, -1)
    refined = RefinedEmbedding(
        source, source, source, empty, torch.ones(1), (2,), (2,), trajectory.sigmas, trajectory.latent_shape
    )
    settings = replace(EAGER, inner_steps=4)
    null_text, _ = optimize_null(model, vae, trajectory, refined, image, mask, settings, edges="sobel")
    plain = NullText(empty.expand_as(source), 2.5, trajectory.sigmas, trajectory.latent_shape)
    errors = [
        (vae.decode(edit_trajectory(model, trajectory, refined, null_text=x, guidance_scale=2.5)) - image)
        .square()
        .mean()
        for x in (plain, null_text)
    ]
    assert errors[1] < 0.7 * errors[0]


def local_decoder(seed=7):
    """Latents to pictures eight times as large, where a pixel depends on its neighbours alone."""
    weight = torch.randn(3, 4, 3, 3, generator=torch.Generator().manual_seed(seed))
    return lambda latent: (
        torch.nn.functional.conv2d(latent, weight, padding=1).repeat_interleave(8, 2).repeat_interleave(8, 3)
    )


@pytest.mark.parametrize("box", [(8, 28, 6, 24), (0, 32, 0, 32), (16, 17, 31, 32)])
def test_the_part_around_the_mask_has_the_edges_of_the_whole(box):
    """Where the decoder's reach is the margin's, value and gradient are equal."""
    picture, mask, latent = rand(1, 1, 3, 32, 64), torch.zeros(1, 32, 64), rand(2, 1, 4, 4, 8)
    mask[:, box[0] : box[1], box[2] : box[3]] = 1
    found = []
    for part in (decoded_part(mask, 8), Rectangle(0, 0, 4, 8)):
        leaf = latent.clone().requires_grad_()
        loss = edges_of(part, local_decoder(), picture, mask, [(sobel_edges, 1.0)], 8)(leaf)
        found.append((part, loss.detach(), torch.autograd.grad(loss.sum(), leaf)[0]))
    (part, *ours), (_, *whole) = found
    assert part.width < 8
    torch.testing.assert_close(ours, whole)


def test_the_part_that_is_decoded():
    mask = torch.zeros(2, 32, 64)
    assert decoded_part(mask, 8) == Rectangle(0, 0, 4, 8)
    mask[0, 9:10, 33:40] = 1
    assert decoded_part(mask, 8, margin=0) == Rectangle(1, 4, 1, 1)
    assert decoded_part(mask, 8, margin=1) == Rectangle(0, 3, 3, 3)
    mask[1, 25:, 50:] = 1  # the other picture's object
    assert decoded_part(mask, 8, margin=0) == Rectangle(1, 4, 3, 4)
    assert decoded_part(mask, 8, margin=2) == Rectangle(0, 2, 4, 6)


@pytest.mark.parametrize("kind", VAES)
def test_cropped_edges_of_real_decoders(kind, image, mask):
    """An object that fills the picture leaves nothing to cut away; a small one still lowers the loss."""
    model, vae, (trajectory, refined) = tiny_model(), VAES[kind](), path((1, 4, 4, 4))

    def optimized(mask, **options):
        settings = replace(EAGER, learning_rate=0.01, inner_steps=6)
        return optimize_null(model, vae, trajectory, refined, image, mask, settings, **options)[0]

    whole, cropped = (optimized(mask, edges="sobel", cropped=way) for way in (False, True))
    assert torch.equal(whole.embeddings, cropped.embeddings) and whole.losses == cropped.losses
    small = torch.zeros_like(mask)
    small[:, 2:6, 2:6] = 1  # three of the latent's four pixels are decoded
    found = optimized(small, edges="sobel", cropped=True)
    assert all(found.losses[6 * step + 5] < found.losses[6 * step] for step in range(3))
    plain = optimized(small, edges="none", cropped=True)
    assert found.losses[0] > plain.losses[0]


@pytest.mark.parametrize("kind", VAES)
def test_stock_nodes_are_bit_identical_before_and_after(kind, image, mask, context):
    model, vae, (trajectory, refined) = tiny_model(), VAES[kind](), path((1, 4, 4, 4))
    latent = to_latent_out(model, trajectory.latents[-1])
    sampled, pixels, encoded = sample(model, latent, context), vae.decode(latent), vae.encode(image)
    copies = [x.clone() for x in (trajectory.latents, refined.negative, refined.source, image, mask)]
    optimize_null(model, vae, trajectory, refined, image, mask, EAGER, edges="sobel")
    assert torch.equal(sample(model, latent, context), sampled)
    assert torch.equal(vae.decode(latent), pixels) and torch.equal(vae.encode(image), encoded)
    inputs = (trajectory.latents, refined.negative, refined.source, image, mask)
    assert all(torch.equal(a, b) for a, b in zip(copies, inputs, strict=True))


def loaded_models():
    return [x.model.model for x in comfy.model_management.current_loaded_models]


def test_cancelling_leaves_the_host_clean(image, mask, context, monkeypatch):
    model, vae, (trajectory, refined) = tiny_model(), tiny_vae(), path((1, 4, 4, 4))
    latent = to_latent_out(model, trajectory.latents[-1])
    sampled, pixels, options = sample(model, latent, context), vae.decode(latent), repr(model.model_options)
    before, calls = loaded_models(), []

    def count(*_, **__):
        calls.append(1)
        if len(calls) == 2:
            comfy.model_management.interrupt_current_processing()

    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", count)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        optimize_null(model, vae, trajectory, refined, image, mask, EAGER, edges="sobel")
    assert len(calls) == 2
    assert repr(model.model_options) == options and model.model.current_patcher is None
    assert torch.equal(sample(model, latent, context), sampled) and torch.equal(vae.decode(latent), pixels)
    ours = (model.model, vae.first_stage_model, *before)
    assert all(any(x is known for known in ours) for x in loaded_models())


@pytest.mark.parametrize(("width", "height"), [(37, 45), (63, 33)])
def test_sides_that_the_vae_cuts(width, height, executor):
    model, vae = tiny_model(), tiny_vae()
    image, mask = rand(3, 1, height, width, 3), torch.zeros(1, height, width)
    mask[:, 9:-12, 9:-12] = 1
    latent = vae.encode(image)
    assert latent.shape[2:] == (height // 8, width // 8)
    trajectory, refined = path(tuple(latent.shape))
    null_text, _ = optimize_null(model, vae, trajectory, refined, image, mask, EAGER, edges="sobel")
    assert null_text.latent_shape == tuple(latent.shape) and len(null_text.losses) == 9


def test_images_of_a_batch_do_not_touch_each_other(executor):
    model, vae, (trajectory, refined) = tiny_model(), tiny_vae(), path((2, 4, 4, 4))
    images, mask = rand(4, 2, 32, 32, 3), torch.ones(1, 32, 32)
    mask[:, :6] = 0
    both, _ = optimize_null(model, vae, trajectory, refined, images, mask, EAGER, edges="sobel")
    first = Trajectory(trajectory.latents[:, :1], SIGMAS)
    only = replace(refined, source=refined.source[:, :1], target=refined.source[:, :1], negative=refined.negative[:1])
    alone, _ = optimize_null(
        model, vae, first, replace(only, latent_shape=first.latent_shape), images[:1], mask, EAGER, edges="sobel"
    )
    assert (both.embeddings[:, 0] - alone.embeddings[:, 0]).abs().mean() < 1e-3
    assert (both.embeddings[:, 0] - both.embeddings[:, 1]).abs().mean() > 1e-2


def test_pictures_that_do_not_belong_are_refused(image, mask):
    model, vae, (trajectory, refined) = tiny_model(), tiny_vae(), path((1, 4, 4, 4))

    def refused(image, mask, vae=vae):
        with pytest.raises(ValueError) as error:
            optimize_null(model, vae, trajectory, refined, image, mask, EAGER, edges="sobel")
        return str(error.value)

    wide = rand(6, 1, 32, 48, 3)
    assert refused(wide, torch.ones(1, 32, 48)).startswith(
        "`image`: got 48x32 (width x height, batch of 1), expected 32x32 (batch of 1)"
    )
    two = image.expand(2, -1, -1, -1)
    assert "batch of 2), expected 32x32 (batch of 1)" in refused(two, mask)
    assert "`mask`: got 48x32" in refused(image, torch.ones(1, 32, 48))
    assert "mask is empty" in refused(image, 0 * mask)
    assert "`vae`: got" in refused(image, mask, pixel_vae())
