import pytest

from diff_harmonization.description.gemini.api_key import find_key

KEY = "AIzaSy-planted_0123"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "key.txt"


def test_the_environment_comes_first_in_the_vendors_order(file):
    file.write_text("AIzaSy-of-the-file")
    both = {"GOOGLE_API_KEY": "first", "GEMINI_API_KEY": "second"}
    assert find_key(both, file).secret.get_secret_value() == "first"
    assert find_key({**both, "GOOGLE_API_KEY": " "}, file).source == "the environment variable GEMINI_API_KEY"
    assert find_key({}, file).source == f"the file {file}"


@pytest.mark.parametrize("content", [KEY, f"{KEY}\n", f"\ufeff{KEY}\r\n", f"  {KEY}  "])
def test_a_file_may_end_like_files_do(file, content):
    file.write_text(content, encoding="utf-8")
    assert find_key({}, file).secret.get_secret_value() == KEY


def test_no_key_names_every_place(file):
    with pytest.raises(ValueError, match="no API key was found.*GEMINI_API_KEY.*key.txt.*aistudio"):
        find_key({}, file)
    with pytest.raises(ValueError, match="GEMINI_API_KEY before ComfyUI starts. Keys"):
        find_key({}, None)


@pytest.mark.parametrize("value", [f"{KEY}\n{KEY}", f"key = {KEY}", f"{KEY}é", f"{KEY}\x07", f"{KEY}\tx"])
def test_what_is_no_key_is_not_repeated(file, value):
    file.write_text(value, encoding="utf-8")
    for environment in ({"GEMINI_API_KEY": value}, {}):
        with pytest.raises(ValueError, match="holds no API key") as error:
            find_key(environment, file)
        assert KEY not in str(error.value)


def test_a_key_shows_nowhere_by_accident():
    key = find_key({"GEMINI_API_KEY": KEY}, None)
    assert KEY not in repr(key) + str(key) + f"{key.secret}"
    assert key.redact(f"'api_key:{KEY}' is suspended, {KEY}") == "'api_key:[API key]' is suspended, [API key]"
