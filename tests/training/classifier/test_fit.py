import random

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import avg_pool2d, cross_entropy

from diff_harmonization.core.weights import shipped_weights
from diff_harmonization.data.photos import read_photos
from diff_harmonization.evaluator.checkpoint import MANIFEST, read_classifier, read_state
from diff_harmonization.evaluator.model import HarmonyEvaluator, evaluator_input
from diff_harmonization.training.classifier import fit


@pytest.fixture(scope="module")
def network():
    return fit.frozen()


def test_the_probe_is_the_logistic_regression():
    """Two clouds: the direction is that between their means, and the loss has no gradient left."""
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(400) % 2
    features = torch.randn(400, 5, generator=generator) * torch.tensor([1.0, 50.0, 1.0, 0.1, 1.0]) + 7
    features[:, 0] += 2.0 * classes
    weight, bias = fit.probe(features, classes)
    predicted = (features @ weight.T + bias).argmax(1)
    assert (predicted == classes).float().mean() > 0.8
    direction = (weight[1] - weight[0]) * features.std(0)
    assert direction[0] > 5 * direction[1:].abs().max()
    deviation = features.std(0, correction=0)
    scaled = weight.clone().requires_grad_()
    loss = cross_entropy(features @ scaled.T + bias, classes)
    loss = loss + fit.PENALTY * (scaled * (deviation + 1e-6)).square().sum()
    loss.backward()
    assert (scaled.grad / deviation).abs().max() < 1e-3


def test_each_photograph_is_shown_as_it_is_and_recolored(network, photo_set):
    photos = [photo for photo in read_photos(photo_set, "train") if photo.natural][:2]
    features, classes = fit.collect(network, photos, random.Random(0))
    assert classes.tolist() == [0, 1, 0, 1] and features.shape == (4, network.probe.in_features)
    image, mask = photos[0].image(), photos[0].foreground()
    square = avg_pool2d(evaluator_input(image[None], mask[None], "whole"), network.reduction)
    torch.testing.assert_close(features[:1], network.features(square))
    changed = fit.recolored(image, mask, random.Random(1))
    assert torch.equal(changed[mask == 0], image[mask == 0]) and not torch.equal(changed, image)


def test_what_is_written_is_read_as_an_evaluator_of_the_whole_picture(photo_set, tmp_path, network):
    fit.fit(photo_set, tmp_path / "classifier.safetensors")
    probe = load_file(tmp_path / "classifier.safetensors")
    assert set(probe) == {"probe.weight", "probe.bias"}
    read, view = read_classifier(probe, read_state(shipped_weights(MANIFEST)))
    assert view == "whole"
    photo = read_photos(photo_set, "train")[0]
    image, mask = photo.image()[None], photo.foreground()[None]
    score = HarmonyEvaluator("classifier", read, view).score(image, mask)
    square = evaluator_input(image, mask, "whole")
    logits = torch.nn.functional.linear(
        network.features(avg_pool2d(square, 2)), probe["probe.weight"].float(), probe["probe.bias"].float()
    )
    assert score.item() == pytest.approx(logits.softmax(1)[0, 0].item(), abs=1e-5)  # index 1 is unharmonious
    other = torch.zeros_like(mask)
    other[:, :9, :9] = 1
    assert HarmonyEvaluator("classifier", read, view).score(image, other).item() == pytest.approx(score.item())
