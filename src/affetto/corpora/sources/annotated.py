"""What sources share whose annotations lie in files of their own: bringing them together with recordings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from affetto.audio.formats import AUDIO_EXTENSIONS
from affetto.corpora.sources.files import read_table, walk_files
from affetto.errors import AffettoError, first_line, name_some

logger = logging.getLogger(__name__)


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


def find_annotated(root: Path, is_annotation: Callable[[Path], bool]) -> tuple[list[Path], list[Path]]:
    """Walk a folder once and return its files of annotations and its recordings.

    Parameters
    ----------
    root
        Folder of the corpus, or one around it.
    is_annotation
        Tells the files of annotations.

    Returns
    -------
    annotations, recordings
        Each in the order of `walk_files`.
    """
    annotations, recordings = [], []
    for path in walk_files(root):
        if is_annotation(path):
            annotations.append(path)
        elif path.suffix.lower() in AUDIO_EXTENSIONS:
            recordings.append(path)
    return annotations, recordings


def by_stem(recordings: list[Path]) -> dict[str, Path]:
    """Return stem → recording; where a stem occurs twice, the first."""
    return {path.stem: path for path in reversed(recordings)}


def read_columns(path: Path, columns: tuple[str, ...], what: str) -> pd.DataFrame:
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
