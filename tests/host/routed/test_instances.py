"""Instances in the host's hands: sources, batches, memory and errors."""

import comfy.model_management as management
import comfy.utils
import folder_paths
import pytest
import torch
from vision_models import write_sam

from diff_harmonization.core.errors import InputError
from diff_harmonization.host import pretrained
from diff_harmonization.host.routed.instances import check_instances, instance_backbone, instances_of
from diff_harmonization.methods.routed.instances import find_instances, given_instances

pytestmark = pytest.mark.usefixtures("executor")


@pytest.fixture(scope="module")
def batch():
    """Two pictures [2,60,80,3] of noise on two grounds, and a mask [1,60,80] of a box in them."""
    image = 0.2 * torch.rand(2, 60, 80, 3, generator=torch.Generator().manual_seed(0))
    image[0, :30] += 0.7
    image[1, :, :20] += 0.5
    mask = torch.zeros(1, 60, 80)
    mask[:, 10:40, 30:60] = 1
    return image, mask


@pytest.fixture
def sams(tmp_path, monkeypatch):
    """models/sams with a tiny SAM; nothing kept from other tests."""
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    pretrained._kept.clear()
    write_sam(tmp_path / "sams" / "small")
    yield tmp_path / "sams"
    pretrained._kept.clear()


def same(found, expected):
    return all(torch.equal(getattr(found, name), getattr(expected, name)) for name in ("masks", "embeddings"))


def test_each_picture_has_instances_of_its_own(batch):
    image, mask = batch
    found = instances_of(image, mask, "embedded")
    assert len(found) == 2 and not same(*found)
    for each, picture in zip(found, image, strict=True):
        assert same(each, find_instances(picture, mask[0], instance_backbone()))


def test_the_pictures_of_a_batch_share_given_masks(batch):
    image, mask = batch
    masks = torch.zeros(3, 60, 80)
    masks[0, :30], masks[1, 30:], masks[2, :, :20] = 1, 1, 1
    found = instances_of(image, mask, "masks", masks=masks)
    for each, picture in zip(found, image, strict=True):
        assert same(each, given_instances(picture, mask[0], masks, instance_backbone()))
    assert torch.equal(found[0].masks, found[1].masks)
    assert not torch.equal(found[0].embeddings, found[1].embeddings)


def test_a_model_finds_them(batch, sams, loads):
    image, mask = batch
    first, second = (instances_of(image, mask, "sam", model="small") for _ in range(2))
    assert len(first) == 2 and all(len(each.masks) > 0 for each in first)
    assert all(map(same, first, second))
    assert loads == ["small"]


@pytest.fixture
def sent(monkeypatch):
    """What the progress bar shows, as a share; the host would leave out some of what follows fast."""
    calls = []
    monkeypatch.setattr(comfy.utils, "PROGRESS_THROTTLE_MIN_INTERVAL", 0)
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda *values, **_: calls.append(values[0] / values[1]))
    return calls


@pytest.mark.parametrize(("source", "steps"), [("embedded", 1), ("masks", 1), ("sam", 8)])
def test_one_progress_bar_for_all_pictures_and_a_chance_to_cancel_at_each(batch, sams, sent, source, steps):
    image, mask = batch
    given = {"masks": {"masks": 1 - mask}, "sam": {"model": "small"}}.get(source, {})
    instances_of(image, mask, source, **given)
    assert sent == sorted(sent) and sent[-1] == 1
    assert set(sent) == {step / (2 * steps) for step in range(1, 2 * steps + 1)}
    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        instances_of(image, mask, source, **given)


def test_the_device_is_free_after_a_model_whatever_happens(batch, sams, monkeypatch):
    """There is no GPU here: the CPU is taken for one."""
    asked, emptied = [], []
    instance_backbone()
    monkeypatch.setattr(management, "is_device_cpu", lambda device: False)
    monkeypatch.setattr(management, "free_memory", lambda size, device, **_: asked.append(size) or [])
    monkeypatch.setattr(management, "soft_empty_cache", lambda *_: emptied.append(True))
    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        instances_of(*batch, "sam", model="small")
    ((model, _),) = pretrained._kept.values()
    assert asked[0] > sum(weight.nbytes for weight in model.parameters()) + management.minimum_inference_memory()
    assert len(emptied) == 1 and model.device.type == "cpu"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": torch.zeros(1, 60, 80)}, "^`mask`: the mask is empty"),
        ({"mask": torch.ones(1, 60, 80)}, "^`mask`: the mask covers the whole picture"),
        ({"mask": torch.ones(1, 8, 9)}, "^`mask`: got 9x8 .*expected 80x60"),
        ({"masks": torch.ones(2, 8, 9)}, "^`masks`: got 9x8 .*expected masks of 80x60"),
        ({"masks": torch.stack((torch.ones(60, 80), torch.zeros(60, 80)))}, "^`masks`: mask 2 of 2 is empty"),
        ({"masks": None}, "^`masks`: nothing is connected"),
    ],
)
def test_masks_that_do_not_serve_are_refused(batch, change, message):
    image, mask = batch
    with pytest.raises(InputError, match=message):
        instances_of(image, **{"mask": mask, "source": "masks", "masks": torch.ones(1, 60, 80)} | change)


def test_masks_of_the_object_alone_are_refused(batch):
    image, mask = batch
    with pytest.raises(InputError, match="^`masks`: none of 1 masks is large enough and lies beside the pasted object"):
        instances_of(image, mask, "masks", masks=mask)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("gone", "there is no model folder 'gone' in .*sams"),
        ("clip", "holds a model of type 'clip', .* segments a whole picture, such as sam, sam2 or edgetam"),
        ("bare", r"bare holds no \*.safetensors"),
        ("unsure", "none of 0 masks is large"),
    ],
)
def test_a_folder_that_does_not_serve_is_refused(batch, sams, model, message):
    (sams.parent / "VLM" / "clip").rename(sams / "clip")
    write_sam(sams / "bare")
    (sams / "bare" / "model.safetensors").unlink()
    write_sam(sams / "unsure", sure=False)
    with pytest.raises(InputError, match=f"^`model`: .*{message}") as error:
        instances_of(*batch, "sam", model=model)
    assert "\n" not in str(error.value)


def test_instances_of_one_picture_serve_a_batch(batch):
    image, mask = batch
    both = instances_of(image, mask, "embedded")
    assert check_instances(both, image) == both
    assert check_instances(both[:1], image) == (both[0], both[0])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 60, 80, 3), "they are of 2 pictures, but the image has 3"),
        ((2, 80, 60, 3), "they are of a picture of another shape: 320x240 when small, expected 240x320"),
    ],
)
def test_instances_of_other_pictures_are_refused(batch, shape, message):
    with pytest.raises(InputError, match=f"^`instances`: {message}"):
        check_instances(instances_of(*batch, "embedded"), torch.zeros(shape))
