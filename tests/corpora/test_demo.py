import csv
import errno
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from affetto.corpora import demo
from affetto.corpora.demo import music as demo_music
from affetto.corpora.demo import voice as demo_voice
from affetto.errors import AffettoError


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def tiny(monkeypatch):
    """Replace both builders by one that writes two small files, and count its calls."""
    calls = []

    def build(folder, *, seed=0, **_):
        calls.append(seed)
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        for name in ("a", "b"):
            (folder / f"{name}.wav").write_text(f"{name}{seed}")
            row = {"file": f"{name}.wav", "emotion": "sad", "theme": "", "group": name, "tags": "x;y"}
            rows.append({**row, "title": f"Title, {name}"})
        return rows

    monkeypatch.setattr(demo_music, "build_demo_music", build)
    monkeypatch.setattr(demo_voice, "build_demo_voice", build)
    return calls


def hidden_leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_metadata_has_the_agreed_columns_and_files(tiny, tmp_path):
    demo.ensure_demo_corpus("music", tmp_path / "raw" / "music")
    rows = rows_of(tmp_path / "raw" / "music" / "metadata.csv")
    assert tuple(rows[0]) == ("file", "emotion", "theme", "group", "tags", "title")
    assert [row["file"] for row in rows] == ["a.wav", "b.wav"]
    assert rows[0]["title"] == "Title, a"


def test_voice_holds_out_speakers_apart(tiny, tmp_path):
    root = tmp_path / "voice"
    demo.ensure_demo_corpus("voice", root)
    held_out = rows_of(root / "metadata_held_out.csv")
    assert all(row["file"].startswith("held_out/") and (root / row["file"]).is_file() for row in held_out)
    assert not any(row["file"].startswith("held_out/") for row in rows_of(root / "metadata.csv"))


def test_second_run_does_nothing(tiny, tmp_path):
    root = tmp_path / "music"
    demo.ensure_demo_corpus("music", root)
    before = (root / "a.wav").stat().st_mtime_ns
    demo.ensure_demo_corpus("music", root)
    assert tiny == [0]
    assert (root / "a.wav").stat().st_mtime_ns == before


@pytest.mark.parametrize("damage", ["seed", "missing file", "version"])
def test_stale_corpus_is_replaced_whole(tiny, tmp_path, monkeypatch, damage):
    root = tmp_path / "music"
    demo.ensure_demo_corpus("music", root)
    if damage == "missing file":
        (root / "a.wav").unlink()
    if damage == "version":
        monkeypatch.setattr(demo, "GENERATOR_VERSION", 999)
    seed = 3 if damage == "seed" else 0
    demo.ensure_demo_corpus("music", root, seed=seed)
    assert len(tiny) == 2
    assert (root / "a.wav").read_text() == f"a{seed}"
    assert hidden_leftovers(tmp_path) == []


def test_stamp_changes_with_seed_side_and_rules(monkeypatch):
    digests = {demo._digest("music", 0), demo._digest("music", 1), demo._digest("voice", 0)}
    monkeypatch.setattr(demo_voice, "DEGREE", (0.1, 0.2))
    assert len(digests | {demo._digest("voice", 0)}) == 4


def test_foreign_folder_is_refused_and_untouched(tiny, tmp_path):
    root = tmp_path / "mine"
    root.mkdir()
    (root / "thesis.txt").write_text("precious")
    with pytest.raises(AffettoError, match=r"mine.*thesis\.txt"):
        demo.ensure_demo_corpus("music", root)
    assert [path.name for path in root.iterdir()] == ["thesis.txt"]
    assert tiny == []


def test_own_files_in_a_stale_corpus_are_refused(tiny, tmp_path):
    root = tmp_path / "music"
    demo.ensure_demo_corpus("music", root)
    (root / "mine.wav").write_text("precious")
    demo.ensure_demo_corpus("music", root)
    with pytest.raises(AffettoError, match=r"mine\.wav"):
        demo.ensure_demo_corpus("music", root, seed=1)
    assert (root / "mine.wav").read_text() == "precious"
    assert (root / "a.wav").read_text() == "a0"


