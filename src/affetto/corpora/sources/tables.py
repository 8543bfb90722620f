"""What sources share whose annotations lie in tables: reading them, and finding the recordings they name."""

from __future__ import annotations

import csv
import io
import logging
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import find_recordings, find_table, read_table, relative
from affetto.errors import AffettoError, first_line, name_some
from affetto.io.paths import is_remote

logger = logging.getLogger(__name__)

QUADRANTS = ("Q1", "Q2", "Q3", "Q4")


def require_table(root: Path, pattern: str, *, what: str) -> Path:
    """Return the first file below `root` whose name matches a glob pattern; `what` names the corpus.

    Raises
    ------
    AffettoError
        When there is none.
    """
    path = find_table(root, pattern)
    if path is None:
        raise missing_table(root, pattern, what=what)
    return path


def missing_table(root: Path, pattern: str, *, what: str) -> AffettoError:
    """Return the error of `require_table`."""
    return AffettoError(f"{root} holds no {pattern}: put that file of {what} beside its recordings.")


def read_columns(path: Path, columns: Iterable[str], what: str) -> pd.DataFrame:
    """Read a table of a corpus; its column names lose surrounding blanks.

    Raises
    ------
    AffettoError
        When it cannot be read, or lacks one of the columns.
    """
    table = read_table(path).rename(columns=lambda name: str(name).strip())
    for column in columns:
        if column not in table:
            raise AffettoError(f"{path} has no column {column!r}: take the table of the {what} release.")
    return table


def read_ragged(path: Path, *, delimiter: str = ",") -> list[list[str]]:
    """Read a table whose rows differ in length, as text (UTF-8, or Latin-1 where it is not).

    Cells lose surrounding blanks, empty rows are left out.

    Raises
    ------
    AffettoError
        When it cannot be read.
    """
    try:
        content = path.read_bytes()
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("latin-1")
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except (OSError, csv.Error) as error:
        raise AffettoError(
            f"Cannot read the table {path}: {first_line(error)}; take the table of the release."
        ) from error
    return [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]


def recordings_by_stem(root: Path) -> dict[str, str]:
    """Return stem → path relative to `root` of all recordings below it; of equal stems the first."""
    return {path.stem: relative(path, root) for path in reversed(find_recordings(root))}


def keep_recorded(rows: pd.DataFrame, root: Path, *, what: str, remedy: str) -> pd.DataFrame:
    """Leave out the rows whose recording is not there, and log them.

    Parameters
    ----------
    rows
        With `stem`, and `path` missing where there is no recording.
    root
        Folder of the corpus.
    what
        Name of the corpus, for messages.
    remedy
        What to do when no row has a recording, for the message.

    Returns
    -------
    pandas.DataFrame
        The other rows, numbered from 0.

    Raises
    ------
    AffettoError
        When no row is left.
    """
    missing = rows.loc[rows["path"].isna(), "stem"]
    if len(missing) == len(rows):
        raise AffettoError(
            f"None of the {len(rows)} annotated clips of {what} has its recording below {root}: {remedy}."
        )
    if len(missing):
        logger.warning(
            "%d of %d annotated clips of %s have no recording and are left out: %s",
            len(missing),
            len(rows),
            what,
            name_some(missing.tolist()),
        )
    return rows[rows["path"].notna()].reset_index(drop=True)


def reader_package(name: str, root: Path, corpus: CorpusParameters, side: str) -> Any:
    """Import the package that reads a corpus of this machine.

    Raises
    ------
    AffettoError
        When it is not installed, or the corpus is elsewhere.
    """
    if is_remote(root):
        raise AffettoError(f"{side}.corpus.root is {root}, but {name} reads folders of this machine only.")
    try:
        return import_module(name)
    except ImportError as error:
        raise AffettoError(
            f"{side}.corpus.source is {corpus.source}, which needs a package: pip install "
            f"'affetto[{corpus.source}]'."
        ) from error


@contextmanager
def told_in_a_sentence(what: str, remedy: str) -> Iterator[None]:
    """Say in one sentence what a library of others raises, which may be anything.

    Parameters
    ----------
    what
        What the library cannot do; begins the sentence.
    remedy
        What the user can do; ends it.

    Raises
    ------
    AffettoError
        In place of anything else but an interruption.
    """
    try:
        yield
    except AffettoError:
        raise
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {first_line(error)}".rstrip(".")
        raise AffettoError(f"{what} ({reason}): {remedy}.") from error


def join_titles(artists: Iterable[Any], titles: Iterable[Any]) -> list[str | None]:
    """Return `artist: title` a clip, what is missing left out, or None where both are."""
    known = (
        [str(part).strip() for part in pair if not pd.isna(part)]
        for pair in zip(artists, titles, strict=True)
    )
    return [": ".join(parts) or None for parts in known]


def leading_tags(tags: list[list[str]], *, apart: Collection[str] = ()) -> list[str | None]:
    """Choose one tag a clip: of its tags the one most frequent in the corpus.

    Parameters
    ----------
    tags
        The tags of each clip.
    apart
        Tags that are never chosen, because they say too little.

    Returns
    -------
    list
        A tag a clip (the first of the alphabet among equals), or None where none is left.
    """
    counts = Counter(tag for clip in tags for tag in clip if tag not in apart)
    return [
        min((tag for tag in clip if tag in counts), key=lambda tag: (-counts[tag], tag), default=None)
        for clip in tags
    ]


def quadrant(valence: float, arousal: float, *, low: float, high: float, middle: float = 0.0) -> str | None:
    """Name the quadrant of a rating (Russell, A circumplex model of affect, 1980).

    Parameters
    ----------
    valence, arousal
        The rating; NaN where there is none.
    low, high
        Ends of the scale, the same for both.
    middle
        Share of half the scale: a rating nearer than this to the centre on either axis has no quadrant.

    Returns
    -------
    str or None
        Q1 (pleasant, aroused), Q2 (unpleasant, aroused), Q3 (unpleasant, calm) or Q4 (pleasant, calm); None
        without a rating, or in the middle. The centre itself counts as pleasant and as aroused.
    """
    centre, half = (low + high) / 2, (high - low) / 2
    pleasant, aroused = (valence - centre) / half, (arousal - centre) / half
    if math.isnan(pleasant) or math.isnan(aroused) or min(abs(pleasant), abs(aroused)) < middle:
        return None
    if aroused >= 0:
        return "Q1" if pleasant >= 0 else "Q2"
    return "Q4" if pleasant >= 0 else "Q3"


def label_ratings(
    table: pd.DataFrame,
    path: Path,
    *,
    valence: str,
    arousal: str,
    low: float,
    high: float,
    middle: float,
) -> list[str | None]:
    """Name the quadrants of the ratings of a table.

    Parameters
    ----------
    table
        The table, as text.
    path
        Its file, for messages.
    valence, arousal
        Its columns, empty where there is no rating.
    low, high, middle
        As for `quadrant`.

    Returns
    -------
    list
        Q1 to Q4 or None a row.

    Raises
    ------
    AffettoError
        When a rating is no number, or is outside the scale.
    """
    ratings = []
    for column in (table[valence], table[arousal]):
        numbers = pd.to_numeric(column, errors="coerce").astype("float64")
        wrong = column[column.notna() & ~numbers.between(low, high)]
        if len(wrong):
            raise AffettoError(
                f"The table {path} has a {column.name} of {wrong.iloc[0]!r}, which is no rating from {low:g} "
                f"to {high:g}: take the table of the release."
            )
        ratings.append(numbers)
    return [quadrant(v, a, low=low, high=high, middle=middle) for v, a in zip(*ratings, strict=True)]
