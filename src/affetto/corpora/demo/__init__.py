"""The embedded demo corpora: made once on the user's machine, then found by their stamp."""

import csv
import hashlib
import json
import shutil
import stat
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from affetto.errors import AffettoError

if TYPE_CHECKING:
    from affetto.io.workers import ExecutorParameters

GENERATOR_VERSION = 1
STAMP = "demo_corpus.json"
METADATA = "metadata.csv"
HELD_OUT_METADATA = "metadata_held_out.csv"
HELD_OUT_FOLDER = "held_out"
COLUMNS = ("file", "emotion", "theme", "group", "tags", "title")
SIDES = ("music", "voice")
_HELD_OUT_SENTENCES = 1


def ensure_demo_corpus(
    side: str, root: Path, *, seed: int = 0, executor: "ExecutorParameters | None" = None
) -> None:
    """Make a demo corpus, unless the one that these parameters make is already there.

    The folder holds the audio files, ``metadata.csv`` (columns ``COLUMNS``; ``file`` relative to the
    folder, tags joined by semicolons) and a stamp with the hash of all that shapes the corpus. The voice
    side also has the folder ``held_out``, with utterances of speakers outside the corpus, told by
    ``metadata_held_out.csv``. The corpus is built in a temporary folder beside ``root`` and renamed, so
    that ``root`` is whole or absent; of two concurrent runs, one wins and the other takes its result. A
    demo corpus of another version or seed is replaced.

    Parameters
    ----------
    side
        ``music`` or ``voice``.
    root
        Folder of the corpus.
    seed
        Seed of all variation.
    executor
        Where the music is rendered; None: in this process.

    Raises
    ------
    AffettoError
        The side is unknown, or ``root`` holds files that this function did not make; they are left untouched.
    """
    if side not in SIDES:
        raise AffettoError(f"there is no demo corpus for the side {side!r}; choose music or voice.")
    root = root.resolve()  # behind a link, the folder itself is what gets replaced
    digest = _digest(side, seed)
    if _holds(root, digest):
        return
    _refuse_foreign_files(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        _build(side, building, seed, executor)
        _write_stamp(building, side=side, seed=seed, digest=digest)
        building.chmod(0o755)
        _install(building, root, digest)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def is_current(side: str, root: Path, *, seed: int = 0) -> bool:
    """Tell whether `ensure_demo_corpus` would find what it makes, and leave it as it is."""
    return _holds(root, _digest(side, seed))


def _digest(side: str, seed: int) -> str:
    if side == "music":
        from affetto.corpora.demo.music import music_recipe as recipe
    else:
        from affetto.corpora.demo.voice import voice_recipe as recipe
    text = f"{GENERATOR_VERSION} {side} {seed} {recipe()}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _build(side: str, folder: Path, seed: int, executor: "ExecutorParameters | None") -> None:
    if side == "music":
        from affetto.corpora.demo.music import build_demo_music

        _write_metadata(folder / METADATA, build_demo_music(folder, seed=seed, executor=executor))
        return
    from affetto.corpora.demo.voice import HELD_OUT_SPEAKERS, SENTENCES, build_demo_voice

    _write_metadata(folder / METADATA, build_demo_voice(folder, seed=seed))
    rows = build_demo_voice(
        folder / HELD_OUT_FOLDER,
        seed=seed,
        speakers=HELD_OUT_SPEAKERS,
        sentences=SENTENCES[:_HELD_OUT_SENTENCES],
    )
    held_out = [{**row, "file": f"{HELD_OUT_FOLDER}/{row['file']}"} for row in rows]
    _write_metadata(folder / HELD_OUT_METADATA, held_out)


def _write_metadata(path: Path, rows: Sequence[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_stamp(folder: Path, *, side: str, seed: int, digest: str) -> None:
    stamp = {"side": side, "seed": seed, "digest": digest, "files": sorted(_files(folder))}
    (folder / STAMP).write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")


def _files(folder: Path) -> Iterable[str]:
    return (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def _read_stamp(root: Path) -> tuple[str, frozenset[str]] | None:
    """Read the digest and the files of a stamp; a missing or damaged one is None."""
    try:
        stamp = json.loads((root / STAMP).read_text(encoding="utf-8"))
        return str(stamp["digest"]), frozenset(stamp["files"])
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None


def _holds(root: Path, digest: str) -> bool:
    """Tell whether the stamp matches and every file it lists is there."""
    stamp = _read_stamp(root)
    return stamp is not None and stamp[0] == digest and all((root / file).is_file() for file in stamp[1])


def _refuse_foreign_files(root: Path) -> None:
    """Raise where the folder holds what no stamp of ours lists: it may be the user's only copy."""
    foreign = _foreign_files(root)
    if foreign:
        raise AffettoError(
            f"the folder {root} holds files that are not of the demo corpus, such as {foreign[0]}; "
            "move them away or choose another folder for the demo corpus."
        )


def _foreign_files(root: Path) -> list[str]:
    """List what no stamp of ours lists; look again where a concurrent run replaced the corpus meanwhile."""
    while True:
        try:
            # One look: between two, a concurrent run may take the folder away or put it back.
            mode = root.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return []
        if not stat.S_ISDIR(mode):
            return [root.name]
        stamp = _read_stamp(root)
        with suppress(FileNotFoundError):
            files = set(_files(root))
            if stamp == _read_stamp(root):
                return sorted(files - (stamp[1] | {STAMP} if stamp is not None else frozenset()))


def _install(building: Path, root: Path, digest: str) -> None:
    """Rename the finished folder to its place, taking away a stale corpus first."""
    for _ in range(5):
        try:
            building.rename(root)
        except OSError:
            # Not empty: a stale corpus, or a concurrent run was faster.
            if _holds(root, digest):
                return
            _remove_stale(root)
        else:
            return
    raise AffettoError(f"cannot put the demo corpus into {root}; see that nothing else writes there.")


def _remove_stale(root: Path) -> None:
    """Take a stale corpus away in one step; it is checked again, since the building took a while."""
    _refuse_foreign_files(root)
    grave = Path(tempfile.mkdtemp(prefix=f".{root.name}-old-", dir=root.parent))
    try:
        root.rename(grave)
    except FileNotFoundError:
        # A concurrent run took it away: nothing is left to do here.
        return
    finally:
        shutil.rmtree(grave, ignore_errors=True)
