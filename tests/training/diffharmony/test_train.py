"""The three trainings in their order, each resumed once, and the handles that come of them."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import avg_pool2d

from diff_harmonization.core.view import cut, find_view
from diff_harmonization.data.pairs import build_pairs
from diff_harmonization.data.photos import read_photos
from diff_harmonization.host.diffharmony.harmonizer import SamplingSettings, harmonize, make_composites
from diff_harmonization.mini.diffharmony.loader import assembled
from diff_harmonization.mini.diffharmony.unet import HarmonyLatent
from diff_harmonization.training.diffharmony import harmony_vae, latents, unet, vae
from diff_harmonization.training.files import write_bundle
from diff_harmonization.training.settings import DiffHarmonySettings, HarmonyVAESettings

STEPS = 2
MEASURED = 1  # batches for the statistics of the latents


def state(work):
    return torch.load(work / "checkpoint.pt", weights_only=True)


def both(tmp_path_factory, run, settings):
    """Folders of two steps in one go, and of two with an interruption after the first."""
    whole, halves = (tmp_path_factory.mktemp(name) for name in ("whole", "halves"))
    run(whole, settings(steps=STEPS))
    run(halves, settings(steps=STEPS, minutes=0))
    assert state(halves)["step"] == 1
    run(halves, settings(steps=STEPS))
    return whole, halves


@pytest.fixture(scope="module")
def trained(photo_set, tmp_path_factory):
    """Training -> its two folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vae, "MEASURED", MEASURED)
        folders = {"vae": both(tmp_path_factory, lambda work, settings: vae.train(photo_set, work, settings), small)}
    weights = folders["vae"][0] / "vae.safetensors"
    folders["unet"] = both(tmp_path_factory, lambda *given: unet.train(photo_set, given[0], weights, given[1]), small)
    folders["harmony_vae"] = both(
        tmp_path_factory, lambda *given: harmony_vae.train(photo_set, given[0], weights, given[1]), small_harmony
    )
    return folders


def small(**changes):
    return DiffHarmonySettings(**{"batch": 2, "per_photo": 2, "pairs": 30} | changes)


def small_harmony(**changes):
    return HarmonyVAESettings(**{"batch": 2, "per_photo": 2} | changes)


@pytest.fixture(scope="module")
def encoder(trained):
    return vae.read_vae(trained["vae"][0] / "vae.safetensors")


@pytest.mark.parametrize("name", ["vae", "unet", "harmony_vae"])
def test_a_resumed_run_ends_in_the_state_of_an_uninterrupted_one(trained, name):
    whole, halves = map(state, trained[name])
    assert whole["step"] == halves["step"] == STEPS
    for part in ("network", "average"):
        assert all(torch.equal(value, halves[part][key]) for key, value in whole[part].items())


def test_the_exported_vae_has_unit_latents_and_decodes_the_same(trained, encoder, photo_set):
    average = vae.empty_vae()
    average.load_state_dict(state(trained["vae"][0])["average"])
    sampler = vae.open_sampler(photo_set, trained["vae"][0], small(steps=1))
    pictures = torch.cat([vae.pictures(sampler, step, 32) for step in range(MEASURED)])
    with torch.no_grad():
        (own, own_log), (unit, unit_log) = (vae.moments(each, pictures) for each in (average, encoder))
        assert unit.mean((0, 2, 3)).abs().max() < 0.02 and (unit.std((0, 2, 3)) - 1).abs().max() < 0.02
        ratio = unit.std((0, 2, 3)) / own.std((0, 2, 3))
        shift = (unit_log - own_log).mean((0, 2, 3))
        torch.testing.assert_close(shift, 2 * ratio.log(), atol=0.02, rtol=0.01)
        before, after = average.decode(own), encoder.decode(unit)
    assert (before - after).abs().mean() < 0.01


def test_the_losses_of_a_vae_that_is_right_and_has_no_noise():
    class Right:
        def __init__(self):
            self.quant_conv = torch.nn.Identity()

        def encoder(self, images):
            mean = avg_pool2d(images, 4)
            return torch.cat((mean, torch.full_like(mean, -30.0)), dim=1)

        def decode(self, latent):
            return latent.repeat_interleave(4, -1).repeat_interleave(4, -2)

    level = torch.full((2, 3, 16, 16), 0.5)
    found = vae.losses(Right(), level, torch.Generator().manual_seed(0))
    assert found["pixels"] < 1e-5 and found["means"] < 1e-5
    expected = vae.DIVERGENCE * 0.5 * (0.25 + 0 - 1 + 30)
    assert found["divergence"].item() == pytest.approx(expected, rel=1e-3)
    noisy = level + 0.1 * torch.tensor([1.0, -1.0]).repeat(8)
    found = vae.losses(Right(), noisy, torch.Generator().manual_seed(0))
    assert found["pixels"].item() == pytest.approx(0.1, rel=1e-3) and found["means"] < 1e-5


