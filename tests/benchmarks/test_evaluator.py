import json

import pytest
import torch
from pairs import to_lab
from typer.testing import CliRunner

from diff_harmonization.benchmarks.__main__ import app
from diff_harmonization.benchmarks.evaluator import (
    REDUCTIONS,
    auc,
    correlation,
    evidence_table,
    measure,
    photos_of,
    statistics_score,
    versions,
)
from diff_harmonization.data.photos import split_ids
from diff_harmonization.data.recoloring.lab import RANKS


@pytest.fixture
def folder(write_set):
    return write_set(["n1", "n2", "n3"], ["c1", "c2"])


@pytest.fixture
def scene(folder):
    photo = photos_of(folder)[0][0]
    return photo.image(), photo.mask()


def not_red(image, mask, name):
    """The score falls as the object's red grows over its green."""
    inside = image[mask > 0].mean(0)
    return (inside[1] - inside[0]).item()


def test_auc_counts_pairs_in_order():
    assert auc([3.0, 2.0], [1.0, 0.0]) == 1
    assert auc([0.0], [1.0, 2.0]) == 0
    assert auc([1.0, 3.0], [2.0, 1.0]) == pytest.approx((0 + 0.5 + 1 + 1) / 4)


def test_correlation_is_positive_for_scores_that_fall():
    assert correlation([0, 1, 2], [0.9, 0.5, 0.1]) == pytest.approx(1)
    assert correlation([0, 1, 2], [0.1, 0.5, 0.9]) == pytest.approx(-1)
    assert correlation([0, 1, 2], [0.5, 0.5, 0.5]) == 0


def test_a_strange_folder_is_measured_whole(folder):
    photos, title = photos_of(folder)
    assert [photo.id for photo in photos] == ["n1", "n2", "n3", "c1", "c2"]
    assert title == "3 natural photos and 2 composites, all of the folder"
    assert [photo.id for photo in photos_of(folder, 1)[0]] == ["n1", "c1"]


def test_only_what_was_held_back_is_measured(write_set):
    held_back = split_ids()["held_back"]
    folder = write_set(["n1", held_back[-1]], ["c1", held_back[0]])
    photos, title = photos_of(folder)
    assert {photo.id for photo in photos} == {held_back[0], held_back[-1]}
    assert title.endswith("held back from the evaluator's training")


def test_one_kind_alone_is_an_error(write_set):
    with pytest.raises(ValueError, match="0 composites to measure on; both kinds are needed"):
        photos_of(write_set(["n1", "n2"], []))


@pytest.mark.parametrize("directions", [1, RANKS])
def test_versions_grow_in_strength(folder, directions):
    photos = photos_of(folder)[0]
    result = versions(photos[0], photos[1:3], torch.Generator().manual_seed(0), directions)
    strengths = [strength for _, strength in result]
    assert len(result) == RANKS
    assert strengths[0] == 0 and max(strengths) >= 5
    assert all(reached <= wanted for wanted, reached in enumerate(strengths))
    assert torch.equal(result[0][0], photos[0].image())
    outside = photos[0].mask() < 0.5
    for image, _ in result:
        assert torch.equal(image[outside], photos[0].image()[outside])
        assert torch.allclose(image * 255, (image * 255).round(), atol=1e-4)


def test_measures_of_a_score_that_knows_and_of_one_that_does_not(folder):
    photos = photos_of(folder)[0]
    originals = [to_lab(photo.image()) for photo in photos[:3]]

    def distance(image, mask, name):
        return -min((to_lab(image) - original).norm(dim=-1).mean().item() for original in originals)

    figures = measure(photos, {"red": not_red, "distance": distance, "constant": lambda *_: 0.5})
    assert figures["red"].auc == 1
    assert figures["distance"].one_way > 0.95 and figures["distance"].all_ways > 0.9
    assert figures["constant"].auc == 0.5 and figures["constant"].pooled == 0


def test_reductions_leave_what_they_say(scene):
    image, mask = scene
    inside = mask > 0
    reduced = {name: reduction(image, mask) for name, reduction in REDUCTIONS.items()}
    assert (reduced["mask alone"] == 0.5).all()
    assert (reduced["lightness alone"] == reduced["lightness alone"][..., :1]).all()
    assert torch.equal(reduced["scene alone"][~inside], image[~inside])
    assert (reduced["scene alone"][inside] == 0.5).all()
    flat = reduced["mean colors alone"]
    assert torch.allclose(flat[inside].mean(0), image[inside].mean(0), atol=1e-5) and flat[inside].std(0).max() < 1e-5


def test_evidence_has_a_row_a_reduction(folder):
    drawn = evidence_table(photos_of(folder)[0], not_red)
    names, values = (list(column.cells) for column in drawn.columns)
    assert names == list(REDUCTIONS)
    assert dict(zip(names, values, strict=True))["mask alone"] == "0.500"
    assert dict(zip(names, values, strict=True))["mean colors alone"] == "1.000"


def test_the_statistics_score_falls_with_a_strange_color(scene):
    image, mask = scene
    odd = torch.where(mask[..., None] > 0, torch.tensor([1.0, 0.0, 1.0]), image)
    assert statistics_score(odd, mask, "tree") < statistics_score(image, mask, "tree")


def test_the_command_measures_the_embedded_evaluator(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    report = tmp_path / "figures.json"
    result = CliRunner().invoke(
        app,
        ["evaluator", "--photos", str(folder), "--limit", "1", "--details", "--json", str(report)],
        catch_exceptions=False,
    )
    assert result.exit_code == 0
    assert "1 natural photos and 1 composites, all of the folder" in result.stdout
    figures = json.loads(report.read_text())
    assert list(figures) == ["embedded", "color statistics"]
    assert all(-1 <= value <= 1 for values in figures.values() for value in values.values())
    assert "mean colors alone" in result.stdout
