"""Segmenters of three families, tiny and of random weights, through the library's own code."""

import pytest
import torch
from vision_models import write_edgetam, write_sam, write_sam2

from diff_harmonization.core.pretrained import load
from diff_harmonization.methods.routed.segmentation import segment_everything


@pytest.fixture(scope="module")
def image():
    picture = torch.rand(60, 80, 3, generator=torch.Generator().manual_seed(0))
    picture[20:40, 20:60] = torch.tensor([1.0, 0.0, 0.0])
    return picture


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("write", [write_sam, write_sam2, write_edgetam])
def test_a_model_segments_the_whole_picture(tmp_path, image, write):
    steps = []
    model = load(write(tmp_path), "sam")
    masks = segment_everything(*model, image, lambda step, total: steps.append((step, total)))
    assert masks.shape[0] > 0 and masks.shape[1:] == (60, 80)
    assert masks.dtype == torch.bool and set(masks.unique().tolist()) == {False, True}
    assert steps == [(step, 8) for step in range(1, 9)]
    assert torch.equal(segment_everything(*model, image), masks)


def test_a_model_that_is_sure_of_nothing_gives_no_mask(tmp_path, image):
    assert segment_everything(*load(write_sam(tmp_path, sure=False), "sam"), image).shape == (0, 60, 80)


def test_large_pictures_are_shrunk(tmp_path, image):
    large = image.repeat(2, 20, 1)  # 120x1600
    assert segment_everything(*load(write_sam(tmp_path, sure=False), "sam"), large).shape == (0, 77, 1024)


def test_the_caller_may_cancel(tmp_path, image):
    def cancel(step, total):
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment_everything(*load(write_sam(tmp_path), "sam"), image, cancel)
