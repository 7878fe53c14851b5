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
