"""The demo corpora are made once, whole or not at all, and never over files of the user."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from affetto.corpora import demo
from affetto.corpora.demo import ensure_demo_corpus
from affetto.corpora.demo import music as demo_music
from affetto.corpora.demo import voice as demo_voice
from affetto.errors import AffettoError


@pytest.fixture
def built(monkeypatch):
    """Replace both builders by one that writes two small files of this version, and count its calls."""
    calls = []

    def build(folder, **_):
        calls.append(folder)
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        for name in ("a", "b"):
            (folder / f"{name}.wav").write_text(f"{name}{demo.GENERATOR_VERSION}")
            row = {"file": f"{name}.wav", "emotion": "sad", "theme": "", "group": name, "tags": "x;y"}
            rows.append({**row, "title": f"Title, {name}"})
        return rows

    monkeypatch.setattr(demo_music, "build_demo_music", build)
    monkeypatch.setattr(demo_voice, "build_demo_voice", build)
    return calls


@pytest.fixture
def root(tmp_path):
    return tmp_path / "raw" / "music"


@pytest.fixture
def stale(built, root, monkeypatch):
    """A corpus of an earlier version."""
    with monkeypatch.context() as patch:
        patch.setattr(demo, "GENERATOR_VERSION", 0)
        ensure_demo_corpus("music", root)
    return root


def only_the_corpus_is_in(folder: Path) -> bool:
    return [path.name for path in folder.iterdir()] == ["music"]


def test_voice_holds_out_speakers_apart(built, root):
    ensure_demo_corpus("voice", root)

    assert (root / "held_out" / "a.wav").is_file()
    assert "held_out" not in (root / "metadata.csv").read_text()


def test_a_corpus_that_is_there_is_left_as_it_is(built, root):
    ensure_demo_corpus("music", root)
    assert demo.is_current("music", root)
    before = (root / "a.wav").stat().st_mtime_ns
    ensure_demo_corpus("music", root)
    assert len(built) == 1
    assert (root / "a.wav").stat().st_mtime_ns == before


def test_a_stale_or_incomplete_corpus_is_replaced_whole(built, stale):
    ensure_demo_corpus("music", stale)
    assert (stale / "a.wav").read_text() == f"a{demo.GENERATOR_VERSION}"
    (stale / "a.wav").unlink()
    assert not demo.is_current("music", stale)
    ensure_demo_corpus("music", stale)
    assert len(built) == 3
    assert only_the_corpus_is_in(stale.parent)


def test_the_stamp_changes_with_side_version_and_rules(monkeypatch):
    digests = {demo._digest("music"), demo._digest("voice")}
    monkeypatch.setattr(demo_voice, "DEGREE", (0.1, 0.2))
    digests |= {demo._digest("voice")}
    monkeypatch.setattr(demo, "GENERATOR_VERSION", 3)
    assert len(digests | {demo._digest("music")}) == 4


def test_files_of_the_user_are_refused_and_untouched(built, stale, tmp_path):
    (stale / "mine.wav").write_text("precious")
    (tmp_path / "file").write_text("x")
    for folder, name in ((stale, r"mine\.wav"), (tmp_path, "file"), (tmp_path / "file", "file")):
        with pytest.raises(AffettoError, match=name):
            ensure_demo_corpus("music", folder)
    assert (stale / "mine.wav").read_text() == "precious"
    assert (stale / "a.wav").read_text() == "a0"
    assert len(built) == 1


def test_a_linked_empty_folder_is_filled_and_stays_linked(built, tmp_path):
    (tmp_path / "disk" / "music").mkdir(parents=True)
    link = tmp_path / "music"
    link.symlink_to(tmp_path / "disk" / "music")
    ensure_demo_corpus("music", link)
    assert link.is_symlink()
    assert (link / "a.wav").read_text() == f"a{demo.GENERATOR_VERSION}"


def test_failure_leaves_nothing_behind_and_keeps_the_stale_corpus(stale, monkeypatch):
    def fail(folder, **_):
        (folder / "half.wav").write_text("half")
        raise RuntimeError("power cut")

    monkeypatch.setattr(demo_music, "build_demo_music", fail)
    for folder in (stale, stale.parent / "other"):
        with pytest.raises(RuntimeError, match="power cut"):
            ensure_demo_corpus("music", folder)
    assert only_the_corpus_is_in(stale.parent)
    assert (stale / "a.wav").read_text() == "a0"


@pytest.mark.parametrize("has_stale", [False, True])
def test_concurrent_runs_leave_one_whole_corpus(built, root, monkeypatch, request, has_stale):
    if has_stale:
        request.getfixturevalue("stale")
    barrier = threading.Barrier(4, timeout=20)
    build, errors = demo._build, []

    def build_together(*arguments):
        build(*arguments)
        barrier.wait()

    def run():
        try:
            ensure_demo_corpus("music", root)
        except (AffettoError, OSError) as error:
            errors.append(error)

    monkeypatch.setattr(demo, "_build", build_together)
    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert all(
        (root / file).is_file() for file in json.loads((root / "demo_corpus.json").read_text())["files"]
    )
    assert (root / "b.wav").read_text() == f"b{demo.GENERATOR_VERSION}"
    assert only_the_corpus_is_in(root.parent)


def test_checking_the_stamp_imports_nothing_heavy(built, root):
    ensure_demo_corpus("music", root)
    script = (
        "import sys; from pathlib import Path; from affetto.corpora.demo import ensure_demo_corpus;"
        "ensure_demo_corpus('music', Path(sys.argv[1]));"
        "print([m for m in ('music21', 'symusic', 'soundfile', 'librosa', 'pandas') if m in sys.modules])"
    )
    command = [sys.executable, "-c", script, str(root)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"
