import folder_paths
import pytest
from vision_models import write_clip, write_sam

from diff_harmonization.core.errors import InputError
from diff_harmonization.host.model_folders import find_model, folder_names, model_folders

pytestmark = pytest.mark.usefixtures("models")


def test_folders_with_a_config_are_models(models):
    (models / "notes").mkdir()
    (models / "readme.txt").write_text("")
    assert model_folders("vlm") == {"clip": models / "clip", "llava": models / "llava"}


def test_other_folders_of_the_users_count_too(models, tmp_path):
    write_clip(tmp_path / "elsewhere" / "another")
    write_clip(tmp_path / "elsewhere" / "clip")
    folder_paths.add_model_folder_path("VLM", str(tmp_path / "elsewhere"))
    folders = model_folders("vlm")
    assert folders["another"] == tmp_path / "elsewhere" / "another"
    assert folders["clip"] == tmp_path / "elsewhere" / "clip"  # the user's own comes first
    assert folders["llava"] == models / "llava"


def test_there_may_be_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path / "none"))
    assert model_folders("vlm") == {}


def test_a_missing_folder_is_one_sentence(models):
    assert find_model("vlm", "clip") == models / "clip"
    with pytest.raises(InputError, match=r"`model`: there is no model folder 'gone' in .*VLM; put one there") as error:
        find_model("vlm", "gone")
    assert str(models) in str(error.value)


def test_segmenters_have_a_folder_of_their_own(models, tmp_path):
    assert folder_names("vlm") == ["clip", "llava"]
    assert folder_names("sam") == ["(models/sams holds no model folder)"]
    write_sam(tmp_path / "sams" / "small")
    assert folder_names("sam") == ["small"]
    assert find_model("sam", "small") == tmp_path / "sams" / "small"
    with pytest.raises(InputError, match=r"'clip' in .*sams; put one there with config.json.*image processor's file"):
        find_model("sam", "clip")


def test_other_packs_find_their_folders_unchanged(models):
    folder_paths.folder_names_and_paths["sams"] = (["elsewhere"], {".pth"})
    model_folders("sam")
    assert folder_paths.folder_names_and_paths == {"sams": (["elsewhere"], {".pth"})}