def test_root_that_is_a_file_and_unknown_side_are_refused(tiny, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(AffettoError, match="file"):
        demo.ensure_demo_corpus("music", tmp_path / "file")
    with pytest.raises(AffettoError, match="radio"):
        demo.ensure_demo_corpus("radio", tmp_path / "radio")


def test_empty_folder_is_filled(tiny, tmp_path):
    (tmp_path / "music").mkdir()
    demo.ensure_demo_corpus("music", tmp_path / "music")
    assert (tmp_path / "music" / "metadata.csv").is_file()


def test_a_linked_folder_stays_linked(tiny, tmp_path):
    (tmp_path / "disk" / "music").mkdir(parents=True)
    link = tmp_path / "music"
    link.symlink_to(tmp_path / "disk" / "music")
    for seed in (0, 1):
        demo.ensure_demo_corpus("music", link, seed=seed)
        assert link.is_symlink()
        assert (link / "a.wav").read_text() == f"a{seed}"


def test_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(folder, **_):
        (folder / "half.wav").write_text("half")
        raise RuntimeError("power cut")

    monkeypatch.setattr(demo_music, "build_demo_music", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        demo.ensure_demo_corpus("music", tmp_path / "music")
    assert list(tmp_path.iterdir()) == []


def test_failure_keeps_the_stale_corpus(tiny, tmp_path, monkeypatch):
    root = tmp_path / "music"
    demo.ensure_demo_corpus("music", root)

    def fail(folder, **_):
        raise RuntimeError("power cut")

    monkeypatch.setattr(demo_music, "build_demo_music", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        demo.ensure_demo_corpus("music", root, seed=5)
    assert (root / "a.wav").read_text() == "a0"


@pytest.mark.parametrize("stale", [False, True])
def test_concurrent_runs_leave_one_whole_corpus(tiny, tmp_path, monkeypatch, stale):
    root = tmp_path / "music"
    if stale:
        demo.ensure_demo_corpus("music", root, seed=9)
    barrier = threading.Barrier(4, timeout=20)
    build, errors = demo._build, []

    def build_together(*arguments):
        build(*arguments)
        barrier.wait()

    def run():
        try:
            demo.ensure_demo_corpus("music", root)
        except (AffettoError, OSError) as error:
            errors.append(error)

    monkeypatch.setattr(demo, "_build", build_together)
    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    stamp = json.loads((root / "demo_corpus.json").read_text())
    assert all((root / file).is_file() for file in stamp["files"])
    assert (root / "b.wav").read_text() == "b0"
    assert hidden_leftovers(tmp_path) == []


def test_a_corpus_replaced_while_it_is_looked_at_is_not_foreign(tiny, tmp_path, monkeypatch):
    root, aside = tmp_path / "music", tmp_path / "aside"
    demo.ensure_demo_corpus("music", root, seed=9)
    read, reads = demo._read_stamp, []

    def read_while_it_is_away(folder):
        reads.append(folder)
        if len(reads) != 2:  # the first tells that it is stale
            return read(folder)
        root.rename(aside)
        found = read(folder)
        aside.rename(root)
        return found

    monkeypatch.setattr(demo, "_read_stamp", read_while_it_is_away)
    demo.ensure_demo_corpus("music", root)
    assert (root / "a.wav").read_text() == "a0"


def test_a_corpus_put_back_right_after_it_was_found_missing_is_not_foreign(tiny, tmp_path, monkeypatch):
    root = tmp_path / "music"
    demo.ensure_demo_corpus("music", root)
    stat, looks = Path.stat, []

    def missing_at_first(path, **options):
        if path == root:
            looks.append(path)
            if len(looks) == 1:
                raise FileNotFoundError(errno.ENOENT, "taken away", str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", missing_at_first)
    demo._refuse_foreign_files(root)
    assert looks


def test_checking_the_stamp_imports_nothing_heavy(tiny, tmp_path):
    demo.ensure_demo_corpus("music", tmp_path / "music")
    script = (
        "import sys; from pathlib import Path; from affetto.corpora.demo import ensure_demo_corpus;"
        "ensure_demo_corpus('music', Path(sys.argv[1]));"
        "print([m for m in ('music21', 'symusic', 'soundfile', 'librosa', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "music")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
