import json
import shutil
from pathlib import Path

import folder_paths
import pytest
import torch
from models_folders import own_folder  # noqa: F401
from safetensors.torch import load_file, save_file

from diff_harmonization.core.view import working_view
from diff_harmonization.data.pairs import jitter_tone
from diff_harmonization.data.photos import read_image, read_mask
from diff_harmonization.evaluator.networks import ResNet50
from diff_harmonization.host import evaluator as host_evaluator
from diff_harmonization.host.evaluator import CLASSIFIER, EMBEDDED, FOLDER, evaluator_names, load_evaluator
from diff_harmonization.host.folders import register_folder

EXAMPLES = Path(__file__).resolve().parents[2] / "workflows" / "examples"


@pytest.fixture
def folder(own_folder):  # noqa: F811
    return own_folder(FOLDER)


@pytest.fixture(scope="module")
def evaluator():
    with torch.inference_mode():
        return load_evaluator(EMBEDDED)


@pytest.fixture(scope="module")
def example():
    """A shipped photograph's composite at 400 pixels, and its mask."""
    image = read_image(EXAMPLES / "cat_snow" / "composite.jpg")[None, ::3, ::3]
    return image, read_mask(EXAMPLES / "cat_snow" / "mask.png")[None, ::3, ::3]


def test_the_embedded_weights_are_small_and_half_precision():
    manifest = json.loads(host_evaluator.MANIFEST.read_text())
    path = host_evaluator.MANIFEST.parent / manifest["file"]
    assert path.stat().st_size <= 25e6
    assert {value.dtype for value in load_file(path).values()} == {torch.float16}


def test_the_classifier_s_probe_was_fitted_on_the_embedded_evaluator():
    """Another body needs another fit: `training classifier`."""
    probe, evaluator = (json.loads(m.read_text()) for m in (host_evaluator.PROBE, host_evaluator.MANIFEST))
    assert probe["evaluator_sha256"] == evaluator["sha256"]


def test_the_classifier_looks_at_the_whole_picture_and_not_at_the_mask(example, executor):
    classifier, (image, mask) = load_evaluator(CLASSIFIER), example
    assert classifier.view == "whole"
    other = torch.zeros_like(mask)
    other[:, :40, :40] = 1
    scores = [classifier.score(image, plane).item() for plane in (mask, other)]
    assert 0 < scores[0] < 1 and scores[0] == scores[1]
    edge = image.clone()
    edge[:, :20] = torch.tensor([1.0, 0.0, 1.0])
    assert classifier.score(edge, mask).item() != scores[0]


def test_the_folder_is_registered_once(folder):
    assert folder_paths.get_folder_paths(FOLDER) == [str(folder)]
    folder_paths.folder_names_and_paths[FOLDER] = (["/elsewhere"], {".pth"})
    register_folder(FOLDER)
    assert folder_paths.get_folder_paths(FOLDER) == ["/elsewhere"]


def test_names_are_the_embedded_one_and_the_users_files(folder):
    save_file({"a": torch.zeros(1)}, folder / "mine.safetensors")
    (folder / "notes.txt").write_text("no weights")
    assert evaluator_names() == [EMBEDDED, CLASSIFIER, "mine.safetensors"]


def test_a_users_file_scores(folder, example, executor):
    torch.manual_seed(0)
    network = ResNet50().eval()
    torch.save(network.state_dict(), folder / "own.pth")
    score = load_evaluator("own.pth").score(*example)
    assert 0 < score.item() < 1
    assert torch.equal(score, load_evaluator("own.pth").score(*example))


def test_a_file_that_is_not_there(folder):
    with pytest.raises(FileNotFoundError, match="none.pth"):
        load_evaluator("none.pth")


def test_damaged_embedded_weights(tmp_path, monkeypatch):
    manifest = json.loads(host_evaluator.MANIFEST.read_text())
    copy = tmp_path / manifest["file"]
    copy.parent.mkdir(parents=True)
    shutil.copy(host_evaluator.MANIFEST.parent / manifest["file"], copy)
    (tmp_path / "weights.json").write_text(json.dumps(manifest | {"sha256": "0" * 64}))
    monkeypatch.setattr(host_evaluator, "MANIFEST", tmp_path / "weights.json")
    with pytest.raises(ValueError, match="^.* has sha256 .*, expected 0000.*reinstall"):
        load_evaluator(EMBEDDED)


def test_scores_repeat_and_do_not_depend_on_the_batch(evaluator, example, executor):
    image, mask = example
    alone = evaluator.score(image, mask)
    assert torch.equal(evaluator.score(image.flip(2), mask.flip(2)), evaluator.score(image.flip(2), mask.flip(2)))
    batch = evaluator.score(torch.cat((image.flip(2), image)), torch.cat((mask.flip(2), mask)))
    assert batch.shape == (2,)
    assert batch[1] == alone[0]


def test_a_working_view_scores_as_its_picture(evaluator, example, executor):
    """The loop scores views of 256 pixels; a square one holds all that the evaluator looks at."""
    image, mask = example[0], torch.zeros_like(example[1])
    mask[:, 80:180, 150:270] = 1
    view, plane = working_view(image, mask, 256)
    assert evaluator.score(view, plane).item() == pytest.approx(evaluator.score(image, mask).item(), abs=1e-3)


@pytest.mark.parametrize("name", ["table_meadow", "tree_golden"])
def test_the_odder_the_object_the_lower_the_score(evaluator, name, executor):
    """A shipped example with its object made green and dark beyond anything real."""
    image = read_image(EXAMPLES / name / "composite.jpg")[::4, ::4]
    mask = read_mask(EXAMPLES / name / "mask.png")[::4, ::4]
    odd = jitter_tone(image, mask, torch.tensor([-1.5, -8.0, 3.0, 0.0, 0.0]))
    odd = torch.where(mask[..., None] > 0.5, odd, image)
    scores = evaluator.score(torch.stack((image, odd)), torch.stack((mask, mask)))
    assert scores[1] < scores[0]
