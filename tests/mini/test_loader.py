import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from diff_harmonization.description.vocabulary import OBJECTS, WORDS
from diff_harmonization.mini import loader


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    """A copy of the manifest and the weights, to break."""
    data = json.loads(loader.MANIFEST.read_text())
    path = tmp_path / data["file"]
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(loader.MANIFEST.parent / data["file"], path)
    copy = tmp_path / loader.MANIFEST.name
    copy.write_text(json.dumps(data))
    monkeypatch.setattr(loader, "MANIFEST", copy)
    return path


def test_the_shipped_weights_are_the_listed_ones():
    path = loader.weights_path()
    assert path.stat().st_size <= 40e6
    assert {value.dtype for name, value in load_file(path).items() if name != "token_ids"} == {torch.float16}


def test_a_missing_file(manifest):
    manifest.unlink()
    with pytest.raises(FileNotFoundError, match=f"{manifest.name} is missing.*reinstall"):
        loader.weights_path()


def test_a_damaged_file(manifest):
    assert loader.weights_path() == manifest
    with manifest.open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(ValueError, match=" has sha256 .*, expected .*reinstall"):
        loader.load_mini()


def test_every_known_word_has_an_embedding(handles):
    clip = handles[1]
    table = clip.cond_stage_model.clip_h.transformer.get_input_embeddings().weight
    tokenized = clip.tokenize(" ".join((*OBJECTS, *WORDS[:30])))["h"] + clip.tokenize(" ".join(WORDS[30:]))["h"]
    used = {token for chunk in tokenized for token, _ in chunk}
    assert (table[sorted(used)].norm(dim=1) > 0).all()


def test_context(handles):
    clip = handles[1]
    with torch.inference_mode():
        tree, car, again = (
            clip.encode_from_tokens(clip.tokenize(text)) for text in ("tree bright", "car bright", "tree bright")
        )
    assert tree.shape == (1, 77, 256)
    assert tree.isfinite().all()
    assert torch.equal(tree, again)
    assert torch.equal(tree[:, 0], car[:, 0])  # the mask is causal
    assert (tree[:, 1:] - car[:, 1:]).abs().amax(-1).min() > 1e-4


def test_the_encoder_is_the_trained_one(handles):
    """Host and training compute the same context: the training's own forward on the loaded weights."""
    from diff_harmonization.training.mini.network import Network, Vocabulary

    vocabulary, clip = Vocabulary(), handles[1]
    network = Network(len(vocabulary.token_ids)).cpu()
    weights = load_file(loader.weights_path())
    assert weights.pop("token_ids").tolist() == vocabulary.token_ids
    network.load_state_dict({name: value.float() for name, value in weights.items()})
    text = "person warm sunset"
    rows = torch.tensor([[vocabulary.rows[token] for token, _ in clip.tokenize(text)["h"][0]]])
    with torch.inference_mode():
        host = clip.encode_from_tokens(clip.tokenize(text))
        assert torch.allclose(network.context(rows), host.cpu(), atol=1e-4)


def test_words_move_the_prediction(handles):
    model, clip, _ = handles
    with torch.inference_mode():
        bright, dark = (clip.encode_from_tokens(clip.tokenize(f"object {word}")) for word in ("dazzling", "dark"))
        sigma = model.model.model_sampling.sigmas[981:982]
        noisy = sigma * torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        means = [model.model.apply_model(noisy, sigma, c_crossattn=c).mean().item() for c in (bright, dark)]
    assert means[0] > means[1] + 0.02


def test_the_vae_changes_nothing(handles):
    vae = handles[2]
    image = torch.rand(1, 60, 44, 3, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        latent = vae.encode(image)
        assert latent.shape == (1, 3, 60, 44)
        assert torch.allclose(vae.decode(latent).cpu(), image, atol=1e-5)


def test_a_private_copy_shares_nothing(handles):
    model, clip, _ = handles
    for patcher in (model, clip.patcher):
        copy = patcher.clone(force_deepcopy=True, disable_dynamic=True)
        ours, theirs = patcher.model.state_dict(), copy.model.state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name].cpu(), theirs[name].cpu()) for name in ours)
        assert not {value.data_ptr() for value in ours.values()} & {value.data_ptr() for value in theirs.values()}


def test_gradients_reach_latent_and_context_of_a_private_copy(handles):
    with torch.inference_mode(False):
        model = handles[0].clone(force_deepcopy=True, disable_dynamic=True).model
        generator = torch.Generator().manual_seed(0)
        latent = torch.randn(1, 3, 16, 16, generator=generator, requires_grad=True)
        context = torch.randn(1, 77, 256, generator=generator, requires_grad=True)
        model.apply_model(latent, torch.tensor([2.0]), c_crossattn=context).square().mean().backward()
    for tensor in (latent, context):
        assert tensor.grad is not None
        assert tensor.grad.norm() > 0
