"""Vision models in the host's hands: errors and cancelling."""

import comfy.model_management as management
import pytest
import torch
from routed_networks import lively_network

from diff_harmonization.core.errors import InputError
from diff_harmonization.description.statistics.provider import alternatives_towards
from diff_harmonization.host.describe.local import describe_locally
from diff_harmonization.host.routed.harmonizer import harmonize
from diff_harmonization.methods.routed.harmonizer import RoutedHarmonizer

pytestmark = pytest.mark.usefixtures("models")


def test_statistics_read_no_model(executor, composite, loads):
    assert len(describe_locally(*composite, "dog", "statistics")) > 1
    assert loads == []


def test_importance_is_for_the_statistics_alone(executor, composite):
    mask = composite[1]
    image = torch.linspace(0.1, 1, 80)[:, None].expand(60, 80, 3)  # from dark to bright
    right = torch.zeros_like(mask)
    right[:, 60:] = 1
    for provider, model in (("statistics", ""), ("clip", "clip")):
        plain, weighed = (describe_locally(image, mask, "dog", provider, model, x) for x in (None, right))
        assert (weighed == plain) == (provider == "clip")


def test_a_harmonizer_says_how_the_object_should_look(executor, composite, loads):
    image, mask = composite
    harmonizer, importance = RoutedHarmonizer("lively", lively_network()), torch.ones_like(mask)
    found = {}
    for name, weights in (("found", None), ("given", importance)):
        picture = harmonize(harmonizer, image[None], mask, importance=weights).image[0]
        found[name] = describe_locally(image, mask, "dog", "statistics", importance=weights, harmonizer=harmonizer)
        assert found[name] == alternatives_towards(picture, image, mask, "dog")
    assert found["found"] != describe_locally(image, mask, "dog", "statistics")


@pytest.mark.parametrize("harmonizer", [None, RoutedHarmonizer("lively", lively_network())])
def test_the_current_picture_gives_the_foregrounds_words_alone(executor, composite, harmonizer):
    image, mask = composite
    black = torch.zeros(1, 30, 40, 3), torch.ones(30, 40)
    plain, current = (
        describe_locally(image, mask, "dog", "statistics", harmonizer=harmonizer, current=now)
        for now in (None, (black[0][0], black[1]))
    )
    assert [each.background for each in current] == [each.background for each in plain]
    assert all("dark" in each.foreground for each in current) and current != plain


@pytest.mark.parametrize("provider", ["clip", "vlm"])
def test_the_users_cancelling_ends_it_and_the_next_run_works(executor, composite, provider):
    model = {"clip": "clip", "vlm": "llava"}[provider]
    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        describe_locally(*composite, "dog", provider, model)
    assert describe_locally(*composite, "dog", provider, model)


@pytest.mark.parametrize(
    ("provider", "model", "message"),
    [
        ("vlm", "gone", "there is no model folder 'gone' in"),
        ("vlm", "clip", "holds a model of type 'clip'"),
        ("clip", "llava", "holds a model of type 'llava'"),
    ],
)
def test_a_model_that_does_not_serve_is_refused(composite, provider, model, message):
    with pytest.raises(InputError, match=f"^`model`: .*{message}"):
        describe_locally(*composite, "dog", provider, model)


def test_a_model_with_a_file_missing_is_refused(composite, models):
    (models / "llava" / "model.safetensors").unlink()
    with pytest.raises(InputError, match="^`model`: .*llava holds no .*safetensors"):
        describe_locally(*composite, "dog", "vlm", "llava")


def test_a_model_that_cannot_be_asked_is_refused(executor, composite, models):
    (models / "llava" / "chat_template.jinja").unlink()
    with pytest.raises(InputError, match="^`model`: .*chat template"):
        describe_locally(*composite, "dog", "vlm", "llava")
