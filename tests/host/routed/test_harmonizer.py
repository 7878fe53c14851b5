import json
from types import SimpleNamespace

import comfy.model_management
import folder_paths
import pytest
import torch
from graphs import EXAMPLE
from models_folders import own_folder  # noqa: F401
from routed_networks import lively_network
from safetensors.torch import save_file

from diff_harmonization.color.lut import ColorLUT, grid_colors
from diff_harmonization.core.view import find_view
from diff_harmonization.data.photos import read_image, read_mask
from diff_harmonization.evaluator.model import HarmonyEvaluator
from diff_harmonization.host.judged import JUDGED, UNCHANGED
from diff_harmonization.host.routed import harmonizer as module
from diff_harmonization.host.routed.harmonizer import (
    EMBEDDED,
    FOLDER,
    harmonize,
    harmonizer_names,
    importance_of,
    load_harmonizer,
    proposals,
)
from diff_harmonization.methods.routed.instances import find_instances, load_backbone
from diff_harmonization.methods.routed.similarity import importance_map
from diff_harmonization.training.files import weights_of, write_weights

NAME = "lively.safetensors"


@pytest.fixture
def folder(own_folder):  # noqa: F811
    """The models folder of users' harmonizers, with one in it."""
    folder = own_folder(FOLDER)
    write_weights(weights_of(lively_network()), folder / NAME)
    return folder


@pytest.fixture
def harmonizer(folder, executor):
    return load_harmonizer(NAME)


@pytest.fixture(scope="module")
def pictures():
    """A shipped composite and its mirror image in other colors, and their masks."""
    image, mask = read_image(EXAMPLE / "composite.jpg")[::8, ::8], read_mask(EXAMPLE / "mask.png")[::8, ::8]
    return torch.stack((image, 0.9 * image.flip(1, 2))), torch.stack((mask, mask.flip(1)))


def identity():
    return ColorLUT(grid_colors(2))


def scripted(*scores):
    """A judge whose classes come from a script."""
    script = iter(scores)

    def classify(square):
        return torch.tensor([[0.0, torch.logit(torch.tensor(next(script))).item()]])

    return HarmonyEvaluator("scripted", classify)


def test_names_are_the_embedded_one_and_the_users_files(folder):
    (folder / "notes.txt").write_text("no weights")
    assert harmonizer_names() == [EMBEDDED, NAME]
    assert folder_paths.get_folder_paths(FOLDER) == [str(folder)]


def test_a_users_file_is_its_network(harmonizer, pictures):
    image, mask = pictures[0][0], pictures[1][0]
    importance = importance_of(image, mask)
    proposal = harmonizer.look(image, mask, importance)
    assert harmonizer.name == NAME and proposal.square == find_view(mask > 0.5)
    expected = module.RoutedHarmonizer("here", lively_network()).look(image, mask, importance)
    torch.testing.assert_close(proposal.transform.curve.cpu(), expected.transform.curve, rtol=0.01, atol=0.01)


def test_a_file_that_is_not_there(folder):
    with pytest.raises(FileNotFoundError, match="none.safetensors"):
        load_harmonizer("none.safetensors")


def test_a_file_of_something_else(folder):
    save_file({"a": torch.zeros(1)}, folder / "other.safetensors")
    with pytest.raises(ValueError, match="^`path`: other.safetensors is no routed harmonizer"):
        load_harmonizer("other.safetensors")


def test_damaged_embedded_weights(folder, monkeypatch):
    (folder / "weights.json").write_text(json.dumps({"file": NAME, "sha256": "0" * 64}))
    monkeypatch.setattr(module, "MANIFEST", folder / "weights.json")
    with pytest.raises(ValueError, match="has sha256 .*, expected 0000.*reinstall"):
        load_harmonizer(EMBEDDED)


def test_a_picture_is_harmonized_on_its_object(harmonizer, pictures):
    image, mask = pictures[0][:1], pictures[1][:1]
    done = harmonize(harmonizer, image, mask)
    assert done.image.shape == image.shape and done.strengths == (1.0,) and len(done.luts) == 1
    assert torch.equal(done.image[mask == 0], image[mask == 0])
    assert (done.image - image)[mask > 0].abs().mean() > 0.01


def test_each_picture_of_a_batch_is_harmonized_by_itself(harmonizer, pictures):
    image, mask = pictures
    both = harmonize(harmonizer, image, mask)
    assert len(both.luts) == len(both.strengths) == 2
    for row in range(2):
        alone = harmonize(harmonizer, image[row : row + 1], mask[row : row + 1])
        assert torch.equal(alone.image[0], both.image[row])
        assert torch.equal(alone.luts[0].table, both.luts[row].table)
    assert not torch.allclose(both.luts[0].table, both.luts[1].table, atol=1e-3)


@pytest.mark.parametrize("shape", ["one", "one for each", "plane"])
def test_one_mask_and_one_importance_may_serve_all(harmonizer, pictures, shape):
    image, mask = pictures[0], pictures[1][:1]
    importance = torch.rand(1, *mask.shape[1:], generator=torch.Generator().manual_seed(0))
    form = {"one": lambda x: x, "one for each": lambda x: x.expand(2, -1, -1), "plane": lambda x: x[0]}[shape]
    done = harmonize(harmonizer, image, form(mask), importance=form(importance))
    for row in range(2):
        alone = harmonize(harmonizer, image[row : row + 1], mask, importance=importance)
        assert torch.equal(alone.image[0], done.image[row])


