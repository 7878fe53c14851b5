import logging
import subprocess
import sys

import pytest
import torch
from photo_sets import photo_set  # noqa: F401
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from diff_harmonization.training import __main__ as command
from diff_harmonization.training.settings import EvaluatorSettings, MiniSettings, RoutedSettings

COMMANDS = [("mini", MiniSettings), ("evaluator", EvaluatorSettings), ("routed", RoutedSettings)]


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    yield lambda *arguments: CliRunner().invoke(command.app, [str(argument) for argument in arguments])
    logging.getLogger("diff_harmonization.training").setLevel(logging.NOTSET)


@pytest.fixture
def trained(monkeypatch):
    """What the trainings are called with, in place of training."""
    from diff_harmonization.training.evaluator import train as evaluator
    from diff_harmonization.training.mini import train as mini
    from diff_harmonization.training.routed import train as routed

    calls = []
    for module in (evaluator, mini, routed):
        monkeypatch.setattr(module, "train", lambda *arguments: calls.append(arguments))
    return calls


@pytest.mark.parametrize(("name", "kind"), COMMANDS)
def test_a_command_without_options_has_the_settings_defaults(run, trained, tmp_path, name, kind):
    result = run(name, "--photos", tmp_path, "--work", tmp_path / "work")
    assert result.exit_code == 0, result.output
    assert trained == [(tmp_path, tmp_path / "work", kind())]


@pytest.mark.parametrize(("name", "kind"), COMMANDS)
def test_every_setting_is_an_option(run, trained, tmp_path, name, kind):
    others = {"architecture": "lite0", "initial": tmp_path / "a.safetensors", "initial_backbone": tmp_path / "b.pth"}
    others |= {"importance": False, "transformer": False, "made": tmp_path / "set", "half": 1}
    others |= {"proposers": (tmp_path / "0.safetensors", tmp_path / "1.safetensors")}
    values = {field: others.get(field, 7) for field in vars(kind())}
    options = []
    for field, value in values.items():
        option = field.replace("_", "-")
        given = value if isinstance(value, tuple) else (value,)
        options += [f"--no-{option}"] if value is False else [f"--{option}", *given]
    result = run(name, "--photos", tmp_path, "--work", tmp_path, *options)
    assert result.exit_code == 0, result.output
    assert trained == [(tmp_path, tmp_path, kind(**values))]


def test_an_unknown_architecture(run, trained, tmp_path):
    result = run("evaluator", "--photos", tmp_path, "--work", tmp_path, "--architecture", "vgg")
    assert result.exit_code == 2 and "lite0" in result.output and "resnet50" in result.output


def test_a_refused_setting_names_its_option(run, trained, tmp_path):
    options = ("--architecture", "resnet50", "--initial-backbone", tmp_path / "b.pth")
    result = run("evaluator", "--photos", tmp_path, "--work", tmp_path, *options)
    assert result.exit_code == 2 and trained == []
    assert "--initial-backbone" in result.output and "not for resnet50" in result.output


def test_the_norms_are_fitted_into_a_file(run, photo_set, tmp_path):  # noqa: F811
    output = tmp_path / "norms.json"
    result = run("norms", "--photos", photo_set, "--output", output)
    assert result.exit_code == 0, result.output
    assert '"usual"' in output.read_text()


def test_the_commands_need_no_host_to_be_listed():
    """The host is imported by the command that trains with it, not before."""
    code = "import sys; import diff_harmonization.training.__main__; assert 'comfy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_mean_of_two_files(run, tmp_path):
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for value, file in zip((1.0, 3.0), files, strict=True):
        save_file({"w": torch.full((2,), value)}, file)
    assert run("mean", *files, "--output", tmp_path / "mean").exit_code == 0
    assert load_file(tmp_path / "mean")["w"].tolist() == [2.0, 2.0]
    save_file({"v": torch.zeros(2)}, files[1])
    refused = run("mean", *files, "--output", tmp_path / "mean")
    assert refused.exit_code == 2 and "--files" in refused.output and "another network" in refused.output
