import pytest

from diff_harmonization.core.files import replacing, write_whole


def test_a_file_is_replaced_when_it_is_complete(tmp_path):
    path = tmp_path / "a.pt"
    path.write_text("before")
    with replacing(path) as temporary:
        temporary.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_file_that_was_there_and_no_other(tmp_path):
    path = tmp_path / "a.pt"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_bytes_with_their_folder(tmp_path):
    write_whole(tmp_path / "folder" / "a", b"data")
    assert (tmp_path / "folder" / "a").read_bytes() == b"data" and len(list((tmp_path / "folder").iterdir())) == 1
