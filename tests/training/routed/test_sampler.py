import random
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import max_pool2d

from diff_harmonization.data.recoloring.families import FAMILIES
from diff_harmonization.data.recoloring.lab import to_lab
from diff_harmonization.methods.routed.network import SIDE
from diff_harmonization.training.routed import sampler as module
from diff_harmonization.training.routed.crops import SEGMENT
from diff_harmonization.training.routed.sampler import GRADED, LOOK, MUCH_GRADED, OBJECTS, SHARES, Sampler


def test_a_batch(sampler):
    batch = sampler.batch(0, 6)
    for name, value in vars(batch).items():
        planes = 3 if name in ("seen", "composite", "truth") else 1
        assert value.shape == (6, planes, SIDE, SIDE), name
        assert value.dtype == torch.float32
        assert value.min() >= 0 and value.max() <= 1, name


def test_a_batch_depends_on_seed_and_step_alone(routed_crops, sampler):
    first = sampler.batch(3, 4)
    sampler.batch(0, 2)
    torch.rand(1)
    again, elsewhere = sampler.batch(3, 4), Sampler(routed_crops, seed=0).batch(3, 4)
    other_step, other_seed = sampler.batch(4, 4), Sampler(routed_crops, seed=1).batch(3, 4)
    for name, value in vars(first).items():
        assert torch.equal(value, getattr(again, name)) and torch.equal(value, getattr(elsewhere, name)), name
    assert not torch.equal(first.composite, other_step.composite)
    assert not torch.equal(first.composite, other_seed.composite)


def test_the_composite_differs_from_the_truth_inside_the_mask_alone(sampler):
    distances = []
    for step in range(12):
        batch = sampler.batch(step, 8)
        outside = (batch.mask == 0).expand_as(batch.truth)
        assert torch.equal(batch.composite[outside], batch.truth[outside])
        change = (to_lab(batch.composite) - to_lab(batch.truth)).norm(dim=1, keepdim=True)
        distances += ((change * batch.mask).sum((1, 2, 3)) / batch.mask.sum((1, 2, 3))).tolist()
    assert min(distances) < 3 and max(distances) > 20  # from hardly to badly
    assert sum(distance > 3 for distance in distances) > 0.6 * len(distances)


def test_the_importance_is_one_on_the_object(sampler):
    for step in range(3):
        batch = sampler.batch(step, 8)
        inside = batch.mask == 1
        assert batch.importance[inside].mean() > 0.9
        assert batch.importance[batch.mask == 0].mean() < 0.9


def test_what_the_network_sees_went_through_cameras_and_files(sampler):
    damaged = []
    for step in range(4):
        batch = sampler.batch(step, 8)
        damaged += [not torch.equal(*pair) for pair in zip(batch.seen, batch.composite, strict=True)]
        assert (batch.seen - batch.composite).mean((2, 3)).abs().max() < 0.02  # the colors stay
    assert 0.5 < sum(damaged) / len(damaged) < 1


def test_the_mask_that_the_network_sees_has_a_moved_edge(sampler):
    moved = []
    for step in range(4):
        batch = sampler.batch(step, 8)
        wide, narrow = (max_pool2d(batch.mask, 5, 1, 2), -max_pool2d(-batch.mask, 5, 1, 2))
        assert (batch.seen_mask <= wide + 1e-6).all() and (batch.seen_mask >= narrow - 1e-6).all()
        moved += [not torch.equal(*pair) for pair in zip(batch.seen_mask, batch.mask, strict=True)]
    assert 0.3 < sum(moved) / len(moved) < 0.9


