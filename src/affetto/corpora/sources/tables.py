"""What sources share whose annotations lie in tables: reading them, and making labels and titles of them."""

from __future__ import annotations

import codecs
import csv
import io
import logging
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affetto.corpora.sources.files import find_recordings, relative
from affetto.errors import AffettoError, first_line, name_some

logger = logging.getLogger(__name__)

QUADRANTS = ("Q1", "Q2", "Q3", "Q4")
TABLE_EXTENSIONS = frozenset({".csv", ".tsv", ".parquet", ".pq"})


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV (UTF-8, UTF-16 with its mark, or else Latin-1) as text, or a Parquet file as it is.

    Raises
    ------
    AffettoError
        When the file is not such a table.
    """
    try:
        content = path.read_bytes()
        if path.suffix.lower() in {".parquet", ".pq"}:
            return pd.read_parquet(io.BytesIO(content))
        # UTF-16 and tabs are what Excel saves as "Unicode text".
        is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16") if is_utf_16 else _decoded(content)
        separator = "\t" if path.suffix.lower() == ".tsv" or is_utf_16 else ","
        # Only the empty cell is missing: "NA" and "None" may be an artist, a genre or a label.
        return pd.read_csv(
            io.StringIO(text), dtype="str", keep_default_na=False, na_values=[""], sep=separator
        )
    except (OSError, ValueError) as error:
        reason = first_line(error)
        raise AffettoError(f"Cannot read the table {path}: {reason}; give a CSV or Parquet file.") from error


def _decoded(content: bytes) -> str:
    """Decode UTF-8, or Latin-1 where it is not."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


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
        text = _decoded(path.read_bytes())
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except (OSError, csv.Error) as error:
        raise damaged(path, error) from error
    return [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]


def damaged(path: Path, why: object) -> AffettoError:
    """Return the error of a published table that does not hold what it was published with."""
    reason = first_line(why) if isinstance(why, BaseException) else why
    return AffettoError(f"The table {path} is damaged ({reason}): take that of the release.")


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


def scale_ratings(
    table: pd.DataFrame,
    path: Path,
    *,
    valence: str,
    arousal: str,
    scale: tuple[float, float] | None,
) -> pd.DataFrame:
    """Bring the ratings of a table to the scale from -1 to 1.

    Parameters
    ----------
    table
        The table, as text.
    path
        Its file, for messages.
    valence, arousal
        Its columns, empty where there is no rating.
    scale
        Ends of the scale, the same for both; None: the narrowest of `SCALES` that holds all ratings is taken,
        and the log says which.

    Returns
    -------
    pandas.DataFrame
        `valence, arousal`, float64; NaN without a rating.

    Raises
    ------
    AffettoError
        When a rating is no number, or is outside the scale.
    """
    columns = {"valence": table[valence], "arousal": table[arousal]}
    texts = {name: column.astype("str").str.strip() for name, column in columns.items()}
    ratings = pd.DataFrame({name: pd.to_numeric(text, errors="coerce") for name, text in texts.items()})
    ratings = ratings.astype("float64")
    if scale is None:
        scale = _find_scale(ratings, path)
    for name, text in texts.items():
        wrong = text[text.notna() & (text != "") & ~ratings[name].between(*scale)]
        if len(wrong):
            expected = f"no rating from {scale[0]:g} to {scale[1]:g}"
            raise damaged(path, f"a {columns[name].name} is {wrong.iloc[0]!r}, {expected}")
    low, high = scale
    return (2 * (ratings - low) / (high - low) - 1).clip(-1, 1).round(6)


SCALES = ((0.0, 1.0), (-1.0, 1.0), (1.0, 5.0), (-2.0, 2.0), (1.0, 7.0), (-3.0, 3.0), (1.0, 9.0), (-4.0, 4.0))
"""Usual scales of ratings, the narrower first."""


def _find_scale(ratings: pd.DataFrame, path: Path) -> tuple[float, float]:
    low, high = float(ratings.min().min()), float(ratings.max().max())
    if np.isnan(low):
        return SCALES[1]  # whatever stands there is no number, and the message says so
    for scale in SCALES:
        if scale[0] <= low and high <= scale[1]:
            said = "%s: ratings from %g to %g are taken as of a scale from %g to %g (corpus.rating_scale)"
            logger.warning(said, path.name, low, high, *scale)
            return scale
    raise AffettoError(
        f"The table {path} has ratings from {low:g} to {high:g}, which is no usual scale: set "
        "corpus.rating_scale to the ends of it, such as [0, 100]."
    )


def name_quadrants(ratings: pd.DataFrame, *, middle: float = 0.0) -> list[str | None]:
    """Name the quadrants of ratings (Russell, A circumplex model of affect, 1980).

    Parameters
    ----------
    ratings
        `valence, arousal` from -1 to 1.
    middle
        A rating nearer than this to the centre on either axis has no quadrant.

    Returns
    -------
    list
        A row Q1 (pleasant, aroused), Q2 (unpleasant, aroused), Q3 (unpleasant, calm) or Q4 (pleasant, calm);
        None without a rating, or in the middle. The centre itself counts as pleasant and as aroused.
    """
    pleasant, aroused = ratings["valence"], ratings["arousal"]
    names = np.select(
        [(pleasant >= 0) & (aroused >= 0), (pleasant < 0) & (aroused >= 0), pleasant < 0], QUADRANTS[:3], "Q4"
    )
    near = np.minimum(pleasant.abs(), aroused.abs()) < middle
    unknown = pleasant.isna() | aroused.isna() | near
    return [None if left else str(name) for name, left in zip(names, unknown, strict=True)]
