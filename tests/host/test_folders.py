import folder_paths

from diff_harmonization.host.folders import register_folder


def test_a_new_folder_lies_among_the_hosts_models(monkeypatch):
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", {})
    register_folder("harmony_things")
    (folder,), suffixes = folder_paths.folder_names_and_paths["harmony_things"]
    assert folder == f"{folder_paths.models_dir}/harmony_things"
    assert ".safetensors" in suffixes


def test_the_users_own_paths_win(monkeypatch):
    own = (["/somewhere/else"], {".safetensors"})
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", {"harmony_things": own})
    register_folder("harmony_things")
    assert folder_paths.folder_names_and_paths["harmony_things"] is own
