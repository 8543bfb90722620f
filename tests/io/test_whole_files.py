import pytest

from affetto.io.files import local_copy, write_whole
from affetto.io.paths import as_path


@pytest.fixture(params=["here", "memory"])
def path(request, tmp_path):
    """A file that is not there yet, in a folder that is not there either."""
    root = tmp_path if request.param == "here" else as_path(f"memory://{tmp_path.name}")
    return root / "deep" / "file.bin"


def test_a_file_is_replaced_as_a_whole(path):
    for content in (b"first", b"second"):
        write_whole(path, lambda file, content=content: file.write(content))
        assert path.read_bytes() == content
    assert [entry.name for entry in path.parent.iterdir()] == ["file.bin"]


def test_a_writer_that_fails_leaves_what_was_there(path):
    def fail(file):
        file.write(b"half")
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_whole(path, fail)
    assert not path.exists()
    write_whole(path, lambda file: file.write(b"whole"))
    with pytest.raises(ValueError, match="no more"):
        write_whole(path, fail)
    assert path.read_bytes() == b"whole"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.bin"]


def test_a_copy_is_made_once_and_only_of_what_is_elsewhere(path, tmp_path, monkeypatch):
    monkeypatch.setenv("AFFETTO_CACHE", str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError):
        local_copy(path).read_bytes()
    write_whole(path, lambda file: file.write(b"content"))
    copy = local_copy(path)
    assert copy.read_bytes() == b"content"
    assert (copy == path) == (not (tmp_path / "cache").exists())
    assert local_copy(path) == copy
