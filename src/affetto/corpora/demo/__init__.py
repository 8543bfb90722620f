"""The embedded demo corpora: made once on the user's machine, then found by their stamp."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from affetto.errors import AffettoError
from affetto.io.files import new_directory

if TYPE_CHECKING:
    from affetto.io.workers import ExecutorParameters

GENERATOR_VERSION = 2
_SEED = 0
_STAMP = "demo_corpus.json"
_COLUMNS = ["file", "emotion", "theme", "group", "tags", "title", "valence", "arousal"]


def ensure_demo_corpus(side: str, root: Path, *, executor: "ExecutorParameters | None" = None) -> None:
    """Make a demo corpus, unless the one that this version makes is already there.

    The folder holds the audio files, ``metadata.csv`` (file relative to the folder, emotion, theme, group,
    tags joined by semicolons, title, valence and arousal from -1 to 1) and a stamp with the hash of all that
    shapes the corpus. The voice side also has the folder ``held_out``, with utterances of speakers outside
    the corpus. The corpus is built in a temporary folder beside ``root`` and renamed, so that ``root`` is
    whole or absent; of two concurrent runs, one wins and the other takes its result. A demo corpus of another
    version is replaced.

    Parameters
    ----------
    side
        ``music`` or ``voice``.
    root
        Folder of the corpus.
    executor
        Where the music is rendered; None: in this process.

    Raises
    ------
    AffettoError
        When ``root`` holds files that this function did not make; they are left untouched.
    """
    root = root.resolve()  # behind a link, the folder itself is what gets replaced
    digest = _digest(side)
    if _holds(root, digest):
        return
    _refuse_foreign_files(root)
    with suppress(_MadeMeanwhileError), new_directory(root) as building:
        _build(side, building, executor)
        stamp = {"side": side, "seed": _SEED, "digest": digest, "files": sorted(_files(building))}
        (building / _STAMP).write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
        if _holds(root, digest):
            raise _MadeMeanwhileError
        _refuse_foreign_files(root)  # building took a while


class _MadeMeanwhileError(Exception):
    """Another run was faster."""


def is_current(side: str, root: Path) -> bool:
    """Tell whether `ensure_demo_corpus` would find what it makes, and leave it as it is."""
    return _holds(root, _digest(side))


def _digest(side: str) -> str:
    if side == "music":
        from affetto.corpora.demo.music import music_recipe as recipe
    else:
        from affetto.corpora.demo.voice import voice_recipe as recipe
    text = f"{GENERATOR_VERSION} {side} {_SEED} {recipe()}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _build(side: str, folder: Path, executor: "ExecutorParameters | None") -> None:
    import pandas as pd

    if side == "music":
        from affetto.corpora.demo.music import build_demo_music

        rows = build_demo_music(folder, seed=_SEED, executor=executor)
    else:
        from affetto.corpora.demo.voice import HELD_OUT_SPEAKERS, SENTENCES, build_demo_voice

        rows = build_demo_voice(folder, seed=_SEED)
        held_out = folder / "held_out"
        build_demo_voice(held_out, seed=_SEED, speakers=HELD_OUT_SPEAKERS, sentences=SENTENCES[:1])
    table = pd.DataFrame(rows).reindex(columns=_COLUMNS)
    table.to_csv(folder / "metadata.csv", index=False, lineterminator="\n")


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def _read_stamp(root: Path) -> tuple[str, frozenset[str]]:
    """Read the digest and the files of a stamp; of a missing or damaged one there are none."""
    try:
        stamp = json.loads((root / _STAMP).read_text(encoding="utf-8"))
        return str(stamp["digest"]), frozenset(stamp["files"])
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return "", frozenset()


def _holds(root: Path, digest: str) -> bool:
    """Tell whether the stamp matches and every file it lists is there."""
    stamped, files = _read_stamp(root)
    return stamped == digest and all((root / file).is_file() for file in files)


def _refuse_foreign_files(root: Path) -> None:
    """Raise where the folder holds what no stamp of ours lists: it may be the user's only copy."""
    foreign = {root.name} if root.is_file() else set[str]()
    while not foreign:
        stamped, files = stamp = _read_stamp(root)
        with suppress(FileNotFoundError):
            foreign = _files(root) - files - {_STAMP if stamped else ""}
            if stamp == _read_stamp(root):
                break
            foreign = set()  # a concurrent run replaced the corpus meanwhile: look again
    if foreign:
        raise AffettoError(
            f"the folder {root} holds files that are not of the demo corpus, such as {min(foreign)}; "
            "move them away or choose another folder for the demo corpus."
        )
