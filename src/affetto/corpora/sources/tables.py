"""What sources share whose annotations lie in tables: reading them, and making labels and titles of them."""

from __future__ import annotations

import codecs
import csv
import io
import logging
import re
import zipfile
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np
import pandas as pd

from affetto.corpora.sources.files import find_recordings, relative
from affetto.errors import AffettoError, first_line, name_some

logger = logging.getLogger(__name__)

QUADRANTS = ("Q1", "Q2", "Q3", "Q4")
_PARQUET = frozenset({".parquet", ".pq"})
TABLE_EXTENSIONS = frozenset({".csv", ".tsv", ".xlsx", ".xlsm", ".xls"}) | _PARQUET
_ZIP_MARK, _OLE_MARK = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"  # .xlsx is an archive; .xls and what has a password
_SAID_SEPARATOR = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # Excel's own first line
_DECIMAL_COMMA = re.compile(r"^([+-]?\d*),(\d+)$")
_END = "\x04"  # a row of our own behind the last: an open quotation mark swallows it
_Row = tuple[int, list[str]]


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV or the first filled sheet of an Excel workbook as text, or a Parquet file as it is.

    A CSV is UTF-8, UTF-16 with its mark, or else Latin-1. It is separated by that of comma, semicolon, tab
    and bar which cuts its header into most columns, or by what a first line such as `sep=;` says. Titles
    above the header, rows of one filled cell, are passed over. Rows without any content are left out, rows
    shorter than the header are filled up; all are logged, rows by their lines.

    Returns
    -------
    pandas.DataFrame
        Indexed by the line of the file that a row begins in, the row of the sheet, or in Parquet by 1, 2, …
        What is blank is missing; "NA" and "None" may be an artist, a genre or a label.

    Raises
    ------
    AffettoError
        When the file is not such a table, or a row has more fields than the header has columns.
    """
    try:
        content = path.read_bytes()
        if path.suffix.lower() in _PARQUET or content.startswith(b"PAR1"):
            table = pd.read_parquet(io.BytesIO(content))
            return table.set_axis(pd.RangeIndex(1, len(table) + 1, name="line"))
        return _as_frame(_read_rows(path, content), path)
    except (OSError, ValueError, csv.Error) as error:
        reason = first_line(error)
        raise AffettoError(
            f"Cannot read the table {path}: {reason}; give a CSV, Excel or Parquet file."
        ) from error


def read_header(path: Path) -> list[str]:
    """Return the names of the columns of a table.

    Raises
    ------
    AffettoError
        When the file is not a table.
    """
    if path.suffix.lower() in _PARQUET:
        return list(map(str, read_table(path).columns))
    try:
        return next((cells for _, cells in _read_rows(path, path.read_bytes()) if any(cells)), [])
    except (OSError, ValueError, csv.Error) as error:
        raise AffettoError(f"Cannot read the table {path}: {first_line(error)}.") from error


def _read_rows(path: Path, content: bytes) -> list[_Row]:
    if content.startswith(_OLE_MARK) or path.suffix.lower() == ".xls":
        raise AffettoError(
            f"{path} is an old or a protected Excel workbook: save it as .xlsx without a password, or as CSV."
        )
    rows = _sheet_rows(path, content) if content.startswith(_ZIP_MARK) else _csv_rows(path, content)
    header = _header_below_titles(rows)
    titles = [_stripped(cells)[0].strip() for _, cells in rows[:header] if any(cells)]
    if titles:
        logger.warning("The table %s: passed over above its header: %s", path, name_some(titles))
    return rows[header:] if titles else rows


def _header_below_titles(rows: list[_Row]) -> int:
    """Return the number of the row that follows rows of one filled cell and reads as a header; else 0."""
    filled = ([cell.strip() for cell in cells if cell.strip()] for _, cells in rows)
    number, header = next(((i, cells) for i, cells in enumerate(filled) if len(cells) > 1), (0, []))
    # The first row of a table with one name too few has a file, a number or one value twice.
    is_header = len(set(header)) == len(header) and not any(
        PurePath(cell).suffix or cell.isdecimal() for cell in header
    )
    return number if is_header else 0


def _csv_rows(path: Path, content: bytes) -> list[_Row]:
    """Return the rows of a CSV, each with the line that it begins in; of an empty line there are no cells."""
    # UTF-16 and tabs are what Excel saves as "Unicode text".
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16") if is_utf_16 else _decoded(content)
    lines = [line for line in io.StringIO(text, newline=None) if line.strip()]
    said = _SAID_SEPARATOR.fullmatch(lines[0].strip("\r\n")) if lines else None
    separators = "\t,;|" if path.suffix.lower() == ".tsv" or is_utf_16 else ",;\t|"
    wide = (line for line in lines if any(_columns_of(line, each) > 1 for each in separators))
    header = next(wide, "")
    # Of equals the first.
    separator = said[1] if said else max(separators, key=lambda each: _columns_of(header, each))
    reader = csv.reader(io.StringIO(f"{text}\n{_END}", newline=""), delimiter=separator)
    rows, line = list[_Row](), 1
    for cells in reader:
        rows.append((line, cells))
        line = reader.line_num + 1
    line, last = rows.pop()
    if last != [_END]:
        raise ValueError(f"a quotation mark in line {line} is never closed")
    return rows[1:] if said else rows


def _columns_of(header: str, separator: str) -> int:
    return len(next(csv.reader([header], delimiter=separator), []))


def _sheet_rows(path: Path, content: bytes) -> list[_Row]:
    """Return the rows of the first filled sheet of a workbook, each with its number."""
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise AffettoError(
            f"{path} is an Excel workbook, which needs openpyxl, which is not installed: run "
            "`pip install affetto[excel]`, or save the table as CSV."
        ) from error
    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheets = {
            sheet.title: [list(map(_cell_text, row)) for row in sheet.iter_rows(values_only=True)]
            for sheet in book.worksheets
        }
    except (zipfile.BadZipFile, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no Excel workbook, or damaged ({first_line(error)})") from error
    filled = {title: rows for title, rows in sheets.items() if any(map(any, rows))}
    if len(filled) > 1:
        read, *others = filled
        logger.warning("%s: the sheet %s is read, and not %s", path, read, name_some(others))
    rows = next(iter(filled.values()), [])
    while rows and not any(rows[-1]):  # formatted, but never filled
        rows.pop()
    widths = [len(_stripped(row)) for row in rows]
    width = next((each for each in widths if each > 1), max(widths, default=0))
    # A sheet does not tell cells that were left empty at the end of a row from cells that are not there.
    return [
        (line, [*_stripped(row), *[""] * (width - len(_stripped(row)))]) for line, row in enumerate(rows, 1)
    ]


def _stripped(cells: list[str]) -> list[str]:
    """Return the cells of a row up to the last that is not blank."""
    filled = [number for number, cell in enumerate(cells, 1) if cell.strip()]
    return cells[: max(filled, default=0)]


def _cell_text(value: Any) -> str:
    """Write the value of a cell of a workbook as a CSV would."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value)