def test_without_importance_it_is_found(harmonizer, pictures):
    image, mask = pictures[0][:1], pictures[1][:1]
    found = importance_of(image[0], mask[0])
    expected = importance_map(find_instances(image[0], mask[0], load_backbone()), mask.shape[1:])
    assert found.shape == mask.shape[1:]
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    by_itself, given, other = (
        harmonize(harmonizer, image, mask, importance=planes).image for planes in (None, found, 0 * found)
    )
    assert torch.equal(by_itself, given)
    assert not torch.allclose(by_itself, other, atol=1e-4)


def test_strength_and_local_reach_the_change(harmonizer, pictures):
    image, mask = pictures[0][:1], pictures[1][:1]
    nothing = harmonize(harmonizer, image, mask, strength=0.0)
    assert torch.equal(nothing.image, image) and nothing.strengths == (0.0,)
    whole, half, plain = (
        harmonize(harmonizer, image, mask, **changes) for changes in ({}, {"strength": 0.5}, {"local": False})
    )
    inside = mask > 0
    assert (half.image - image)[inside].abs().mean() < (whole.image - image)[inside].abs().mean()
    proposal = harmonizer.look(image[0], mask[0], importance_of(image[0], mask[0]))
    assert torch.equal(plain.image[0], proposal.applied(image[0], mask[0], local=False)[0])
    assert not torch.allclose(plain.image, whole.image, atol=1e-3)


def test_proposals_for_a_loop_are_what_the_judge_would_choose_among(harmonizer, pictures):
    image, mask = pictures[0][:1], pictures[1][:1]
    proposed = proposals(harmonizer, image, mask)
    assert [made for made, _ in proposed] == [f"routed, strength {share:g}" for share in JUDGED if share]
    for (_, picture), share in zip(proposed, JUDGED[1:], strict=True):
        assert torch.equal(picture, harmonize(harmonizer, image, mask, strength=share).image)
    with pytest.raises(ValueError, match="^`image`: got a batch of 2 pictures"):
        proposals(harmonizer, pictures[0], mask)


@pytest.mark.parametrize(
    ("scores", "share"),
    [
        ((0.2, 0.3, 0.5, 0.4, 0.3), 0.5),
        ((0.2, 0.3, 0.4, 0.45, 0.6), 1.0),
        ((0.2, 0.5, 0.4, 0.51, 0.4), 0.25),  # hardly better than a quarter
        ((0.5, 0.51, 0.519, 0.5, 0.5), 0.0),  # hardly better than nothing
        ((0.2, 0.3, 0.45, 0.5, 0.51), 0.5),  # 0.25 of 0.31, the first that is enough
        ((0.4, 0.3, 0.41, 0.3, 0.2), 0.0),
    ],
)
def test_the_judge_chooses_among_shares_of_the_strength(harmonizer, pictures, scores, share):
    image, mask = pictures[0][:1], pictures[1][:1]
    done = harmonize(harmonizer, image, mask, judge=scripted(*scores), strength=1.5)
    assert done.strengths == (1.5 * share,)
    expected = harmonize(harmonizer, image, mask, strength=1.5 * share)
    assert torch.equal(done.image, expected.image)
    assert torch.equal(done.luts[0].table, expected.luts[0].table)


def test_the_judge_chooses_for_each_picture_by_itself(harmonizer, pictures):
    done = harmonize(harmonizer, *pictures, judge=scripted(0.2, 0.3, 0.5, 0.4, 0.3, 0.9, 0.8, 0.7, 0.6, 0.5))
    assert done.strengths == (0.5, 0.0)
    assert torch.equal(done.image[1], pictures[0][1])
    taken, kept = done.summary().split("\n")
    scores = "0.200 at 0%, 0.300 at 25%, 0.500 at 50%, 0.400 at 75%, 0.300 at 100%"
    assert taken == f"strength 0.5; scores by how much of the change is made: {scores}"
    assert kept.startswith("strength 0; scores") and kept.endswith(UNCHANGED)
    assert harmonize(harmonizer, *pictures).summary() == "strength 1\nstrength 1"
    assert JUDGED == (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask": torch.ones(1, 5, 5)}, "^`mask`: got 5x5"),
        ({"importance": torch.ones(1, 5, 5)}, "^`importance`: got 5x5"),
        ({"strength": -1.0}, "^`strength`: got -1.0, expected 0 or more"),
    ],
)
def test_what_is_refused(harmonizer, pictures, changes, message):
    image, mask = pictures[0][:1], pictures[1][:1]
    with pytest.raises(ValueError, match=message):
        harmonize(harmonizer, image, **{"mask": mask, **changes})


@pytest.mark.parametrize(("level", "message"), [(0.0, "the mask is empty"), (1.0, "the mask covers the whole picture")])
def test_masks_without_object_or_scene(harmonizer, pictures, level, message):
    image, mask = pictures[0][:1], torch.full_like(pictures[1][:1], level)
    with pytest.raises(ValueError, match=f"^`mask`: {message}"):
        harmonize(harmonizer, image, mask)


def test_a_batch_can_be_cancelled_between_its_pictures(harmonizer, pictures, monkeypatch):
    image, mask = (torch.cat([values] * 3) for values in pictures)
    looked = []

    def look(picture, *planes):
        looked.append(picture)
        comfy.model_management.interrupt_current_processing()
        return harmonizer.look(picture, *planes)

    watched = SimpleNamespace(look=look)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        harmonize(watched, image, mask, importance=mask)
    assert len(looked) == 1
