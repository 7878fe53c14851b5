import pytest
import torch
from cells import SIDE, crops  # noqa: F401
from routed_networks import lively_network

from diff_harmonization.data.recoloring.lab import FULL_STRENGTH, mean_distance
from diff_harmonization.training.evaluator.proposals import ProposalSampler
from diff_harmonization.training.evaluator.sampler import VERSIONS

GROUPS = 6


@pytest.fixture(scope="module")
def sampler(crops):  # noqa: F811
    return ProposalSampler(crops, lively_network(), seed=0)


def test_a_batch(sampler):
    inputs, labels = sampler.batch(0, GROUPS, SIDE)
    assert inputs.shape == (GROUPS * VERSIONS, 4, SIDE, SIDE) and labels.shape == (GROUPS * VERSIONS,)
    assert inputs[:, :3].min() >= -1 and inputs[:, :3].max() <= 1
    assert labels.min() >= 0 and labels.max() <= 1
    again, other = sampler.batch(0, GROUPS, SIDE), sampler.batch(1, GROUPS, SIDE)
    assert torch.equal(again[0], inputs) and torch.equal(again[1], labels)
    assert not torch.equal(other[0], inputs)


def test_versions_differ_by_the_strength_of_one_proposal(sampler):
    """Each version lies on the way from the composite to what the network proposes, and is labeled by the truth."""
    inputs, labels = sampler.batch(3, GROUPS, SIDE)
    batch = sampler.sampler.batch(3, GROUPS)
    images = inputs.unflatten(0, (GROUPS, VERSIONS))[:, :, :3] / 2 + 0.5
    untouched = 0
    for version in range(VERSIONS):
        scene = batch.mask == 0
        assert torch.allclose((images[:, version] * scene), batch.composite * scene, atol=1e-6)
        distance = mean_distance(images[:, version], batch.truth, batch.mask)
        expected = 1 - (distance / FULL_STRENGTH).clamp_max(1)
        assert torch.allclose(labels.unflatten(0, (GROUPS, VERSIONS))[:, version], expected, atol=1e-3)
        moved = (images[:, version] - batch.composite).abs().flatten(1).amax(1)
        untouched += int((moved < 1e-5).sum()) if version == 0 else 0
        assert version == 0 or (moved > 1e-3).all()
    assert 1 <= untouched < GROUPS


def test_another_side(sampler):
    whole, half = sampler.batch(0, 2, SIDE), sampler.batch(0, 2, SIDE // 2)
    assert torch.allclose(torch.nn.functional.avg_pool2d(whole[0], 2), half[0], atol=1e-6)
    assert torch.equal(whole[1], half[1])
    assert sampler.batch(0, 2, 256)[0].shape[-1] == 256
