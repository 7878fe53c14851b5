import pytest
import torch
from cells import SIDE, crops  # noqa: F401
from routed_networks import lively_network

from diff_harmonization.host.judged import JUDGED
from diff_harmonization.training.evaluator.choices import ChoiceSampler, Tried
from diff_harmonization.training.routed.losses import HARM, object_errors
from diff_harmonization.training.routed.sampler import MUCH_GRADED, Sampler

GROUPS, VERSIONS = 4, len(JUDGED)


@pytest.fixture(scope="module")
def networks():
    """Two networks that say which of them was asked."""
    asked, network = [], lively_network()

    def watched(number):
        def propose(*squares):
            asked.append(number)
            return network(*squares)

        return propose

    return [watched(0), watched(1)], asked


@pytest.fixture(scope="module")
def sampler(crops, networks):  # noqa: F811
    return ChoiceSampler([Tried(crops, network) for network in networks[0]], seed=0)


def test_a_batch(sampler):
    inputs, costs = sampler.batch(0, GROUPS, SIDE)
    assert inputs.shape == (GROUPS * VERSIONS, 4, SIDE, SIDE) and costs.shape == (GROUPS, VERSIONS)
    assert inputs[:, :3].min() >= -1 and inputs[:, :3].max() <= 1 and costs.min() >= 0
    again, other = sampler.batch(0, GROUPS, SIDE), sampler.batch(2, GROUPS, SIDE)
    assert torch.equal(again[0], inputs) and torch.equal(again[1], costs)
    assert not torch.equal(other[0], inputs)


def test_the_halves_take_turns(sampler, networks):
    networks[1].clear()
    for step in range(4):
        sampler.batch(step, 2, SIDE)
    assert networks[1] == [0, 1, 0, 1]


def test_the_versions_are_shares_of_one_change(sampler, crops):  # noqa: F811
    """The first is the composite; each costs its error, and more where it is worse than the composite."""
    inputs, costs = sampler.batch(1, GROUPS, SIDE)
    batch = Sampler(crops, 0, MUCH_GRADED).batch(1, GROUPS)
    images = (inputs[:, :3] / 2 + 0.5).unflatten(0, (GROUPS, VERSIONS))
    assert torch.allclose(images[:, 0], batch.composite, atol=5e-3)  # through the change of no strength
    moved = (images - images[:, :1]).abs().flatten(2).mean(2)
    assert (moved.diff(dim=1) > 0).all()
    errors = torch.stack([object_errors(image, batch) for image in images.unbind(1)], dim=1)
    assert torch.allclose(costs, errors + HARM * (errors - errors[:, :1]).clamp_min(0), atol=1e-3)


def test_another_side(sampler):
    whole, half = sampler.batch(0, 2, SIDE), sampler.batch(0, 2, SIDE // 2)
    assert torch.allclose(torch.nn.functional.avg_pool2d(whole[0], 2), half[0], atol=1e-6)
    assert torch.equal(whole[1], half[1])
