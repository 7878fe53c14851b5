import logging

import comfy.model_management
import pytest
import torch
from harmony_vaes import fresh_network, lively_network, lively_vae, released_state, write_released
from models_folders import own_folder  # noqa: F401
from tiny_models import tiny_vae

from diff_harmonization.host.diffharmony import vae as module
from diff_harmonization.host.diffharmony.vae import (
    FOLDER,
    NO_FILE,
    HostHarmonyVAE,
    harmony_vae_names,
    load_harmony_vae,
)


@pytest.fixture
def folder(own_folder):  # noqa: F811
    return own_folder(FOLDER)


@pytest.fixture
def pictures():
    """Latents of two pictures, the composites and their masks."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(2, 48, 64)
    mask[0, 10:30, 20:50] = mask[1, 30:, :20] = 1
    latent = torch.randn(2, 4, 6, 8, generator=generator)
    return latent, torch.rand(2, 48, 64, 3, generator=generator), mask


def test_a_fresh_one_decodes_exactly_as_its_plain_vae(pictures, executor):
    plain = tiny_vae()
    fresh = HostHarmonyVAE("fresh", fresh_network(plain))
    latent, image, mask = pictures
    expected = torch.cat([plain.decode(row) for row in latent.split(1)])
    assert torch.equal(fresh.decode(latent, image, mask), expected)


def test_composite_and_mask_matter(pictures, executor):
    vae, (latent, image, mask) = lively_vae(), pictures
    out = vae.decode(latent, image, mask)
    assert out.shape == image.shape and out.dtype == torch.float32 and out.min() >= 0 and out.max() <= 1
    for changed in ((latent, image.flip(1), mask), (latent, image, mask.flip(2)), (latent.flip(2), image, mask)):
        assert (vae.decode(*changed) - out).abs().mean() > 1e-3


def test_a_batch_gives_what_its_pictures_give(pictures, executor):
    vae, (latent, image, mask) = lively_vae(), pictures
    both = vae.decode(latent, image, mask)
    for row in range(2):
        assert torch.equal(vae.decode(*(part[row : row + 1] for part in (latent, image, mask)))[0], both[row])
    shared = vae.decode(latent, image[:1], mask[:1])
    assert torch.equal(shared[0], both[0]) and not torch.equal(shared[1], both[1])


def test_it_sees_the_part_of_the_picture_that_was_encoded(pictures, executor):
    """The host cuts 3 and 5 pixels, one and two of them at the start."""
    vae, (latent, image, mask) = lively_vae(), pictures
    padding = (2, 3, 1, 2)
    wide = torch.nn.functional.pad(image.movedim(-1, 1), padding, value=0.5).movedim(1, -1)
    wide_mask = torch.nn.functional.pad(mask, padding)
    assert torch.equal(vae.decode(latent, wide, wide_mask), vae.decode(latent, image, mask))


def test_other_inputs_are_refused(pictures):
    vae, (latent, image, mask) = lively_vae(), pictures
    with pytest.raises(ValueError, match=r"^`latent`: got shape \(2, 16, 6, 8\), expected latents \[B,4,h,w\]"):
        vae.decode(latent.repeat(1, 4, 1, 1), image, mask)
    with pytest.raises(ValueError, match="^`image`: got 2 pictures for 3 latents"):
        vae.decode(latent[:1].repeat(3, 1, 1, 1), image, mask)
    with pytest.raises(ValueError, match="^`image`: got 64x48 .* for a latent of 4x6, expected 32x48"):
        vae.decode(latent[..., :4], image, mask)


def test_without_memory_for_the_whole_it_decodes_in_tiles(pictures, executor, monkeypatch, caplog):
    vae, inputs = lively_vae(), pictures
    whole, network = vae.decode(*inputs), vae.patcher.model

    def short(*_):
        raise comfy.model_management.OOM_EXCEPTION("out of memory")

    monkeypatch.setattr(type(network), "forward", short)
    with caplog.at_level(logging.WARNING):
        out = vae.decode(*inputs)
    assert caplog.text.count("decodes it in tiles") == 2
    assert (out - whole).abs().max() < 1 / 255


def test_another_error_is_not_taken_for_a_lack_of_memory(pictures, executor, monkeypatch):
    vae = lively_vae()

    def broken(*_):
        raise RuntimeError("something else")

    monkeypatch.setattr(type(vae.patcher.model), "forward", broken)
    with pytest.raises(RuntimeError, match="something else"):
        vae.decode(*pictures)


def test_the_host_can_take_it_away(pictures, executor):
    vae = lively_vae()
    before = vae.decode(*pictures)
    assert vae.patcher in [entry.model for entry in comfy.model_management.current_loaded_models]
    comfy.model_management.unload_all_models()
    assert torch.equal(vae.decode(*pictures), before)


def test_names_are_the_users_files(folder):
    assert harmony_vae_names() == [NO_FILE]
    write_released(folder / "condition_vae" / "vae.bin", {"a": torch.zeros(1)})
    (folder / "notes.txt").write_text("no weights")
    module.folder_paths.cache_helper.clear()
    module.folder_paths.filename_list_cache.clear()
    assert [name.replace("\\", "/") for name in harmony_vae_names()] == ["condition_vae/vae.bin"]


@pytest.mark.parametrize("name", ["vae.safetensors", "vae.bin"])
def test_a_released_file_decodes(folder, name, executor):
    state = released_state()
    write_released(folder / name, state)
    vae = load_harmony_vae(name)
    own = vae.patcher.model
    assert vae.name == name and own.mask_conv.weight.shape == (128, 1, 3, 3) and len(own.skips) == 12
    kept = state["conditional_encoder.down_block_skip_convs.3.weight"]
    assert torch.equal(own.skips[3].weight.cpu(), kept.float())
    generator = torch.Generator().manual_seed(1)
    latent, image = torch.randn(1, 4, 4, 4, generator=generator), torch.rand(1, 32, 32, 3, generator=generator)
    out = vae.decode(latent, image, torch.ones(1, 32, 32))
    assert out.shape == (1, 32, 32, 3) and out.isfinite().all() and out.std() > 0


@pytest.mark.parametrize("name", ["none.safetensors", NO_FILE])
def test_a_file_that_is_not_there(folder, name):
    with pytest.raises(FileNotFoundError, match="there is no file '.*harmony_vae.*docs/diffharmony.md"):
        load_harmony_vae(name)


def test_skips_of_the_network_are_those_of_the_table():
    """(source, target) channels in the order of the file."""
    skips = module.empty_network().skips
    table = [(128, 128)] * 3 + [(128, 256), (256, 256), (256, 256), (256, 512)] + [(512, 512)] * 5
    assert [(skip.in_channels, skip.out_channels) for skip in skips] == table


def test_it_stays_as_it_was_after_tiles(pictures, executor):
    vae = HostHarmonyVAE("lively", lively_network())
    before = vae.decode(*pictures)
    latent, image, mask = (part[:1] for part in pictures)
    vae.tiled(latent, image.movedim(-1, 1) * 2 - 1, mask[:, None])
    assert torch.equal(vae.decode(*pictures), before)
