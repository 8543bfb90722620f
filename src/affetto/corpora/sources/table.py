"""Your own recordings, described by a CSV or Parquet file: a row a clip, which may be a part of a file."""

from __future__ import annotations

import posixpath
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import read_table, walk_files
from affetto.corpora.sources.source import Source
from affetto.errors import AffettoError, name_some

TABLE_EXTENSIONS = frozenset({".csv", ".tsv", ".parquet", ".pq"})
# Column of the rows → parameter that names its column, and the name looked for where the parameter is null.
OPTIONAL_COLUMNS = {
    "label": ("emotion_column", "emotion"),
    "group": ("group_column", "group"),
    "second_group": ("second_group_column", "second_group"),
    "theme": ("theme_column", "theme"),
    "tags": ("tags_column", "tags"),
    "title": ("title_column", "title"),
    "official_split": ("split_column", "split"),
    "start_s": ("start_column", "start_s"),
    "end_s": ("end_column", "end_s"),
}
SPLIT_NAMES = {
    "training": "train",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "development": "validation",
    "testing": "test",
}


def index_table(root: Path, corpus: CorpusParameters, side: str) -> pd.DataFrame:
    """Read the table and list its rows."""
    path = _table_path(root, corpus, side)
    table = read_table(path)
    rows = pd.DataFrame({"path": _column(table, corpus.path_column, path, f"{side}.corpus.path_column")})
    if rows.empty:
        raise AffettoError(f"The table {path} has no rows: describe a clip in each.")
    for name, (parameter, default) in OPTIONAL_COLUMNS.items():
        column = getattr(corpus, parameter)
        if column is not None or default in _names(table):
            rows[name] = _column(table, column or default, path, f"{side}.corpus.{parameter}")
    rows["path"] = [below_root(file, root, path) for file in rows["path"]]
    return with_stems(_typed(rows, path))


def _table_path(root: Path, corpus: CorpusParameters, side: str) -> Path:
    if corpus.table is not None:
        path = root / corpus.table
        if not path.is_file():
            raise AffettoError(f"{side}.corpus.table names {corpus.table!r}, but there is no file {path}.")
        return path
    found = [path for path in walk_files(root) if path.suffix.lower() in TABLE_EXTENSIONS]
    if len(found) != 1:
        names = name_some([path.name for path in found]) or "none"
        raise AffettoError(
            f"{root} must hold one table that describes the clips, but holds {len(found)} ({names}): "
            f"set {side}.corpus.table."
        )
    return found[0]


def _column(table: pd.DataFrame, column: str, path: Path, parameter: str) -> pd.Series[Any]:
    named = column if column in table else _names(table).get(column.strip().lower())
    if named is None:
        raise AffettoError(
            f"The table {path} has no column {column!r} (it has {', '.join(map(str, table.columns))}): "
            + ("separate its columns by commas." if _one_piece(table) else f"set {parameter}.")
        )
    return table[named]


def _names(table: pd.DataFrame) -> dict[str, str]:
    """Return the columns by their names in small letters without blanks around them."""
    return {str(column).strip().lower(): column for column in reversed(table.columns)}


def _one_piece(table: pd.DataFrame) -> bool:
    """Tell whether the header was read as one column: of a table separated by something else."""
    return len(table.columns) == 1 and any(mark in str(table.columns[0]) for mark in ";\t|")


def below_root(file: Any, root: Path, table: Path) -> str:
    """Make a path of a table relative to the root, in one spelling; backslashes are those of Windows.

    Raises
    ------
    AffettoError
        When the path is missing, or leads elsewhere.
    """
    if pd.isna(file):
        raise AffettoError(f"The table {table} has a row without a path: give it one, or delete it.")
    path = Path(posixpath.normpath(str(file).replace("\\", "/")))
    if not path.is_absolute() and path.parts[:1] != ("..",):
        return path.as_posix()
    for base in (root, root.resolve()):
        if path.is_relative_to(base):
            return path.relative_to(base).as_posix()
    raise AffettoError(
        f"The table {table} names {path}, which is not below {root}: set the corpus's root around it."
    )


def _typed(rows: pd.DataFrame, table: Path) -> pd.DataFrame:
    for name in {"start_s", "end_s"} & set(rows):
        try:
            rows[name] = pd.to_numeric(rows[name])
        except (TypeError, ValueError) as error:
            raise AffettoError(
                f"The table {table} has as {name} what is no number of seconds, written as 1.5 ({error})."
            ) from error
    for name in {"group", "second_group"} & set(rows):
        groups = rows[name].astype("str").str.strip()
        rows[name] = groups.where(groups != "")
    if "tags" in rows:
        rows["tags"] = [_tags(tags) for tags in rows["tags"]]
    if "official_split" in rows:
        rows["official_split"] = split_names(rows["official_split"])
    return rows


def split_names(splits: pd.Series[Any]) -> pd.Series[Any]:
    """Write the names of splits as the clip table does; names it does not know stay as they are."""
    lower = splits.astype("str").str.strip().str.lower()
    return lower.map(lambda name: SPLIT_NAMES.get(name, name), na_action="ignore")


def _tags(tags: Any) -> list[str]:
    if not isinstance(tags, str):  # a list of a Parquet file, or missing
        return [] if pd.api.types.is_scalar(tags) else [str(tag) for tag in tags]
    return [tag.strip() for tag in tags.split(";") if tag.strip()]


def with_stems(rows: pd.DataFrame) -> pd.DataFrame:
    """Name the clips of a table by path and part.

    Parameters
    ----------
    rows
        With `path` and, where clips may be parts of files, `start_s, end_s`.

    Returns
    -------
    pandas.DataFrame
        The same with `stem`: `folder/file`, or `folder/file@0-1.5` for a part.
    """
    stems = [PurePosixPath(path).with_suffix("").as_posix() for path in rows["path"]]
    for bound in {"start_s", "end_s"} & set(rows):
        rows[bound] = rows[bound].astype("float64")
    parts = rows.reindex(columns=["start_s", "end_s"])
    rows["stem"] = [
        stem if pd.isna(start) and pd.isna(end) else f"{stem}@{_seconds(start, '0')}-{_seconds(end, 'end')}"
        for stem, start, end in zip(stems, parts["start_s"], parts["end_s"], strict=True)
    ]
    return rows


def _seconds(value: float, missing: str) -> str:
    return missing if pd.isna(value) else f"{value:.10g}"


SOURCE = Source(
    name="table",
    title="A table of clips",
    sides=("music", "voice"),
    licence="yours",
    labels="generic",
    group_rule="the column corpus.group_column; without it each clip is its own",
    second_group_rule="the column corpus.second_group_column",
    index=index_table,
    options=("table", "path_column", *(parameter for parameter, _ in OPTIONAL_COLUMNS.values())),
    layout="one CSV, TSV or Parquet file with a row a clip, beside the recordings",
    official_split="the column corpus.split_column",
)
