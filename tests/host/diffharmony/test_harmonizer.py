from dataclasses import replace

import comfy.lora
import comfy.model_detection
import comfy.samplers
import comfy.sd
import comfy.supported_models
import comfy.utils
import pytest
import torch
from checkpoints import SD1, UNET, unet_shapes, write_sd1
from tiny_models import pixel_vae, tiny_model

from diff_harmonization.core.view import Rectangle, cut, find_view
from diff_harmonization.evaluator.model import HarmonyEvaluator
from diff_harmonization.host.diffharmony.harmonizer import (
    SCHEDULER,
    Models,
    SamplingSettings,
    candidates,
    conditioned,
    empty_prompt,
    encoded,
    harmonize,
    make_composites,
    proposer,
    require_unet,
    require_vae,
    sample,
)
from diff_harmonization.host.judged import UNCHANGED
from diff_harmonization.methods.diffharmony.carry import carried

TIMESTEPS = (999.0, 749.25, 499.5, 249.75, 0.0)


def scripted(*scores):
    """A judge whose scores come from a script."""
    script = iter(scores)
    return HarmonyEvaluator("scripted", lambda square: torch.tensor([[0.0, float(torch.tensor(next(script)).logit())]]))


@pytest.fixture
def square():
    """A composite of 64 pixels, and its mask."""
    mask = torch.zeros(1, 64, 64)
    mask[:, 13:41, 22:50] = 1
    return torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(1)), mask


def test_the_paper_s_settings():
    assert SamplingSettings() == SamplingSettings(steps=5, size=512, seed=0, view="whole")


def test_the_steps_are_those_of_the_training_s_timesteps(models):
    sampling = models.model.get_model_object("model_sampling")
    sigmas = comfy.samplers.calculate_sigmas(sampling, SCHEDULER, SamplingSettings().steps)
    expected = torch.stack([sampling.sigma(torch.tensor(step)) for step in TIMESTEPS])
    torch.testing.assert_close(sigmas, torch.cat((expected, torch.zeros(1))), rtol=1e-6, atol=0)


def test_the_unet_sees_latent_mask_and_composite_in_this_order(models, square, executor):
    """At every step, and the composite whole, times the latent's scale; the mask sampled, not blurred."""
    image, mask = square
    latent, small = encoded(models.vae, image, mask)
    assert torch.equal(latent, models.vae.encode(image))
    assert torch.equal(small, mask[:, None, ::8, ::8])
    seen = []
    models.model.add_wrapper_with_key(
        "apply_model", "tests", lambda executor, x, t, c_concat=None, *rest, **more: (
            seen.append((x, c_concat)) or executor(x, t, c_concat, *rest, **more)
        )
    )  # fmt: skip
    text = conditioned(empty_prompt(models.clip), latent, small)
    sample(models.model, text, torch.zeros_like(latent), 5, seed=0)
    assert len(seen) == 5  # no guidance: a row at each step
    for noisy, shown in seen:
        assert noisy.shape == (1, 4, 8, 8) and shown.shape == (1, 5, 8, 8)
        assert torch.equal(shown[:, :1], small)
        torch.testing.assert_close(shown[:, 1:], latent * 0.18215)


def test_composite_mask_and_seed_matter(models, square, settings, executor):
    image, mask = square

    def first(image, mask, seed=3):
        own = SamplingSettings(size=64, seed=seed)
        return next(candidates(models, image, mask, own, 1))[1]

    result = first(image, mask)
    assert torch.equal(first(image, mask), result)
    for other in (first(image.flip(1), mask), first(image, mask.flip(1)), first(image, mask, seed=4)):
        assert (other - result).abs().mean() > 1e-4


def test_candidates_have_seeds_of_their_own(models, square, executor):
    last = 2**64 - 2
    made = list(candidates(models, *square, SamplingSettings(size=64, seed=last), 3))
    assert [seed for seed, _ in made] == [last, 0, 1]
    alone = next(candidates(models, *square, SamplingSettings(size=64, seed=0), 1))[1]
    assert torch.equal(made[1][1], alone) and not torch.equal(made[0][1], made[1][1])


def test_outside_the_mask_the_picture_is_bit_identical(with_details, photos, settings, executor):
    image, mask = photos
    for carry in ("pixels", "lut"):
        done = harmonize(with_details, image, mask, settings, carry=carry)
        assert done.image.shape == image.shape and done.seeds == ((3,), (3,)) and done.scores == ((), ())
        assert torch.equal(done.image[mask == 0], image[mask == 0])
        assert (done.image - image)[mask == 1].abs().mean() > 0.01


