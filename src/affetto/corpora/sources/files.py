"""What sources share that walk folders: finding recordings, reading what their names tell, reading tables."""

from __future__ import annotations

import codecs
import logging
import os
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from affetto.audio.decode import AUDIO_EXTENSIONS, OTHER_EXTENSIONS
from affetto.corpora.parameters import CorpusParameters
from affetto.errors import AffettoError, first_line, name_some, one_line
from affetto.io.paths import Entry, is_remote, list_entries

logger = logging.getLogger(__name__)

Named = tuple[Path, re.Match[str]]
"""A recording, and what its name tells."""
_IGNORED_FOLDERS = frozenset({"__MACOSX"})
_ARCHIVES = frozenset({".zip", ".tar", ".tgz", ".gz", ".rar", ".7z"})


def walk_files(root: Path) -> Iterator[Path]:
    """Yield every file below a folder, sorted within folders, each folder once.

    Links to folders are followed after all real folders, so that a file keeps its real path where it has one;
    a loop of links ends because no folder is visited twice. Hidden files and folders are skipped.
    """
    folders, links, seen = deque([root]), deque[Path](), set[str]()
    while folders or links:
        folder = folders.popleft() if folders else links.popleft()
        real = str(folder) if is_remote(folder) else os.path.realpath(folder)
        if real in seen:
            continue
        seen.add(real)
        for entry in _entries(folder):
            if entry.is_folder:
                (links if entry.is_link else folders).append(entry.path)
            else:
                yield entry.path


def _entries(folder: Path) -> list[Entry]:
    """Return what a folder holds, sorted, without what is hidden and what no table can name."""
    try:
        entries = list_entries(folder)
    except OSError as error:
        raise AffettoError(f"Cannot look into the folder {folder}: {error.strerror or error}.") from error
    shown = [
        entry
        for entry in entries
        if not entry.path.name.startswith(".") and entry.path.name not in _IGNORED_FOLDERS
    ]
    nameless = [entry.path.name for entry in shown if not is_text(entry.path.name)]
    if nameless:
        logger.warning(
            "%s holds %d names that are not UTF-8, so that no table can hold them; they are left out, rename "
            "them: %s",
            one_line(str(folder)),
            len(nameless),
            name_some(nameless),
        )
    return [entry for entry in shown if is_text(entry.path.name)]


