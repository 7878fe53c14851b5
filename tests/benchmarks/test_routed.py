from functools import partial
from pathlib import Path

import pytest
import torch
from routed_networks import ARCHITECTURES, lively_network
from typer.testing import CliRunner

from diff_harmonization.benchmarks.__main__ import app
from diff_harmonization.benchmarks.routed import network_methods, routed, routed_methods, then, timings
from diff_harmonization.data.composites import Pasted
from diff_harmonization.data.pairs import build_pairs
from diff_harmonization.host.evaluator import EMBEDDED, load_evaluator
from diff_harmonization.methods.routed.harmonizer import RoutedHarmonizer
from diff_harmonization.training.files import weights_of, write_weights


@pytest.fixture
def harmonizer():
    return RoutedHarmonizer("lively", lively_network())


@pytest.fixture
def pair(photos):
    return next(build_pairs(photos))


def test_the_rows_differ_inside_the_mask_alone(harmonizer, pair):
    results = {name: method(pair) for name, method in routed_methods(harmonizer, load_evaluator(EMBEDDED)).items()}
    assert list(results) == ["routed", "routed, S = 1 everywhere", "routed, judged"]
    assert not torch.equal(results["routed"], results["routed, S = 1 everywhere"])
    for result in results.values():
        assert torch.equal(result[pair.mask == 0], pair.composite[pair.mask == 0])
    assert not torch.equal(results["routed"], pair.composite)


def test_a_method_goes_on_from_another(harmonizer, pair):
    first = routed(harmonizer)
    assert torch.equal(then(first, lambda pasted: 1 - pasted.composite)(pair), 1 - first(pair))


def write_network(file, architecture=ARCHITECTURES[0]):
    file.parent.mkdir(parents=True, exist_ok=True)
    write_weights(weights_of(lively_network(architecture)), file)
    return file


def test_networks_of_an_ablation_are_named_by_their_folders(pair, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = [
        write_network(
            Path(f"{architecture.importance}-{architecture.transformer}") / "routed.safetensors", architecture
        )
        for architecture in ARCHITECTURES
    ]
    methods = network_methods(files)
    assert list(methods) == ["True-True", "True-False", "False-True", "False-False"]
    results = [method(pair) for method in methods.values()]
    assert len({result.sum().item() for result in results}) == 4


def test_a_file_without_a_folder_has_the_name_of_the_one_that_it_is_in(tmp_path, monkeypatch):
    monkeypatch.chdir(write_network(tmp_path / "long" / "routed.safetensors").parent)
    assert list(network_methods([Path("routed.safetensors")])) == ["long"]


@pytest.mark.parametrize(
    ("files", "shared"), [(("a/1.safetensors", "b/1.safetensors", "a/2.safetensors"), "a"), (("routed/1",), "routed")]
)
def test_two_rows_of_one_name_are_refused(tmp_path, files, shared):
    with pytest.raises(ValueError, match=f"^a row is named by .*more than one row would be named {shared}: put each"):
        network_methods([tmp_path / file for file in files], ["nothing", "routed"])


def test_the_command_reads_a_folder_of_pairs(pairs_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    run = partial(CliRunner().invoke, app)
    result = run(["routed", "--pairs", str(pairs_folder), "--repeats", "1"], catch_exceptions=False)
    assert result.exit_code == 0 and "routed, judged" in result.stdout
    refused = run(["routed", str(tmp_path / "routed" / "1.safetensors"), "--pairs", str(pairs_folder)])
    assert refused.exit_code == 2 and "more than one row would be named routed" in refused.output


def test_the_command_prints_the_rows_of_both_recipes(photos, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    folder = str(photos[0].folder)
    run = partial(CliRunner().invoke, app, catch_exceptions=False)
    options = ["routed", "--photos", folder, "--split", "train", "--limit", "2", "--repeats", "1"]
    printed = {recipe: run([*options, "--recipe", recipe]).stdout for recipe in ("looks", "light")}
    for text in printed.values():
        assert all(row in text for row in ("nothing", "routed, S = 1 everywhere", "routed, judged", "1024", "4096"))
    rows = [next(line for line in text.splitlines() if "nothing" in line) for text in printed.values()]
    assert rows[0] != rows[1]


def test_another_evaluator_judges(pairs_folder):
    result = CliRunner().invoke(app, ["routed", "--pairs", str(pairs_folder), "--evaluator", "no_such.safetensors"])
    assert isinstance(result.exception, FileNotFoundError) and "no_such.safetensors" in str(result.exception)


def test_seconds_at_each_size(harmonizer, pair):
    pasted = Pasted("", "", pair.composite, pair.mask)
    drawn = timings(harmonizer, pasted, (64, 128), repeats=1)
    assert [list(column.cells) for column in drawn.columns][0] == ["64", "128"]
    assert all(float(cell) >= 0 for column in drawn.columns[1:] for cell in column.cells)
