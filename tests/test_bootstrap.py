"""The bootstrap's parts that need no installation."""

import importlib.util
import io
import tarfile
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "bootstrap.py"


@pytest.fixture
def bootstrap(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("bootstrap", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENV", tmp_path / "venv")
    monkeypatch.setattr(module, "HOST_CACHE", tmp_path / "cache" / "host")
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    module.VENV.mkdir()
    return module


def archive(path, names):
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"text"))
    return path


def test_the_type_checker_reads_the_host_that_the_bootstrap_gets(bootstrap):
    tomllib = pytest.importorskip("tomllib")
    pyright = tomllib.loads((SOURCE.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pyright"]
    assert pyright["extraPaths"] == [f".cache/host-{bootstrap.HOST_SHA256[:12]}"]


def test_a_step_that_ended_well_is_skipped_until_its_inputs_change(bootstrap):
    def due(*inputs):
        with bootstrap.once("step", *inputs) as result:
            return result

    assert [due("a"), due("a"), due("b"), due("b")] == [True, False, True, False]


def test_a_step_that_failed_is_done_again(bootstrap):
    with bootstrap.once("step", "a"):
        pass
    with pytest.raises(OSError), bootstrap.once("step", "b"):
        raise OSError
    with bootstrap.once("step", "a") as due:
        assert due


def test_comfyui_path_wins_over_the_cache(bootstrap, tmp_path, monkeypatch):
    bootstrap.HOST_CACHE.mkdir(parents=True)
    (tmp_path / "main.py").touch()
    assert bootstrap.find_host() == bootstrap.HOST_CACHE
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    assert bootstrap.find_host() == tmp_path.resolve()


def test_a_comfyui_path_without_comfyui_is_named(bootstrap, tmp_path, monkeypatch):
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path / "nothing"))
    with pytest.raises(bootstrap.BootstrapError, match=r"COMFYUI_PATH is .*nothing.*no main\.py"):
        bootstrap.find_host()


def test_only_the_hosts_folder_is_fetched_into_the_cache(bootstrap, monkeypatch):
    names = ("p-1/setup.py", "p-1/vendor/ComfyUI/main.py", "p-1/vendor/ComfyUI/comfy/sd.py", "p-1/vendor/other.py")
    monkeypatch.setattr(bootstrap, "download_host", lambda folder: archive(folder / "p.tar.gz", names))
    host = bootstrap.find_host()
    files = {path.relative_to(host).as_posix() for path in host.rglob("*") if path.is_file()}
    assert files == {"main.py", "comfy/sd.py"}
    assert list(host.parent.iterdir()) == [host]


def test_an_archive_that_leaves_its_folder_is_refused(bootstrap, tmp_path):
    bad = archive(tmp_path / "bad.tar.gz", ["p-1/vendor/ComfyUI/../../../../out.py"])
    (tmp_path / "inner").mkdir()
    with pytest.raises(tarfile.OutsideDestinationError):
        bootstrap.extract_host(bad, tmp_path / "inner")
    assert not (tmp_path / "out.py").exists()


def test_an_archive_without_a_host_is_refused(bootstrap, tmp_path):
    with pytest.raises(bootstrap.BootstrapError, match="no folder vendor/ComfyUI"):
        bootstrap.extract_host(archive(tmp_path / "p.tar.gz", ["p-1/setup.py"]), tmp_path)


def test_arguments_select_tests_or_the_whole_suite_runs(bootstrap):
    tests = str(bootstrap.REPO / "tests")
    assert bootstrap.test_command(["-k", "lut"])[-5:] == ["--numprocesses=2", "--dist=loadfile", "-k", "lut", tests]
    assert bootstrap.test_command([f"{SOURCE}::test_x"])[-1] == f"{SOURCE}::test_x"


@pytest.mark.parametrize("option", [["-k", "color"], ["-k=color"], ["-m", "demo"], ["-x", "--ignore", "tests/color"]])
def test_an_options_value_is_no_path(bootstrap, monkeypatch, option):
    monkeypatch.chdir(bootstrap.REPO)
    tests = str(bootstrap.REPO / "tests")
    assert bootstrap.test_command(option)[-len(option) - 1 :] == [*option, tests]
    assert bootstrap.test_command([*option, "tests/color"])[-1] == "tests/color"
    assert bootstrap.test_command(["-x", "tests/color", *option])[-1] != tests


def test_help_installs_nothing(bootstrap, capsys, monkeypatch):
    monkeypatch.setattr(bootstrap, "create_venv", lambda: pytest.fail("created"))
    assert bootstrap.main(["demo", "--help"]) == 0
    assert bootstrap.main([]) == 2
    assert "COMFYUI_PATH" in capsys.readouterr().out
