"""Who looks like the object (paper eq. 9-10)."""

import pytest
import torch

from diff_harmonization.methods.routed.instances import Instances, find_instances
from diff_harmonization.methods.routed.similarity import importance_map, similarities

OWN = torch.tensor([3.0, 4.0])


@pytest.fixture
def instances():
    """Four quarters of a picture: one along the object's embedding, one across, one against; and the object."""
    masks = torch.zeros(3, 8, 8)
    masks[0, :4, :4], masks[1, :4, 4:], masks[2, 4:, :4] = 1, 1, 1
    mask = torch.zeros(8, 8)
    mask[4:, 4:6] = 1
    return Instances(masks, torch.tensor([[6.0, 8.0], [4.0, 3.0], [-3.0, -4.0]]), mask, OWN)


def test_similarity_is_the_cosine_with_the_object(instances):
    torch.testing.assert_close(similarities(instances), torch.tensor([1.0, 24 / 25, 0.0]))


def test_the_map_is_painted_over_the_instances(instances):
    painted = importance_map(instances)
    expected = torch.zeros(8, 8)
    expected[:4, :4], expected[:4, 4:] = 1, 24 / 25
    expected[4:, 4:6] = 1  # the object; right of it lies no instance
    torch.testing.assert_close(painted, expected)


def test_of_overlapping_instances_the_most_similar_counts(instances):
    instances.masks[2] = 1  # it looks like nothing, and lies over all others
    instances.masks[1, :2, :4] = 1  # over a part of the first
    painted = importance_map(instances)
    assert (painted[:4, :4] == 1).all() and (painted[6:, :4] == 0).all()


def test_soft_masks_paint_softly(instances):
    instances.masks[0] *= 0.5
    assert importance_map(instances)[0, 0] == pytest.approx(0.5)


def test_the_map_has_the_size_that_is_asked_for(instances):
    large = importance_map(instances, (24, 40))
    assert large.shape == (24, 40) and large.min() >= 0 and large.max() <= 1
    assert large[0, 0] == pytest.approx(1) and large[0, -1] == pytest.approx(24 / 25) and large[-1, 0] == 0
    assert large[0, 19] > large[0, 20]  # in between by bilinear interpolation


def test_the_tree_looks_like_the_tree(scene, backbone):
    found = find_instances(*scene, backbone)
    painted = importance_map(found)
    tree, sky, ground = painted[70:150, 40:80].mean(), painted[:40].mean(), painted[200:].mean()
    assert tree > 0.4
    assert tree > 2 * sky and tree > 2 * ground
    assert (painted[70:150, 210:250] == 1).all()


def test_a_map_repeats_bit_for_bit(scene, backbone):
    maps = [importance_map(find_instances(*scene, backbone), (97, 131)) for _ in range(2)]
    assert torch.equal(*maps)
