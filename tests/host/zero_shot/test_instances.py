"""What an error of several objects' loops tells: the object, the pass and every file saved so far."""

from functools import partial
from pathlib import Path

import comfy.model_management
import folder_paths
import pytest
import torch
from tiny_models import tiny_clip, tiny_model, tiny_vae

from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.host.loop.passes import keep_pass
from diff_harmonization.host.zero_shot import harmonize as host_harmonize
from diff_harmonization.host.zero_shot.harmonize import Models, PassSettings
from diff_harmonization.host.zero_shot.instances import harmonize_instances
from diff_harmonization.loop.policy import LoopPolicy
from diff_harmonization.methods.zero_shot.refinement import RefinementSettings

SETTINGS = PassSettings(64, 1, refinement=RefinementSettings(steps_per_timestep=0), view_size=64)
POLICY = LoopPolicy(1, 2)
WORDS = [ImagingDescription("cat", ("warm",), ("cold",))] * 2
COUNTS = 3  # scores of an object: the composite's, and one a pass


class RisingScores:
    """Every picture is better than the one before; the last one fails."""

    def __init__(self, good, error):
        self.left, self.score_of, self.error = good, 0.1, error

    def score(self, image, mask):
        if self.left == 0:
            raise self.error
        self.left -= 1
        self.score_of += 0.1
        return torch.full((len(image),), self.score_of)


@pytest.fixture(autouse=True)
def temp(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def models():
    return Models(tiny_model(), tiny_clip(), tiny_vae())


@pytest.fixture
def run(models, executor):
    def run(good=100, error=None, after_pass=None):
        image = torch.rand(1, 48, 48, 3, generator=torch.Generator().manual_seed(0))
        masks = torch.zeros(2, 48, 48)
        masks[0, 4:24, 4:24] = masks[1, 24:44, 24:44] = 1
        keep = after_pass or partial(keep_pass, policy=POLICY, node="HarmonizeInstances")
        return harmonize_instances(
            models, RisingScores(good, error), image, masks, WORDS, SETTINGS, POLICY, after_pass=keep
        )

    return run


def failure(call, cause):
    """The message of the error, and the files that it names."""
    with pytest.raises(RuntimeError) as caught:
        call()
    assert caught.value.__cause__ is cause
    message = str(caught.value)
    text, _, files = message.partition(" Finished passes are saved: ")
    paths = [Path(name) for name in filter(None, files.split(", "))]
    assert all(path.is_file() for path in paths)
    return text, len(paths)


@pytest.mark.parametrize(
    ("good", "where", "files"),
    [
        (0, "object 1 of 2", 0),
        (1, "object 1 of 2, pass 1", 0),
        (2, "object 1 of 2, pass 2", 1),
        (COUNTS, "object 2 of 2", 2),
        (COUNTS + 1, "object 2 of 2, pass 1", 2),
        (COUNTS + 2, "object 2 of 2, pass 2", 3),
    ],
)
def test_an_error_names_the_object_and_all_saved_passes(run, temp, good, where, files):
    error = ValueError("The evaluator broke.")
    assert failure(lambda: run(good, error), error) == (f"HarmonizeInstances, {where}: The evaluator broke.", files)
    assert len(list(temp.rglob("*.png"))) == files


def test_a_pass_that_cannot_be_saved_is_named(run):
    error = OSError("No space left on device.")

    def keep(passes):
        if len(saved) == 2:
            raise error
        kept = keep_pass(passes, POLICY, "HarmonizeInstances")
        saved.append(kept)
        return kept

    saved = []
    text, files = failure(lambda: run(after_pass=keep), error)
    assert (text, files) == ("HarmonizeInstances, object 2 of 2, pass 1: No space left on device.", 2)


@pytest.mark.parametrize("function", ["fit_lut", "apply_lut"])
def test_the_last_step_to_full_resolution_is_named(run, monkeypatch, function):
    error, calls, real = ValueError("No such colors."), [], getattr(host_harmonize, function)

    def fails(*arguments, **options):
        calls.append(1)
        if len(calls) == COUNTS:
            raise error
        return real(*arguments, **options)

    monkeypatch.setattr(host_harmonize, function, fails)
    assert failure(run, error) == ("HarmonizeInstances, object 1 of 2, final LUT: No such colors.", 2)


@pytest.mark.parametrize(
    "error",
    [comfy.model_management.OOM_EXCEPTION("Too little."), comfy.model_management.InterruptProcessingException()],
)
@pytest.mark.parametrize("good", [COUNTS, COUNTS + 1])
def test_out_of_memory_and_the_interrupt_are_left_to_the_host(run, error, good):
    with pytest.raises(type(error)) as caught:
        run(good, error)
    assert caught.value is error


def test_an_older_hosts_interrupt_is_left_to_it_too(run, monkeypatch):
    class Interrupt(Exception):
        pass

    monkeypatch.setattr(comfy.model_management, "InterruptProcessingException", Interrupt)
    with pytest.raises(Interrupt):
        run(COUNTS + 1, Interrupt())