def is_text(name: str) -> bool:
    """Tell whether the name of a file is UTF-8: Python keeps other bytes as halves of surrogate pairs."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def find_recordings(root: Path, *, whatever_extension: bool = False) -> list[Path]:
    """Return all recordings below `root`, whatever folder they are in.

    Parameters
    ----------
    root
        The folder.
    whatever_extension
        Whether files of any extension may be recordings, of which the audit finds out, or only those whose
        extension tells of audio or MIDI. What evidently lies beside recordings (texts, tables, pictures,
        archives) is none.
    """
    if whatever_extension:
        return [path for path in walk_files(root) if path.suffix.lower() not in OTHER_EXTENSIONS]
    return list(filter(is_recording, walk_files(root)))


def is_recording(path: Path) -> bool:
    """Tell whether the extension of a file is one of audio or MIDI."""
    return path.suffix.lower() in AUDIO_EXTENSIONS


def unique_stems(inside: list[Path]) -> list[str]:
    """Return relative paths without their extension, but with it where a.mp3 lies beside a.flac."""
    stems = [path.with_suffix("").as_posix() for path in inside]
    counts = Counter(stems)
    return [path.as_posix() if counts[stem] > 1 else stem for path, stem in zip(inside, stems, strict=True)]


def index_names(
    root: Path,
    _corpus: CorpusParameters,
    _side: str,
    *,
    pattern: str,
    what: str,
    labels: Iterable[str] = (),
    folders: int = 0,
    more: Callable[[Mapping[str, str]], Mapping[str, Any]] | None = None,
    choose: Callable[..., list[Named]] | None = None,
) -> pd.DataFrame:
    """List the clips of a corpus whose names tell everything.

    Parameters
    ----------
    root
        Folder of the corpus, or one around it.
    pattern, what, folders
        As for `match_recordings`; the brackets called `label`, `group`, `second_group` and `theme` become
        these columns.
    labels
        As they are to be written, where names vary in case.
    more
        Called with all brackets of a name; returns further columns, or other values of them.
    choose
        Called with the recordings and `what=`; returns those that are clips.
    """
    spelling = {label.lower(): label for label in labels}
    named = match_recordings(root, pattern, what=what, folders=folders)
    rows = []
    for path, match in named if choose is None else choose(named, what=what):
        found = match.groupdict()
        row = {name: found.get(name) for name in ("label", "group", "second_group", "theme")}
        row["label"] = spelling.get((row["label"] or "").lower(), row["label"])
        row |= {"stem": path.stem, "path": relative(path, root)}
        rows.append({**row, **(more(found) if more else {})})
    return pd.DataFrame(rows)


def match_recordings(root: Path, pattern: str, *, what: str, folders: int = 0) -> list[Named]:
    """Return the recordings whose stem is named as a corpus names its clips.

    Parameters
    ----------
    root
        Folder of the corpus, or one around it.
    pattern
        Regular expression that the whole stem must match, or that and the folders in front of it.
    what
        Name of the corpus, for messages.
    folders
        Number of folders below `root` that the pattern sees, as in `speaker/emotion/stem`.

    Returns
    -------
    list of (path, match)
        In the order of `walk_files`; recordings named otherwise are left out, and logged.

    Raises
    ------
    AffettoError
        When no recording matches.
    """
    recordings = find_recordings(root)
    parts = (path.relative_to(root).parts for path in recordings)
    names = (
        "/".join((*part[-1 - folders : -1], path.stem)) for part, path in zip(parts, recordings, strict=True)
    )
    matches = [re.fullmatch(pattern, name) for name in names]
    named = [(path, match) for path, match in zip(recordings, matches, strict=True) if match]
    if not named:
        archives = [path.name for path in walk_files(root) if path.suffix.lower() in _ARCHIVES]
        packed = f"; unpack {name_some(archives)}" if archives else ""
        raise AffettoError(
            f"No clip of {what} lies below {root} ({len(recordings)} recordings there, none named as {what} "
            f"names them{packed}): `affetto corpora describe NAME` tells how "
            "they are named; set the root to the folder of the corpus, or one around it."
        )
    left = [path.name for path, match in zip(recordings, matches, strict=True) if not match]
    if left:
        logger.warning(
            "%d recordings are not named as %s names its clips and are left out: %s",
            len(left),
            what,
            name_some(left),
        )
    return named


def without_copies(named: list[Named], *, what: str) -> list[Named]:
    """Leave out recordings of the same name and size as an earlier one: some archives hold a tree twice."""
    kept: dict[str, Named] = {}
    different = []
    for path, match in named:
        first, _ = kept.setdefault(path.name, (path, match))
        if first is not path and first.stat().st_size != path.stat().st_size:
            different.append((path, match))
    copies = len(named) - len(kept) - len(different)
    if copies:
        logger.warning("%d recordings of %s are second copies and are left out", copies, what)
    return [*kept.values(), *different]


def relative(path: Path, root: Path) -> str:
    """Return a path relative to the corpus root, with forward slashes."""
    return path.relative_to(root).as_posix()


def find_tables(root: Path, patterns: Iterable[str]) -> dict[str, list[Path]]:
    """Walk a folder once; return the files whose name, or end of the path, matches each glob pattern."""
    found: dict[str, list[Path]] = {pattern: [] for pattern in patterns}
    for path in walk_files(root):
        for pattern, paths in found.items():
            if _matches(path, pattern):
                paths.append(path)
    return found


def find_table(root: Path, pattern: str) -> Path | None:
    """Return the first file whose name, or the end of whose path, matches a glob pattern, or None."""
    return next((path for path in walk_files(root) if _matches(path, pattern)), None)


def _matches(path: Path, pattern: str) -> bool:
    # Of parts, because the `match` of a remote path compares the whole address.
    return PurePosixPath(*path.parts).match(pattern)


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV (UTF-8, UTF-16 with its mark, or else Latin-1) as text, or a Parquet file as it is.

    Raises
    ------
    AffettoError
        When the file is not such a table.
    """
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            with path.open("rb") as file:
                return pd.read_parquet(file)
        try:
            return _read_csv(path, "utf-16" if _is_utf_16(path) else "utf-8-sig")
        except UnicodeDecodeError:
            return _read_csv(path, "latin-1")
    except (OSError, ValueError) as error:
        reason = first_line(error)
        raise AffettoError(f"Cannot read the table {path}: {reason}; give a CSV or Parquet file.") from error


def _is_utf_16(path: Path) -> bool:
    """Tell whether a table is what Excel saves as "Unicode text"."""
    with path.open("rb") as file:
        return file.read(2) in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}


def _read_csv(path: Path, encoding: str) -> pd.DataFrame:
    # Only the empty cell is missing: "NA" and "None" may be an artist, a genre or a label.
    separator = "\t" if path.suffix.lower() == ".tsv" or encoding == "utf-16" else ","
    with path.open("rb") as file:
        return pd.read_csv(
            file, dtype="str", keep_default_na=False, na_values=[""], encoding=encoding, sep=separator
        )
