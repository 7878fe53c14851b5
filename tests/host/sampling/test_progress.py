import comfy.model_management
import comfy.utils
import pytest
import torch
from comfy.cli_args import LatentPreviewMethod, args

from diff_harmonization.host.sampling.denoiser import with_denoiser
from diff_harmonization.host.sampling.progress import progress


@pytest.fixture
def sent(monkeypatch):
    calls = []
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda *values, **_: calls.append(values))
    return calls


def test_progress_and_preview_are_sent(model, latent, sent, monkeypatch):
    monkeypatch.setattr(args, "preview_method", LatentPreviewMethod.Latent2RGB)
    callback = progress(3, model)
    callback(1, 3, latent.requires_grad_())
    callback(3, 3)
    assert [call[:2] for call in sent] == [(1, 3), (3, 3)]
    kind, picture, _ = sent[0][2]
    assert kind == "JPEG" and picture.size == (16, 16) and sent[1][2] is None


def test_no_preview_unless_the_user_asks(model, latent, sent, monkeypatch):
    monkeypatch.setattr(args, "preview_method", LatentPreviewMethod.NoPreviews)
    progress(1, model)(1, 1, latent)
    assert sent[0][2] is None


def test_cancelling_raises_the_hosts_interrupt_and_the_host_goes_on(model, latent, context, sigmas, executor):
    callback = progress(2, model)
    calls = []

    def stage(denoise, x):
        eps = denoise(x, 1.0, context)
        calls.append(1)
        if len(calls) == 1:
            comfy.model_management.interrupt_current_processing()
        callback(1, 2, eps)
        return eps

    with pytest.raises(comfy.model_management.InterruptProcessingException):
        with_denoiser(model, latent, stage, sigmas)
    assert torch.isfinite(with_denoiser(model, latent, stage, sigmas)).all()
