"""The pack's models folders, for tests of what users put there."""

import folder_paths
import pytest

from diff_harmonization.host.folders import register_folder


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """Makes one of the pack's models folders, empty, and registers it."""
    names = {**folder_paths.folder_names_and_paths}
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", names)
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    folder_paths.cache_helper.clear()

    def make(name):
        names.pop(name, None)
        register_folder(name)
        (tmp_path / name).mkdir()
        return tmp_path / name

    return make