def test_everything_of_a_square_is_mirrored_together(routed_crops):
    """Without grades each truth with its planes is one of the squares, or the mirror image of one."""
    sampler = Sampler(routed_crops, 0, (0.0, 1.0))
    squares = torch.cat(sampler.crops.squares(range(len(sampler.crops.objects))), dim=1)
    flips = []
    for step in range(3):
        batch = sampler.batch(step, 8)
        for drawn in torch.cat((batch.truth, batch.mask, batch.importance), dim=1):
            distances = [(values - drawn).abs().amax((1, 2, 3)).min().item() for values in (squares, squares.flip(-1))]
            assert min(distances) < 5e-3 < max(distances)  # through the grade of no strength
            flips.append(distances[1] < distances[0])
    assert 5 < sum(flips) < 19


def test_whole_photos_are_graded(routed_crops):
    plain, some, most = (
        [Sampler(routed_crops, 0, graded).batch(step, 8) for step in range(4)]
        for graded in ((0.0, 1.0), GRADED, MUCH_GRADED)
    )
    assert 0.35 < changed(some, plain) < changed(most, plain) < 1
    assert torch.equal(some[0].mask, plain[0].mask)


def changed(batches, others):
    """Share of the photos that differ."""
    pairs = zip(batches, others, strict=True)
    means = torch.cat([(one.truth - other.truth).abs().mean((1, 2, 3)) for one, other in pairs])
    return (means > 0.01).float().mean().item()


def test_most_squares_are_around_named_objects(sampler):
    named = torch.tensor([name != SEGMENT for name in sampler.crops.objects])
    assert sampler.weights[named].sum().item() == pytest.approx(OBJECTS)
    assert sampler.weights.sum().item() == pytest.approx(1)
    assert sampler.weights[named].unique().numel() == sampler.weights[~named].unique().numel() == 1


@pytest.mark.parametrize("left", ["objects", "segments"])
def test_a_set_of_one_kind_of_squares_serves_too(routed_crops, left):
    rows = [row for row, name in enumerate(routed_crops.objects) if (name == SEGMENT) == (left == "segments")]
    crops = replace(
        routed_crops,
        images=routed_crops.images[rows],
        masks=routed_crops.masks[rows],
        objects=[routed_crops.objects[row] for row in rows],
    )
    assert Sampler(crops, seed=0).batch(0, 4).truth.isfinite().all()


def test_every_family_has_its_share():
    assert SHARES.keys() == {LOOK, *FAMILIES}
    assert sum(SHARES.values()) == pytest.approx(1)


@pytest.mark.parametrize("kind", SHARES)
def test_every_kind_recolors(sampler, monkeypatch, kind):
    monkeypatch.setattr(module, "SHARES", {kind: 1.0})
    monkeypatch.setattr(module, "SECOND", 0.0)
    batch = sampler.batch(0, 8)
    change = ((batch.composite - batch.truth).abs() * batch.mask).sum((1, 2, 3)) / batch.mask.sum((1, 2, 3))
    assert (change > 0.01).float().mean() > 0.5


def test_a_look_is_that_of_another_square(routed_crops, sampler):
    """Half the time of the same kind of object, else of any."""
    images, planes = routed_crops.squares(range(len(routed_crops.objects)))
    lab = to_lab(images)
    weights = planes[:, :1]
    means = (lab * weights).sum((2, 3)) / weights.sum((2, 3))
    rows = [routed_crops.objects.index("tree")] * 200
    looks = sampler._looks(rows, random.Random(0))[0].flatten(1)
    taken = [routed_crops.objects[int((means - look).norm(dim=1).argmin())] for look in looks]
    share = routed_crops.objects.count("tree") / len(routed_crops.objects)
    assert taken.count("tree") / len(taken) == pytest.approx((1 + share) / 2, abs=0.1)


def test_a_second_family_changes_some_pictures_further(sampler, monkeypatch):
    monkeypatch.setattr(module, "SECOND", 1.0)
    twice = sampler.batch(0, 8)
    monkeypatch.setattr(module, "SECOND", 0.0)
    once = sampler.batch(0, 8)
    assert torch.equal(twice.truth, once.truth)
    assert ((twice.composite - once.composite).abs().amax((1, 2, 3)) > 0.01).float().mean() > 0.8