def test_each_picture_of_a_batch_is_harmonized_by_itself(models, photos, settings, executor):
    image, mask = photos
    both = harmonize(models, image, mask, settings, count=2)
    assert both.seeds == ((3, 4), (3, 4))
    for row in range(2):
        alone = harmonize(models, image[row : row + 1], mask[row : row + 1], settings, count=2)
        assert torch.equal(alone.image[0], both.image[row])


def test_seeds_are_averaged(models, photos, settings, executor):
    image, mask = (part[:1] for part in photos)
    whole = Rectangle(0, 0, 75, 101)
    square, plane = cut(image, mask, whole, 64)
    plane = (plane >= 100 / 255).float()
    squares = torch.cat([edit for _, edit in candidates(models, square, plane, settings, 3)])
    expected = carried(image, mask, whole, square, squares.mean(0, keepdim=True), plane, "pixels")[0]
    torch.testing.assert_close(harmonize(models, image, mask, settings, count=3).image, expected)


def test_the_view_is_the_square_around_the_object(models, photos, executor):
    image, mask = (part[:1] for part in photos)
    settings = SamplingSettings(size=64, seed=3, view="crop")
    view = find_view(mask[0] >= 100 / 255)
    square, plane = cut(image, mask, view, 64)
    plane = (plane >= 100 / 255).float()
    _, edit = next(candidates(models, square, plane, settings, 1))
    for carry in ("pixels", "lut"):
        expected, lut = carried(image, mask, view, square, edit, plane, carry)
        done = harmonize(models, image, mask, settings, carry=carry)
        assert torch.equal(done.image, expected)
        assert [own.table.sum() for own in done.luts] == ([] if lut is None else [lut.table.sum()])
        assert torch.equal(make_composites(models, image, mask, settings, count=1, carry=carry), expected)


@pytest.mark.parametrize(
    ("first", "seeds"), [((0.2, 0.3, 0.8, 0.5), (4,)), ((0.8, 0.3, 0.2, 0.5), (3, 4, 5))], ids=["a seed", "the average"]
)
def test_the_judge_takes_the_best_and_then_a_share_of_its_change(models, photos, first, seeds, executor):
    image, mask = (part[:1] for part in photos)
    settings = SamplingSettings(size=64, seed=3)
    judge = scripted(*first, *(by_share := (0.2, 0.3, 0.5, 0.4, 0.3)))
    done = harmonize(models, image, mask, settings, count=3, judge=judge, carry="lut")
    whole = harmonize(models, image, mask, replace(settings, seed=seeds[0]), count=len(seeds), carry="lut")
    assert done.seeds == (seeds,) and done.scores[0] == pytest.approx(by_share)
    torch.testing.assert_close(done.image, (image + whole.image) / 2)
    assert torch.equal(done.image[mask == 0], image[mask == 0])
    assert torch.equal(done.luts[0].table, whole.luts[0].scaled(0.5).table)
    assert done.summary().startswith(f"seed {', '.join(map(str, seeds))}; 50% of the change; scores by how much")


def test_the_judge_keeps_the_composite_where_no_change_scores_higher(models, photos, executor):
    image, mask = photos
    judge = scripted(0.9, 0.9, 0.8, 0.7, 0.6, 0.5, 0.2, 0.2, 0.3, 0.4, 0.52, 0.6)
    done = harmonize(models, image, mask, SamplingSettings(size=64, seed=3), judge=judge)
    assert torch.equal(done.image[0], image[0]) and not torch.equal(done.image[1], image[1])
    kept, changed = done.summary().split("\n")
    assert kept.startswith("seed 3; 0% of the change") and kept.endswith(UNCHANGED)
    assert changed.startswith("seed 3; 75% of the change")  # 0.32 of 0.4 gained
    assert (
        harmonize(models, image, mask, SamplingSettings(size=64, seed=3), count=2).summary() == "seed 3, 4\nseed 3, 4"
    )


def test_a_sequence_leaves_out_frames_whose_object_is_too_small(models, photos, settings, executor):
    image, mask = (part[0] for part in photos)
    propose = proposer(models, settings, 2)
    done = harmonize(models, image[None], mask, settings, count=2, carry="lut")
    change = propose(image, mask)
    assert change is not None and torch.equal(change(1.0).table, done.luts[0].table)
    dot = torch.zeros_like(mask)
    dot[3, 3] = 1
    assert propose(image, dot) is None
    with pytest.raises(ValueError, match="^`model`"):
        proposer(Models(tiny_model(version=1), models.clip, models.vae), settings, 1)(image, mask)


