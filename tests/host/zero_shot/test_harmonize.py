"""The loop in one call: what an error tells of the object, the pass and every file saved so far."""

from dataclasses import replace
from pathlib import Path

import comfy.model_management
import folder_paths
import pytest
import torch
from routed_networks import lively_network
from tiny_models import tiny_clip, tiny_model, tiny_vae

from diff_harmonization.core.errors import InputError, PassError
from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.core.view import working_view
from diff_harmonization.description.statistics.provider import describe, follow
from diff_harmonization.host.loop import passes
from diff_harmonization.host.network import HostNetwork
from diff_harmonization.host.routed import harmonizer as routed
from diff_harmonization.host.zero_shot import edit
from diff_harmonization.host.zero_shot import harmonize as host_harmonize
from diff_harmonization.host.zero_shot.edit import Models, PassSettings
from diff_harmonization.host.zero_shot.harmonize import harmonize_instances, run_harmonize, take
from diff_harmonization.loop.policy import LoopPolicy
from diff_harmonization.methods.routed.harmonizer import RoutedHarmonizer
from diff_harmonization.methods.zero_shot.refinement import RefinementSettings

SETTINGS = PassSettings(size=64, steps=1, refinement=RefinementSettings(steps_per_timestep=0))
POLICY = LoopPolicy(k=1, max_passes=2)
WORDS = [ImagingDescription("cat", ("warm",), ("cold",))] * 2
COUNTS = 3  # scores of an object: the composite's, and one a pass


def harmonize(*arguments, **options):
    image, mask = arguments[2:4]
    return take(run_harmonize(*arguments, **options), image, mask)


class RisingScores:
    """Every picture is better than the one before; the last one fails."""

    def __init__(self, good, error):
        self.left, self.score_of, self.error = good, 0.1, error

    def score(self, image, mask):
        if self.left == 0:
            raise self.error
        self.left -= 1
        self.score_of += 0.1
        return torch.full((len(image),), self.score_of)


