"""Emotion, theme and highlight as tags in copies of files; the originals are only read."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.errors import AffettoError, one_line

TAG_COLUMNS = ("clip_id", "root", "path", "mood", "theme", "theme_name", "highlight", "confidence")
"""Of the plan; what lies right of `path` is written, times in seconds from the start of the file."""
REPORT_COLUMNS = ("clip_id", "path", "tagged", "reason")
_PREFIX = "AFFETTO_"
_UNSUITABLE = "its format has no tags that can be written"


def plan_tags(tracks: pd.DataFrame) -> pd.DataFrame:
    """Say what is written into the copy of each track of a library with confidence: `TAG_COLUMNS`, all text.

    Parts of files are left out, as tags are of whole files.
    """
    whole = tracks[tracks["start_s"].isna()]
    start_s, end_s = (whole[f"highlight_{end}_s"].map("{:.1f}".format) for end in ("start", "end"))
    plan = whole.assign(
        mood=whole["emotion"],
        theme=whole["theme"].fillna(""),
        theme_name=whole["theme_name"].fillna(""),
        highlight=start_s + "-" + end_s,
        confidence=whole["confidence"].fillna(whole["emotion_probability"]).map("{:.2f}".format),
    )
    return plan[list(TAG_COLUMNS)].astype(str).reset_index(drop=True)


def check_output(folder: Path, root: Path) -> None:
    """Make sure that copies are not written among the originals.

    Raises
    ------
    AffettoError
        When one of the two folders lies inside the other, or they are the same.
    """
    copies, originals = folder.resolve(), root.resolve()
    if copies == originals or originals in copies.parents or copies in originals.parents:
        raise AffettoError(
            f"Tagged copies cannot be written to {folder}: it must lie outside the library {root}, whose "
            "files are never changed; choose another folder for `library.tagged` in the catalog."
        )


def tag_copy(source: Path, target: Path, tags: Mapping[str, str]) -> str | None:
    """Copy a file and write tags into the copy.

    A copy that has these tags already, of the same file as it is now, is left as it is: `AFFETTO_SOURCE` says
    which file that was. Files that cannot be tagged are not copied.

    The tag `mood` goes into the format's own field where it has one (ID3: TMOO); everything else, and `mood`
    again, into fields of one's own: `AFFETTO_THEME`, ….

    Returns
    -------
    str or None
        Why the file could not be tagged; None when it was.
    """
    import mutagen

    wanted = {f"{_PREFIX}{name.upper()}": value for name, value in tags.items() if value}
    partial = target.with_name(f".{target.name}.part{target.suffix}")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        wanted[f"{_PREFIX}SOURCE"] = _identity(source)
        if target.exists() and _own_tags(target) == wanted:
            return None
        shutil.copyfile(source, partial)
        file = mutagen.File(partial)
        if file is None or not _write(file, wanted, tags.get("mood", "")):
            return _UNSUITABLE
        partial.replace(target)
    except (OSError, mutagen.MutagenError) as error:
        return one_line(str(error))
    finally:
        partial.unlink(missing_ok=True)
    return None


def _identity(source: Path) -> str:
    """Return what stands for a file as it is: a hash of where it lies, its size and when it was changed."""
    status = source.stat()
    text = f"{source.resolve()}:{status.st_size}:{status.st_mtime_ns}"
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=8).hexdigest()


def _write(file: Any, wanted: Mapping[str, str], mood: str) -> bool:
    """Write the tags in the manner of the file's format; False when it has none."""
    from mutagen._vorbis import VCommentDict
    from mutagen.id3 import ID3, TMOO, TXXX
    from mutagen.mp4 import MP4Tags

    if file.tags is None:
        file.add_tags()
    tags = file.tags
    if isinstance(tags, ID3):
        tags.setall("TMOO", [TMOO(encoding=3, text=[mood])] if mood else [])
        for name, value in wanted.items():
            tags.setall(f"TXXX:{name}", [TXXX(encoding=3, desc=name, text=[value])])
    elif isinstance(tags, VCommentDict):
        tags.update({"MOOD": [mood], **{name: [value] for name, value in wanted.items()}})
    elif isinstance(tags, MP4Tags):
        tags.update({f"----:com.apple.iTunes:{name}": [value.encode()] for name, value in wanted.items()})
    else:
        return False
    file.save()
    return True


def _own_tags(path: Path) -> dict[str, str]:
    """Read the tags that `_write` wrote; empty for files without any."""
    import mutagen

    try:
        file = mutagen.File(path)
    except (OSError, mutagen.MutagenError):
        return {}
    found = {}
    for key, value in (file.tags or {}).items() if file is not None else ():
        name = str(key).rsplit(":", 1)[-1].upper()
        if name.startswith(_PREFIX):
            first = value[0] if isinstance(value, list) else value.text[0]
            found[name] = first.decode() if isinstance(first, bytes) else str(first)
    return found
