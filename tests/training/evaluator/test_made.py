import pytest
import torch

from diff_harmonization.data.construction import write_picture
from diff_harmonization.data.iharmony4 import Sample, write_lists
from diff_harmonization.data.pairs import build_pairs
from diff_harmonization.data.photos import read_photos
from diff_harmonization.data.recoloring.lab import label_of, mean_distance
from diff_harmonization.evaluator.model import object_square
from diff_harmonization.training.evaluator import made, train
from diff_harmonization.training.evaluator.sampler import COMPOSITE_LABEL, VERSIONS
from diff_harmonization.training.settings import EvaluatorSettings

SHRUNK = 2


@pytest.fixture(scope="module")
def pairs(photo_set):
    return list(build_pairs([photo for photo in read_photos(photo_set, "train") if photo.natural][:3]))


@pytest.fixture(scope="module")
def squares(pairs, photo_set, tmp_path_factory):
    composites = train.read_crops(photo_set, tmp_path_factory.mktemp("squares"), SHRUNK, 2)
    return made.made_crops(pairs, composites, SHRUNK, 2)


def test_a_square_holds_the_photo_its_mask_and_what_was_made_of_it(pairs, squares):
    (image, planes), pair = squares.squares([0]), pairs[0]
    square = object_square(pair.mask)
    share = square.of(pair.mask).mean()
    assert planes.shape[1] == 4 and planes[:, :1].mean().item() == pytest.approx(share.item(), abs=0.02)
    for found, whole in ((image, pair.truth), (planes[:, 1:], pair.composite)):
        expected = square.of(whole).mean((0, 1))
        torch.testing.assert_close(found[0].mean((1, 2)), expected, atol=0.01, rtol=0.02)


def test_pasted_composites_stay_as_they_are(squares):
    pasted = (~squares.natural).nonzero().flatten().tolist()
    assert pasted and all(torch.equal(squares.images[row], squares.masks[row, 1:]) for row in pasted)
    found = squares.squares(pasted[:1])[1].shape
    _, labels = made.MadeSampler(squares, seed=0).versions(pasted[0], torch.Generator().manual_seed(0))
    assert found[1] == 4 and labels.tolist() == [COMPOSITE_LABEL] * VERSIONS


def test_the_label_falls_with_the_way_to_what_was_made(squares, monkeypatch):
    monkeypatch.setattr(made, "augment", lambda images, mask, generator: (images, mask))
    sampler = made.MadeSampler(squares, seed=0)
    image, planes = squares.squares([0])
    mask, whole = planes[:, :1], mean_distance(planes[:, 1:], image, planes[:, :1]).item()
    assert whole > 5
    for seed in range(20):
        inputs, labels = sampler.versions(0, torch.Generator().manual_seed(seed))
        images = (inputs[:, :3] + 1) / 2
        away = mean_distance(images, image, mask)
        assert (away <= whole + 0.1).all() and torch.allclose(labels, label_of(away))
        outside = (mask == 0).expand_as(image)
        assert all(torch.allclose(version[outside[0]], image[outside], atol=1e-6) for version in images)


def test_batches_depend_on_their_step_alone(squares):
    first, again = (made.MadeSampler(squares, seed=0) for _ in range(2))
    again.batch(0, 2)
    assert all(torch.equal(*values) for values in zip(first.batch(3, 2), again.batch(3, 2), strict=True))


def test_a_training_on_a_data_set(pairs, photo_set, tmp_path):
    data_set, names = tmp_path / "set", [f"c{number}_1_1.png" for number in range(len(pairs))]
    for name, pair in zip(names, pairs, strict=True):
        for path, picture in zip(
            Sample(data_set / "S", name).files, (pair.composite, pair.mask, pair.truth), strict=True
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_picture(picture, path)
    write_lists(data_set, "S", {"train": names, "test": []})
    train.train(photo_set, tmp_path / "work", EvaluatorSettings(steps=1, groups=2, per_photo=2, made=data_set))
    assert (tmp_path / "work" / "evaluator.safetensors").is_file()
    with pytest.raises(FileNotFoundError, match="No iHarmony4 data set"):
        train.train(photo_set, tmp_path / "other", EvaluatorSettings(steps=1, made=tmp_path / "nothing"))
