import os
from pathlib import Path

import pytest

from affetto.io.files import local_copy, write_whole
from affetto.io.paths import as_path, list_entries, list_files, stat_files


@pytest.fixture(params=["here", "memory"])
def folder(request, tmp_path):
    """A folder with two files and a folder, here and in memory."""
    root = tmp_path if request.param == "here" else as_path(f"memory://{tmp_path.name}")
    for name, content in [("b 声.wav", b"12"), ("a.wav", b""), ("deep/x\n.wav", b"123")]:
        path = root / name
        if request.param == "here":
            path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    yield root
    if request.param == "memory":
        root.fs.rm(root.path, recursive=True)


def test_files_have_their_size_and_time(folder):
    files = list_files(folder)
    assert {name: status.size for name, status in files.items()} == {"b 声.wav": 2, "a.wav": 0}
    assert abs(files["a.wav"].modified_s - Path(__file__).stat().st_atime) < 10 * 365 * 86_400
    assert list_files(folder / "nothing") == {}


def test_entries_are_sorted_and_tell_folders(folder):
    found = [(entry.path.name, entry.is_folder, entry.is_link) for entry in list_entries(folder)]
    assert found == [("a.wav", False, False), ("b 声.wav", False, False), ("deep", True, False)]
    with pytest.raises(FileNotFoundError):
        list_entries(folder / "nothing")


@pytest.mark.skipif(os.name == "nt", reason="makes symbolic links")
def test_links_are_told_and_those_to_themselves_are_no_folders(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "void").symlink_to(tmp_path / "nothing")
    found = {entry.path.name: (entry.is_folder, entry.is_link) for entry in list_entries(tmp_path)}
    assert found == {
        "folder": (True, False),
        "link": (True, True),
        "loop": (False, True),
        "void": (False, True),
    }
    assert stat_files(tmp_path, ["loop", "void"]).tolist() == [[-1, -1], [-1, -1]]
    assert list_files(tmp_path) == {}


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
