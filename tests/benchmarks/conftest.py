import pytest
from pairs import composites_folder, pairs_folder, photos, write_set  # noqa: F401


@pytest.fixture(autouse=True)
def no_photo_set_of_the_users(monkeypatch):
    """A photo set in the environment would be measured whole where a command is given none."""
    monkeypatch.delenv("HARMONY_PHOTOS", raising=False)