def _as_frame(rows: list[_Row], path: Path) -> pd.DataFrame:
    """Make a table of rows, the first of which is the header; no field gets into a column not its own."""
    rows = [(line, cells) for line, cells in rows if cells]
    if not rows:
        raise ValueError("it is empty")
    (_, header), *rows = rows
    width = len(header)
    empty = {line for line, cells in rows if not "".join(cells).strip()}
    rows = [row for row in rows if row[0] not in empty] if empty else rows
    short = [line for line, cells in rows if len(cells) < width]
    for line, cells in rows:
        if len(cells) > width and len(_stripped(cells)) > width:
            raise AffettoError(
                f"The table {path} has {width} columns in its header, but {len(cells)} fields in line {line} "
                f"(the last is {_stripped(cells)[-1]!r}): name every column, and put fields that hold the "
                "separator into quotation marks."
            )
    for lines, what in (
        (sorted(empty), "rows are empty and are left out"),
        (short, "rows are shorter than the header, and their last columns are taken as empty"),
    ):
        if lines:
            logger.warning("The table %s: %d %s: %s", path, len(lines), what, name_lines(lines))
    cells_of = [
        [None if not cell or cell.isspace() else cell for cell in cells[:width]]
        + [None] * (width - len(cells))
        for _, cells in rows
    ]
    index = pd.Index([line for line, _ in rows], name="line", dtype="int64")
    table = pd.DataFrame(cells_of, index=index, columns=_column_names(header), dtype="str")
    nameless = [not name.strip() for name in header]
    return table.loc[:, ~(np.array(nameless) & table.isna().all().to_numpy())]


def name_lines(lines: Sequence[int]) -> str:
    """Name the first lines of a table: `line 3`, or `lines 3, 5, 9`."""
    return f"line{'s' if len(lines) > 1 else ''} {name_some(list(map(str, lines)))}"


def _column_names(header: list[str]) -> list[str]:
    """Name columns as in the header, those without a name by their number, later ones of a name apart."""
    names: dict[str, None] = {}
    for number, cell in enumerate(header):
        name = first = cell if cell.strip() else f"Unnamed: {number}"
        count = 0
        while name in names:
            count += 1
            name = f"{first}.{count}"
        names[name] = None
    return list(names)


def to_numbers(column: pd.Series[Any], *, errors: Literal["raise", "coerce"] = "raise") -> pd.Series[Any]:
    """Read numbers written with a decimal point or a decimal comma, as float64.

    Raises
    ------
    ValueError, TypeError
        With `raise`, when a cell is no number; with `coerce` it is missing.
    """
    if not pd.api.types.is_numeric_dtype(column):
        column = column.astype("str").str.strip().str.replace(_DECIMAL_COMMA, r"\1.\2", regex=True)
    return pd.to_numeric(column, errors=errors).astype("float64")


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
    table = read_table(path).reset_index(drop=True).rename(columns=lambda name: str(name).strip())
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
    ratings = pd.DataFrame({name: to_numbers(text, errors="coerce") for name, text in texts.items()})
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
