"""Starting a server that cannot start."""

import pytest

from diff_harmonization.cli.server import HostServer, frontend_options, install_pack


def test_a_folder_without_a_host_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no main.py in it. Check COMFYUI_PATH"):
        HostServer(tmp_path, tmp_path, tmp_path / "log")


def test_a_server_that_ends_shows_the_end_of_its_log(tmp_path):
    (tmp_path / "main.py").write_text("raise SystemExit('no luck today')")
    server = HostServer(tmp_path, tmp_path / "base", tmp_path / "log")
    with pytest.raises(RuntimeError, match=r"ended with code 1[\s\S]*no luck today"), server:
        pass
    assert server.process is None


def test_a_server_that_hangs_is_stopped(tmp_path):
    (tmp_path / "main.py").write_text("import time; time.sleep(600)")
    server = HostServer(tmp_path, tmp_path / "base", tmp_path / "log", patience=0.3)
    with pytest.raises(RuntimeError, match="did not start in time"), server:
        pass
    assert server.process is None


def test_the_pack_is_put_in_once(tmp_path):
    folder = install_pack(tmp_path)
    assert install_pack(tmp_path) == folder
    assert (folder / "nodes" / "extension.py").is_file()


def test_another_frontend_is_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("HARMONY_FRONTEND", raising=False)
    assert frontend_options() == ()
    monkeypatch.setenv("HARMONY_FRONTEND", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"no index.html in it. In a wheel of comfyui-frontend-package"):
        frontend_options()
    (tmp_path / "index.html").touch()
    assert frontend_options() == ("--front-end-root", str(tmp_path.resolve()))
