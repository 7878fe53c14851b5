"""The loop from a description on, given or found, with the embedded models in the host."""

import pytest
import torch
from graphs import EXAMPLE
from torch.nn.functional import interpolate

from diff_harmonization.core.errors import InputError
from diff_harmonization.data.photos import read_image, read_mask
from diff_harmonization.description.captions import read_description
from diff_harmonization.host.describe.local import describe_locally
from diff_harmonization.host.described import harmonize_described
from diff_harmonization.host.evaluator import EMBEDDED, load_evaluator
from diff_harmonization.host.routed.harmonizer import PROPOSED, load_harmonizer, proposals
from diff_harmonization.host.zero_shot.edit import Models, PassSettings
from diff_harmonization.host.zero_shot.harmonize import run_harmonize, take
from diff_harmonization.loop.policy import LoopPolicy
from diff_harmonization.methods.zero_shot.refinement import RefinementSettings
from diff_harmonization.mini.loader import load_mini

SETTINGS = PassSettings(size=64, steps=2, refinement=RefinementSettings(steps_per_timestep=0))
TWO_TRIALS = LoopPolicy(k=2, max_passes=2)


@pytest.fixture(scope="module")
def models():
    return Models(*load_mini())


@pytest.fixture(scope="module")
def judge():
    return load_evaluator(EMBEDDED)


@pytest.fixture(scope="module")
def harmonizer():
    return load_harmonizer(EMBEDDED)


@pytest.fixture(scope="module")
def tree():
    """A real composite [90,120,3] and its mask [90,120]."""
    folder = EXAMPLE.parent / "tree_golden"
    image, mask = read_image(folder / "composite.jpg"), read_mask(folder / "mask.png")
    small = interpolate(torch.cat((image, mask[..., None]), -1).movedim(-1, 0)[None], (90, 120), mode="area")[0]
    return small[:3].movedim(0, -1), (small[3] > 0.5).float()


def words_of(done):
    """The descriptions of the loop's passes, without the composite and what is proposed."""
    return [str(words) for words in done.states.descriptions if words is not None]


def test_words_that_are_given_are_tried_in_their_order(models, judge, tree):
    given = read_description("tree bright, tree dusk; tree warm, tree cold; tree dark, tree hot")
    done = harmonize_described(models, judge, *tree, given, SETTINGS, TWO_TRIALS)
    assert words_of(done) == [str(words) for words in given[:2]]
    with torch.inference_mode():
        one, mask = tree[0][None], tree[1][None]
        expected = take(run_harmonize(models, judge, one, mask, given, SETTINGS, TWO_TRIALS), one, mask)
    assert torch.equal(done.image, expected.image) and torch.equal(done.lut.table, expected.lut.table)
    assert done.states.scores == expected.states.scores


def test_fewer_words_than_trials_are_not_tried_twice(models, judge, tree):
    (only,) = read_description("tree bright, tree dusk")
    done = harmonize_described(models, judge, *tree, [only], SETTINGS, LoopPolicy(k=3, max_passes=1))
    assert words_of(done) == [str(only)]


def test_a_name_is_described_by_statistics(models, judge, tree):
    done = harmonize_described(models, judge, *tree, read_description("tree"), SETTINGS, TWO_TRIALS)
    found = describe_locally(*tree, "tree", "statistics")
    assert words_of(done) == [str(words) for words in found[:2]]
    assert all(words.object == "tree" for words in found)


def test_a_harmonizer_leads_the_words_and_competes(models, judge, tree, harmonizer):
    done = harmonize_described(models, judge, *tree, "tree", SETTINGS, TWO_TRIALS, harmonizer)
    found = describe_locally(*tree, "tree", "statistics", harmonizer=harmonizer)
    assert words_of(done)[-2:] == [str(words) for words in found[:2]]
    assert len(done.states.scores) == 1 + len(PROPOSED) + 2
    if 1 <= done.taken <= len(PROPOSED):
        with torch.inference_mode():
            proposed = proposals(harmonizer, tree[0][None], tree[1][None])
        assert torch.equal(done.image, proposed[done.taken - 1][1])


def test_outside_the_mask_the_picture_stays(models, judge, tree):
    image, mask = tree
    done = harmonize_described(models, judge, image, mask, "tree", SETTINGS, LoopPolicy(k=1, max_passes=1))
    assert done.image.shape == (1, *image.shape)
    assert torch.equal(done.image[0][mask == 0], image[mask == 0])


@pytest.mark.parametrize(("value", "message"), [(0.0, "the mask is empty"), (1.0, "the mask covers the whole picture")])
@pytest.mark.parametrize("described", ["tree", read_description("tree bright, tree dusk")])
def test_masks_that_do_not_fit_are_refused(models, judge, tree, value, message, described):
    with pytest.raises(InputError, match=f"^`mask`: {message}"):
        mask = torch.full_like(tree[1], value)
        harmonize_described(models, judge, tree[0], mask, described, SETTINGS, TWO_TRIALS)