def test_the_harmony_vae_decodes_where_there_is_one(models, with_details, square, settings, executor):
    plain, detailed = (next(candidates(each, *square, settings, 1))[1] for each in (models, with_details))
    assert plain.shape == detailed.shape and (plain - detailed).abs().mean() > 1e-3


def test_composites_of_a_real_picture(models, photos, settings, executor):
    image, mask = photos
    made = make_composites(models, image, mask, settings, count=3)
    assert made.shape == (6, *image.shape[1:])
    for row in range(2):
        own = made[3 * row : 3 * row + 3]
        assert all(torch.equal(each[mask[row] == 0], image[row][mask[row] == 0]) for each in own)
        assert len({each.sum().item() for each in own}) == 3
    first = harmonize(models, image[:1], mask[:1], settings)  # the same calls with the other networks
    assert torch.equal(made[0], first.image[0])


def test_a_unet_without_a_place_for_the_composite_is_refused():
    require_unet(tiny_model(version=1, channels=9))
    with pytest.raises(ValueError, match="^`model`: got a UNet of 4 input channels, expected 9: DiffHarmony"):
        require_unet(tiny_model(version=1))


def test_another_vae_is_refused(models):
    require_vae(models.vae)
    with pytest.raises(ValueError, match="^`vae`: got PixelspaceConversionVAE .* of 3 channels, expected the VAE of"):
        require_vae(pixel_vae())


def test_masks_that_do_not_fit_are_refused(models, photos, settings, executor):
    image, mask = photos
    with pytest.raises(ValueError, match="^`mask`: the mask is empty"):
        harmonize(models, image, 0 * mask, settings)
    dot = torch.zeros_like(mask)
    dot[:, 3, 3] = 1
    with pytest.raises(ValueError, match="^`mask`: the object is so small"):
        harmonize(models, image, dot, settings)


def test_nothing_stays_in_the_model(models, photos, settings, executor):
    """A stock run on the same MODEL, before and after."""
    text, latent = empty_prompt(models.clip), torch.zeros(1, 4, 8, 8)
    before = sample(models.model, text, latent, 2, seed=1)
    harmonize(models, *photos, settings)
    assert torch.equal(sample(models.model, text, latent, 2, seed=1), before)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A narrow SD1.5 inpainting checkpoint through the host's own loader."""
    path = write_sd1(tmp_path_factory.mktemp("checkpoints") / "inpainting.ckpt", channels=9)
    with torch.inference_mode():
        return Models(*comfy.sd.load_checkpoint_guess_config(str(path))[:3])


def with_lora(model, strength):
    """Rank 2 on the cross-attention's values."""
    names = comfy.lora.model_lora_keys_unet(model.model, {})
    weights, generator, lora = model.model.state_dict(), torch.Generator().manual_seed(0), {}
    for name, key in names.items():
        if name.startswith("lora_unet_") and "attn2.to_v" in key:
            out, into = weights[key].shape
            lora[f"{name}.lora_up.weight"] = torch.randn(out, 2, generator=generator)
            lora[f"{name}.lora_down.weight"] = torch.randn(2, into, generator=generator) / into**0.5
    assert lora
    return comfy.sd.load_lora_for_models(model, None, lora, strength, 0.0)[0]


def test_a_real_checkpoint_with_a_lora(checkpoint, square, settings, executor):
    require_unet(checkpoint.model)

    def first(model):
        return next(candidates(Models(model, checkpoint.clip, checkpoint.vae), *square, settings, 1))[1]

    plain = first(checkpoint.model)
    assert plain.shape == (1, 64, 64, 3) and plain.isfinite().all()
    assert (first(with_lora(checkpoint.model, 1.0)) - plain).abs().mean() > 1e-3
    assert torch.equal(first(checkpoint.model), plain)


def test_the_host_knows_the_released_unet_by_its_names():
    """Stable Diffusion 1.5's UNet of 9 channels under diffusers' names; only shapes, for it has 860 million weights."""
    sizes = SD1 | {
        "in_channels": 9,
        "num_res_blocks": [2] * 4,
        "channel_mult": [1, 2, 4, 4],
        "transformer_depth": [1] * 6 + [0] * 2,
        "transformer_depth_output": [1] * 9 + [0] * 3,
    }
    shapes = unet_shapes(**sizes)
    named = {name: key for name, key in comfy.utils.unet_to_diffusers(UNET | sizes).items() if key in shapes}
    assert len(named) == len(shapes)
    state = {name: torch.empty(shapes[key], device="meta") for name, key in named.items()}
    config = comfy.model_detection.model_config_from_diffusers_unet(state)
    assert isinstance(config, comfy.supported_models.SD15) and config.inpaint_model()
