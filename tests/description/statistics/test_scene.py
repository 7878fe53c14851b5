import pytest
import torch

from diff_harmonization.core.errors import InputError
from diff_harmonization.description.statistics.appearance import region_appearance
from diff_harmonization.description.statistics.scene import neighborhood, scene_features


@pytest.mark.parametrize(("value", "message"), [(0.0, "the mask is empty"), (1.0, "covers the whole picture")])
def test_a_mask_without_two_regions_is_refused(value, message):
    with pytest.raises(InputError, match=f"`mask`: .*{message}"):
        scene_features(torch.rand(48, 48, 3), torch.full((48, 48), value))


def test_a_third_that_the_object_fills_is_the_whole_background():
    image, mask = torch.rand(48, 48, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(48, 48)
    mask[:16] = 1
    whole, _, upper, middle, lower = scene_features(image, mask).chunk(5)
    assert torch.equal(upper, whole)
    assert torch.equal(whole, region_appearance(image, 1 - mask))
    assert not torch.equal(middle, lower)


def test_the_neighborhood_falls_off_and_leaves_the_object_out(mask):
    weights = neighborhood(mask)
    assert weights[mask > 0].max() == 0
    row = weights[20, 30:]
    assert row[0] > 0.9
    assert (row[1:] < row[:-1]).all()


def test_importance_that_is_1_everywhere_changes_no_bit(scene, mask):
    assert torch.equal(scene_features(scene, mask, torch.ones_like(mask)), scene_features(scene, mask))


def test_parts_without_importance_are_not_seen(scene, mask):
    left = torch.zeros_like(mask)
    left[:, :20] = 0.4  # of every part, the object's neighborhood too
    painted = torch.where((left + mask > 0)[..., None], scene, torch.tensor([1.0, 0.0, 0.0]))
    assert torch.equal(scene_features(scene, mask, left), scene_features(painted, mask, left))
    assert not torch.allclose(scene_features(scene, mask), scene_features(painted, mask), rtol=0.1)


def test_the_whole_background_is_a_weighted_mean(scene, mask):
    ramp = torch.linspace(0, 1, len(mask))[:, None].expand_as(mask)
    whole = scene_features(scene, mask, ramp)[:5]
    torch.testing.assert_close(whole, region_appearance(scene, ramp * (1 - mask)))


def test_a_part_in_which_nothing_counts_is_the_whole_background():
    """Importance in one far corner leaves nothing of the neighborhood, nor of two thirds."""
    image = torch.rand(96, 96, 3, generator=torch.Generator().manual_seed(0))
    mask, corner = torch.zeros(2, 96, 96)
    mask[80:88, 80:88] = corner[:4, :4] = 1
    parts = scene_features(image, mask, corner).chunk(5)
    assert all(torch.equal(part, parts[0]) for part in parts)
    torch.testing.assert_close(parts[0], region_appearance(image, corner))


def test_importance_that_leaves_nothing_of_the_background_is_refused(scene, mask):
    with pytest.raises(InputError, match="^`importance`: it is 0 everywhere outside the mask"):
        scene_features(scene, mask, mask)
