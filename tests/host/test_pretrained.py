import comfy.model_management as management
import pytest

from diff_harmonization.host import pretrained
from diff_harmonization.host.describe.local import describe_locally

pytestmark = pytest.mark.usefixtures("models")


def test_the_last_model_is_kept_and_others_go(executor, composite, loads):
    first, second = (list(map(str, describe_locally(*composite, "dog", "vlm", "llava"))) for _ in range(2))
    assert first == second
    assert loads == ["llava"]
    describe_locally(*composite, "dog", "clip", "clip")
    assert loads == ["llava", "clip"]
    assert len(pretrained._kept) == 1


def test_a_device_is_freed_before_and_after(executor, composite, monkeypatch):
    """There is no GPU here: the CPU is taken for one."""
    asked, emptied = [], []
    monkeypatch.setattr(management, "is_device_cpu", lambda device: False)
    monkeypatch.setattr(management, "free_memory", lambda size, device: asked.append(size))
    monkeypatch.setattr(management, "soft_empty_cache", lambda: emptied.append(True))
    describe_locally(*composite, "dog", "clip", "clip")
    ((model, _),) = pretrained._kept.values()
    weights = sum(weight.nbytes for weight in model.parameters())
    assert len(asked) == len(emptied) == 1
    assert asked[0] > weights + management.minimum_inference_memory()
    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        describe_locally(*composite, "dog", "clip", "clip")
    assert len(emptied) == 2
