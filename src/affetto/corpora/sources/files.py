"""What sources share that walk folders: finding recordings and tables, and reading what names tell."""

from __future__ import annotations

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
from affetto.errors import AffettoError, name_some, one_line
from affetto.io.paths import Entry, is_remote, list_entries

logger = logging.getLogger(__name__)

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
    entries = [
        entry
        for entry in entries
        if not entry.path.name.startswith(".") and entry.path.name not in _IGNORED_FOLDERS
    ]
    nameless = [entry.path.name for entry in entries if not is_text(entry.path.name)]
    if nameless:
        logger.warning(
            "%s holds %d names that are not UTF-8, so that no table can hold them; they are left out, rename "
            "them: %s",
            one_line(str(folder)),
            len(nameless),
            name_some(nameless),
        )
    return [entry for entry in entries if is_text(entry.path.name)]


def is_text(name: str) -> bool:
    """Tell whether the name of a file is UTF-8: Python keeps other bytes as halves of surrogate pairs."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def find_recordings(root: Path) -> list[Path]:
    """Return all files below `root`, whatever folder they are in, whose extension tells of audio or MIDI."""
    return list(filter(is_recording, walk_files(root)))


def is_recording(path: Path) -> bool:
    """Tell whether the extension of a file is one of audio or MIDI."""
    return path.suffix.lower() in AUDIO_EXTENSIONS


def relative(path: Path, root: Path) -> str:
    """Return a path relative to the corpus root, with forward slashes."""
    return path.relative_to(root).as_posix()


def find_own_recordings(root: Path) -> pd.DataFrame:
    """List files of any extension that may be recordings of the user's own, by `stem` and `path`.

    The audit finds out whether they are; what evidently lies beside recordings (texts, tables, pictures,
    archives) is none. The stem is the path without its extension, but with it where a.mp3 lies beside a.flac:
    the whole path, because classes and speakers may number their recordings alike.

    Raises
    ------
    AffettoError
        When there are none.
    """
    files = (path for path in walk_files(root) if path.suffix.lower() not in OTHER_EXTENSIONS)
    inside = [path.relative_to(root) for path in files]
    if not inside:
        raise AffettoError(f"No recordings lie below {root}: put them there, or set another root.")
    stems = [path.with_suffix("").as_posix() for path in inside]
    counts = Counter(stems)
    paths = [path.as_posix() for path in inside]
    unique = [path if counts[stem] > 1 else stem for path, stem in zip(paths, stems, strict=True)]
    return pd.DataFrame({"stem": unique, "path": paths})


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
    choose: Callable[..., pd.DataFrame] | None = None,
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
        Called with the recordings, `root=` and `what=`; returns those that are clips.
    """
    spelling = {label.lower(): label for label in labels}
    named = match_recordings(root, pattern, what=what, folders=folders)
    if choose is not None:
        named = choose(named, root=root, what=what)
    if "label" in named:
        named["label"] = [spelling.get(label.lower(), label) for label in named["label"]]
    rows: list[Any] = named.to_dict("records")
    return pd.DataFrame({**row, **(more(row) if more else {})} for row in rows)


def match_recordings(root: Path, pattern: str, *, what: str, folders: int = 0) -> pd.DataFrame:
    """List the recordings whose stem is named as a corpus names its clips.

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
    pandas.DataFrame
        `stem, path` and the named brackets of the pattern, in the order of `walk_files`; recordings named
        otherwise are left out, and logged.

    Raises
    ------
    AffettoError
        When no recording matches.
    """
    rows, left = [], []
    for path in find_recordings(root):
        parts = path.relative_to(root).parts
        match = re.fullmatch(pattern, "/".join((*parts[-1 - folders : -1], path.stem)))
        if match:
            rows.append({**match.groupdict(), "stem": path.stem, "path": relative(path, root)})
        else:
            left.append(path.name)
    if not rows:
        archives = [path.name for path in walk_files(root) if path.suffix.lower() in _ARCHIVES]
        packed = f"; unpack {name_some(archives)}" if archives else ""
        raise AffettoError(
            f"No clip of {what} lies below {root} ({len(left)} recordings there, none named as {what} names "
            f"them{packed}): `affetto corpora describe NAME` tells how they are named; set the root to the "
            "folder of the corpus, or one around it."
        )
    if left:
        logger.warning(
            "%d recordings are not named as %s names its clips and are left out: %s",
            len(left),
            what,
            name_some(left),
        )
    return pd.DataFrame(rows, dtype="object")


def without_copies(named: pd.DataFrame, *, root: Path, what: str) -> pd.DataFrame:
    """Leave out recordings of the same name and size as an earlier one: some archives hold a tree twice."""
    names = named["path"].str.rpartition("/")[2]
    first = named.groupby(names)["path"].transform("first")
    repeated = named["path"] != first
    pairs = zip(named.loc[repeated, "path"], first[repeated], strict=True)
    copies = [path for path, one in pairs if (root / path).stat().st_size == (root / one).stat().st_size]
    if copies:
        logger.warning("%d recordings of %s are second copies and are left out", len(copies), what)
    return named[~named["path"].isin(copies)]


def find_tables(
    root: Path, patterns: Iterable[str], *, optional: Iterable[str] = (), what: str = ""
) -> dict[str, list[Path]]:
    """Walk a folder once; return the files whose name, or end of the path, matches each glob pattern.

    Raises
    ------
    AffettoError
        When there is none for a pattern that is not optional; `what` names the corpus.
    """
    found: dict[str, list[Path]] = {pattern: [] for pattern in (*patterns, *optional)}
    for path in walk_files(root):
        for pattern, paths in found.items():
            # Of parts, because the `match` of a remote path compares the whole address.
            if PurePosixPath(*path.parts).match(pattern):
                paths.append(path)
    missing = [pattern for pattern in patterns if not found[pattern]]
    if missing:
        raise AffettoError(f"{root} holds no {missing[0]}: put that file of {what} beside its recordings.")
    return found