def test_pairs_are_made_once_and_gone_on_with(encoder, sampler, tmp_path, monkeypatch):
    path, calls = tmp_path / "latents.pt", []
    made = latents.encoded
    monkeypatch.setattr(latents, "encoded", lambda *given: calls.append(given[1]) or made(*given))
    first = latents.cached_latents(path, sampler, encoder, latents.AT_ONCE)
    both = latents.cached_latents(path, sampler, encoder, 2 * latents.AT_ONCE)
    again = latents.cached_latents(path, sampler, encoder, 2 * latents.AT_ONCE)
    assert calls == [0, 1]
    assert torch.equal(both.target[: len(first.target)], first.target) and torch.equal(both.mask, again.mask)


def test_a_pair_is_a_composite_and_its_photograph(encoder, sampler):
    pair = latents.encoded(sampler, 0, encoder)
    batch = sampler.batch(0, latents.AT_ONCE)
    with torch.no_grad():
        truth, _ = vae.moments(encoder, batch.truth * 2 - 1)
    assert len(pair.mask) == latents.AT_ONCE  # the boxes are seen at any size
    torch.testing.assert_close(pair.target, truth * HarmonyLatent.scale_factor, atol=0.05, rtol=0.05)
    assert set(pair.mask.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(pair.exchanged().target, pair.condition)
    assert torch.equal(pair.mask[:, 0], (batch.mask[:, 0, ::4, ::4] >= 100 / 255).float())


def test_pairs_of_a_data_set_come_beside(encoder, sampler, photo_set):
    made = list(build_pairs([photo for photo in read_photos(photo_set, "train") if photo.natural][:2]))
    found = latents.encoded_pairs(made, encoder)
    view = find_view(made[0].mask >= 0.5)
    truth, mask = cut(made[0].truth[None], made[0].mask[None], view, 64)
    with torch.no_grad():
        expected, _ = vae.moments(encoder, truth.movedim(-1, 1) * 2 - 1)
    torch.testing.assert_close(found.target[:1], expected * HarmonyLatent.scale_factor, atol=0.05, rtol=0.05)
    assert torch.equal(found.mask[0], (mask[:, ::4, ::4] >= 100 / 255).float())
    assert (found.target - found.condition)[found.mask.expand_as(found.target) == 1].abs().mean() > 0.01
    both = latents.encoded(sampler, 0, encoder).joined(found)
    assert len(both.mask) == latents.AT_ONCE + 2 and torch.equal(both.condition[-2:], found.condition)


class Oracle:
    """A UNet whose inner part is off by a constant."""

    def __init__(self, network, latents, error):
        self.sigma, self.latents, self.error = network.sigma, latents, error

    def inner(self, distance, mask, composite, timesteps, **kwargs):
        change, sigma = self.latents.target - self.latents.condition, self.sigma(timesteps)
        total = (sigma**2 + unet.SPREAD**2).sqrt()
        return (change - distance * unet.SPREAD**2 / total) / (sigma * unet.SPREAD / total) + self.error


def test_the_unet_s_loss_is_the_error_inside_the_mask_weighted_by_its_area():
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(2, 1, 16, 16)
    mask[0, :, :8] = 1  # a half: counts twice its mean over the picture
    mask[1, :, :2, :2] = 1  # a 64th: counts five times
    pairs = latents.Latents(*torch.randn(2, 2, 4, 16, 16, generator=generator), mask)
    network = unet.start(small(steps=1))
    found = unet.loss(Oracle(network, pairs, 0.3), pairs, torch.Generator().manual_seed(1))
    assert found.item() == pytest.approx(0.09 * (1 + 5 / 64) / 2, rel=1e-3)


def test_timesteps_are_drawn_towards_the_noisy_end():
    drawn = unet.draw_timesteps(20000, torch.Generator().manual_seed(0))
    assert drawn.min() >= 0 and drawn.max() == 999
    assert (drawn < 500).float().mean().item() == pytest.approx(0.25, abs=0.02)


def test_every_weight_of_the_unet_gets_a_gradient(encoder, sampler):
    network = unet.start(small(steps=1))
    for name, parameter in network.named_parameters():
        if name.endswith(("out_layers.3.weight", "proj_out.weight", "out.2.weight")):
            torch.nn.init.normal_(parameter, std=0.02)  # they start at zero and keep back the gradient
    torch.nn.init.normal_(network.empty_prompt)
    unet.loss(network, latents.encoded(sampler, 0, encoder), torch.Generator().manual_seed(0)).backward()
    # attention to a single token is the same whatever is asked of it
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert still and all(".attn2.to_q" in n or ".attn2.to_k" in n or ".norm2." in n for n in still)


def test_a_harmony_vae_starts_as_its_vae(encoder, sampler):
    condition, target, mask = harmony_vae.planes(sampler.batch(0, 2), inverse=False)
    with torch.no_grad():
        latent, _ = vae.moments(encoder, target)
        zero = harmony_vae.start(encoder, small_harmony(steps=1))
        random = harmony_vae.start(encoder, small_harmony(steps=1, zero=False))
        assert torch.equal(zero(latent, condition, mask), encoder.decode(latent))
        assert not torch.equal(random(latent, condition, mask), encoder.decode(latent))


@pytest.mark.parametrize("decoder", [True, False])
def test_what_learns(encoder, decoder):
    network = harmony_vae.start(encoder, small_harmony(steps=1, decoder=decoder))
    frozen = {name.split(".")[0] for name, p in network.named_parameters() if not p.requires_grad}
    assert frozen == {"quant_conv", "post_quant_conv"} | (set() if decoder else {"decoder"})


def test_the_inverse_exchanges_condition_and_target(sampler):
    batch = sampler.batch(0, 2)
    forward, inverse = (harmony_vae.planes(batch, inverse=inverse) for inverse in (False, True))
    assert torch.equal(forward[0], inverse[1]) and torch.equal(forward[1], inverse[0])
    assert torch.equal(forward[2], inverse[2])


def test_training_starts_from_exported_weights(trained, encoder):
    exported = trained["unet"][0] / "unet.safetensors"
    begun = unet.start(small(steps=1, initial=exported)).state_dict()
    assert all(torch.equal(begun[name], value.float()) for name, value in load_file(exported).items())
    exported = trained["harmony_vae"][0] / "harmony_vae.safetensors"
    begun = harmony_vae.start(encoder, small_harmony(steps=1, initial=exported)).state_dict()
    assert all(torch.equal(begun[name], value.float()) for name, value in load_file(exported).items())


def test_the_three_make_one_model(trained, photo_set, tmp_path, executor):
    """Bundled, loaded into the host's handles, and run both ways."""
    files = {name: trained[name][0] / f"{name}.safetensors" for name in trained}
    write_bundle(files, tmp_path / "bundle.safetensors")
    weights = load_file(tmp_path / "bundle.safetensors")
    models = assembled(weights, weights, "harmonize")
    photo = read_photos(photo_set, "train")[0]
    image, mask = photo.image()[None], photo.foreground()[None]
    settings = SamplingSettings(size=64, view="crop")
    done = harmonize(models, image, mask, settings, count=2, carry="lut")
    assert torch.equal(done.image[mask == 0], image[mask == 0]) and done.image.isfinite().all()
    made = make_composites(models, image, mask, settings, count=3, carry="lut")
    assert made.shape == (3, *image.shape[1:]) and len({each.sum().item() for each in made}) == 3
    assert torch.equal(models.vae.encode(image[:, :64, :64]).cpu(), models.vae.encode(image[:, :64, :64]).cpu())


def test_a_checkpoint_of_another_network_is_refused(trained, photo_set, tmp_path):
    weights = trained["vae"][0] / "vae.safetensors"
    checkpoint = trained["vae"][0] / "checkpoint.pt"
    (tmp_path / "checkpoint.pt").write_bytes(checkpoint.read_bytes())
    with pytest.raises(ValueError, match="is no checkpoint of this network"):
        unet.train(photo_set, tmp_path, weights, small(steps=3))


def test_the_vae_s_file_must_be_one(tmp_path, photo_set):
    save_file({"other": torch.zeros(1)}, tmp_path / "vae.safetensors")
    with pytest.raises(RuntimeError, match="Missing key"):
        vae.read_vae(tmp_path / "vae.safetensors")