@pytest.fixture(autouse=True)
def temp(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def models():
    return Models(tiny_model(), tiny_clip(), tiny_vae())


@pytest.fixture
def picture():
    """A picture with two objects, and their masks."""
    image = torch.rand(1, 48, 48, 3, generator=torch.Generator().manual_seed(0))
    masks = torch.zeros(2, 48, 48)
    masks[0, 4:24, 4:24] = masks[1, 24:44, 24:44] = 1
    return image, masks


@pytest.fixture
def run(models, executor, picture):
    def run(good=100, error=None):
        judge = RisingScores(good, error)
        return harmonize_instances(models, judge, *picture, WORDS, SETTINGS, POLICY, view_size=64)

    return run


def failure(call, cause):
    """The message of the error, and the files that it names."""
    with pytest.raises(PassError) as caught:
        call()
    assert caught.value.__cause__ is cause
    message = str(caught.value)
    text, _, files = message.partition(" Finished passes are saved: ")
    paths = [Path(name) for name in filter(None, files.split(", "))]
    assert all(path.is_file() for path in paths)
    return text, len(paths)


@pytest.mark.parametrize(
    ("good", "where", "files"),
    [
        (0, "object 1 of 2", 0),
        (1, "object 1 of 2, pass 1", 0),
        (2, "object 1 of 2, pass 2", 1),
        (COUNTS, "object 2 of 2", 2),
        (COUNTS + 1, "object 2 of 2, pass 1", 2),
        (COUNTS + 2, "object 2 of 2, pass 2", 3),
    ],
)
def test_an_error_names_the_object_and_all_saved_passes(run, temp, good, where, files):
    error = ValueError("The evaluator broke.")
    assert failure(lambda: run(good, error), error) == (f"{where}: The evaluator broke.", files)
    assert len(list(temp.rglob("*.png"))) == files


def test_a_pass_that_cannot_be_saved_is_named(run, monkeypatch):
    error, saved, real = OSError("No space left on device."), [], passes.save_pass

    def save(states):
        if len(saved) == 2:
            raise error
        saved.append(real(states))
        return saved[-1]

    monkeypatch.setattr(passes, "save_pass", save)
    assert failure(run, error) == ("object 2 of 2, pass 1: No space left on device.", 2)


@pytest.mark.parametrize("function", ["fit_lut", "apply_lut"])
def test_the_last_step_to_full_resolution_is_named(run, monkeypatch, function):
    error = ValueError("No such colors.")

    def fails(*arguments, **options):
        raise error

    monkeypatch.setattr(host_harmonize, function, fails)
    assert failure(run, error) == ("object 1 of 2, final LUT: No such colors.", 2)


@pytest.mark.parametrize("good", [COUNTS, COUNTS + 1])
def test_the_interrupt_is_left_to_the_host(run, good):
    error = comfy.model_management.InterruptProcessingException()
    with pytest.raises(type(error)) as caught:
        run(good, error)
    assert caught.value is error


@pytest.mark.parametrize("good", [COUNTS, COUNTS + 1])
def test_out_of_memory_is_the_cause_that_the_boxes_tell_of(run, good):
    error = comfy.model_management.OOM_EXCEPTION("Too little.")
    with pytest.raises(PassError, match="^object 2 of 2") as caught:
        run(good, error)
    assert caught.value.problem is error and caught.value.saved


def test_one_picture_and_a_description_are_needed(models, executor, picture):
    image, masks = picture
    for pictures, words, parameter in ((image.expand(2, -1, -1, -1), WORDS, "image"), (image, [], "descriptions")):
        with pytest.raises(InputError) as caught:
            harmonize(models, RisingScores(9, None), pictures, masks[0], words, SETTINGS, POLICY)
        assert caught.value.parameter == parameter
    with pytest.raises(InputError, match="got 2 masks and 1 descriptions"):
        harmonize_instances(models, RisingScores(9, None), image, masks, WORDS[:1], SETTINGS, POLICY)


def test_a_picture_is_inverted_once_for_all_passes_from_it(models, executor, picture, monkeypatch):
    inverted, real = [], edit.invert_view
    monkeypatch.setattr(edit, "invert_view", lambda *a: inverted.append(a[1]) or real(*a))
    image, masks = picture
    policy = LoopPolicy(k=2, max_passes=3)
    words = [WORDS[0], replace(WORDS[0], background=("icy",))]
    done = harmonize(models, RisingScores(9, None), image, masks[0], words, SETTINGS, policy, view_size=64)
    assert done.states.count == 3
    assert len(inverted) == 2  # the composite's view for both trials, and the kept trial


def test_one_pass_of_the_loop_is_one_edit(models, executor, picture):
    """What the loop carries after its first pass is `edit_once` on the composite's view, to the bit."""
    image, masks = picture
    one = LoopPolicy(k=1, max_passes=1)
    done = harmonize(models, RisingScores(9, None), image, masks[0], WORDS, SETTINGS, one, view_size=64)
    view, mask = working_view(image, masks[:1], 64)
    made = edit.edit_once(models, view, mask, WORDS[0], replace(SETTINGS, framing="whole"))
    assert torch.equal(done.states.images[1], made)
    outside = masks[0] == 0
    assert torch.equal(done.image[0][outside], image[0][outside]) and not torch.equal(done.image, image)


class ScriptedScores:
    """One score after another."""

    def __init__(self, *scores):
        self.left = list(scores)

    def score(self, image, mask):
        return torch.tensor([self.left.pop(0)], dtype=torch.float64)


@pytest.fixture(scope="module")
def harmonizer():
    return RoutedHarmonizer("lively", HostNetwork(lively_network()))


ONE_AFTER_PROPOSALS = LoopPolicy(k=1, max_passes=2)


@pytest.mark.parametrize(("scores", "strength"), [((0.3, 0.4, 0.6, 0.5, 0.5), 0.5), ((0.3, 0.4, 0.4, 0.5, 0.6), 1.0)])
def test_a_chosen_proposal_is_routed_harmonize_to_the_bit(models, executor, picture, harmonizer, scores, strength):
    image, mask = picture[0], picture[1][0]
    proposed = routed.proposals(harmonizer, image, mask)
    judge = ScriptedScores(*scores, 0.2, 0.1)
    done = harmonize(models, judge, image, mask, WORDS, SETTINGS, ONE_AFTER_PROPOSALS, proposals=proposed, view_size=64)
    expected = routed.harmonize(harmonizer, image, mask, strength=strength).image
    assert torch.equal(done.image, expected) and not torch.equal(done.image, image)
    assert done.states.proposals == tuple(made for made, _ in proposed)
    view, view_mask = working_view(image, mask[None], 64)
    made = working_view(expected, mask[None], 64)[0]
    assert torch.equal(done.lut.table, host_harmonize.fit_lut(view, made, view_mask).table)


def test_a_pass_from_a_proposal_keeps_its_local_changes(models, executor, picture, harmonizer):
    """The last pass starts from the stronger proposal and is best: its change is carried to that proposal's picture."""
    image, mask = picture[0], picture[1][0]
    proposed = routed.proposals(harmonizer, image, mask)
    judge = ScriptedScores(0.3, 0.4, 0.4, 0.5, 0.6, 0.2, 0.9)
    done = harmonize(models, judge, image, mask, WORDS, SETTINGS, ONE_AFTER_PROPOSALS, proposals=proposed, view_size=64)
    assert done.states.result().chosen == 6 and done.states.origin(6) == 4
    strong, view_mask = working_view(proposed[-1][1], mask[None], 64)
    rest = host_harmonize.fit_lut(strong, done.states.images[6], view_mask)
    assert torch.equal(done.image, host_harmonize.apply_lut(proposed[-1][1], rest, mask[None]))
    assert torch.equal(done.image[0][mask == 0], image[0][mask == 0])
    alone = host_harmonize.apply_lut(image, done.lut, mask[None])  # the global change is less
    assert not torch.allclose(done.image, alone, atol=1e-3)


def test_a_composite_that_stays_keeps_every_bit(models, executor, picture):
    image, masks = picture
    judge = ScriptedScores(0.5, 0.51, 0.4)
    done = harmonize(models, judge, image, masks[0], WORDS, SETTINGS, replace(POLICY, margin=0.02), view_size=64)
    assert torch.equal(done.image, image)
    assert "too little to trust" in done.states.summary()


def test_a_black_proposal_is_refused_whatever_its_score(models, executor, picture):
    image, masks = picture
    black = ("black", torch.where(masks[0][None, ..., None] > 0, torch.zeros(()), image))
    policy = LoopPolicy(k=1, max_passes=1, farthest=7.5)
    done = harmonize(
        models,
        ScriptedScores(0.3, 0.9, 0.2),
        image,
        masks[0],
        WORDS,
        SETTINGS,
        policy,
        proposals=[black],
        view_size=64,
    )
    assert torch.equal(done.image, image)
    assert "its light and shade are lost or inverted" in done.states.summary()


def test_a_proposal_of_another_size_is_refused(models, executor, picture):
    image, masks = picture
    with pytest.raises(InputError, match="proposal 1 is 20x48") as caught:
        harmonize(
            models,
            RisingScores(9, None),
            image,
            masks[0],
            WORDS,
            SETTINGS,
            POLICY,
            proposals=[("cut", image[:, :, :20])],
        )
    assert caught.value.parameter == "proposals"


@pytest.mark.parametrize("follows", [True, False])
@pytest.mark.parametrize("by_statistics", [True, False])
def test_words_of_statistics_follow_the_object_and_others_stay(models, executor, picture, follows, by_statistics):
    image, (mask, _) = picture
    given = describe(image[0], mask, "cat") if by_statistics else WORDS[0]
    policy, settings = LoopPolicy(k=1, max_passes=3, follow=follows), replace(SETTINGS, strength=3.0, amount=1.0)
    run = run_harmonize(models, RisingScores(9, None), image, mask[None], [given], settings, policy, view_size=64)
    said = run.states.descriptions[1:]
    expected = [follow(given, before[0], run.view_mask[0]) for before in run.states.images[:-1]]
    assert len(set(expected)) > 1, "the object changes"
    assert list(said) == (expected if follows and by_statistics else [given] * 3)
