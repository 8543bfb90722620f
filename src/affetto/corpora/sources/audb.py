"""Any database of audformat: one that lies below the root, or one that audb fetches there first.

Nothing that lies in a database is executed.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.source import Source
from affetto.corpora.sources.table import below_root, split_names, with_stems
from affetto.corpora.sources.tables import keep_recorded, reader_package, told_in_a_sentence
from affetto.errors import AffettoError

HEADER = "db.yaml"
# Names of columns, or of their schemes, looked for where the parameter is null.
EMOTIONS = ("emotion", "emotion.categories", "emotion.category", "mood", "quadrant")
GROUPS = ("speaker", "speaker_id", "artist", "singer")
SPLITS = ("split",)


def index_audb(root: Path, corpus: CorpusParameters, side: str) -> pd.DataFrame:
    """List the files or segments of the tables that hold the emotion."""
    database = _open_database(root, corpus, side)
    with told_in_a_sentence(
        f"The database {database.name} in {root} cannot be read", "mend or fetch it again"
    ):
        tables = _emotion_tables(database, corpus, side)
        parts = [_rows(database, table, column, corpus, side) for table, column in tables.items()]
    rows = pd.concat(parts, ignore_index=True).drop_duplicates(["file", "start_s", "end_s"])
    rows["path"] = [below_root(file, root, root / HEADER) for file in rows["file"]]
    rows = with_stems(rows)
    there = {path: (root / path).is_file() for path in rows["path"].unique()}
    rows["path"] = rows["path"].where(rows["path"].map(there))
    return keep_recorded(
        rows, root, what=f"the database {database.name}", remedy="fetch its media files there, too"
    )


def _emotion_tables(database: Any, corpus: CorpusParameters, side: str) -> dict[str, str]:
    """Return the chosen tables and their columns of the emotion."""
    chosen = [name for name in database.tables if fnmatchcase(name, corpus.table or "*")]
    names = EMOTIONS if corpus.emotion_column is None else (corpus.emotion_column,)
    columns = {name: _find_column(database.tables[name], names) for name in chosen}
    found = {name: column for name, column in columns.items() if column is not None}
    if corpus.table is None and (named := [name for name in names if name in found]):
        found = {named[0]: found[named[0]]}  # beside it may lie its parts: emotion, emotion.test and so on
    if corpus.table is None and len(found) != 1:
        listed = ", ".join(found or database.tables) or "none"
        raise AffettoError(
            f"{len(found)} tables of the database {database.name} have a column {' or '.join(names)}: set "
            f"{side}.corpus.table (`*` stands for any letters) and {side}.corpus.emotion_column; "
            f"{'there are' if not found else 'those are'} {listed}."
        )
    if not found:
        raise AffettoError(
            f"{side}.corpus.table is {corpus.table!r}, but no such table of the database {database.name} has "
            f"a column {' or '.join(names)}: its tables are {', '.join(database.tables)}."
        )
    return found


def _find_column(table: Any, names: tuple[str, ...]) -> str | None:
    """Return the first column of one of these names, or whose scheme has one."""
    for name in names:
        for column_id, column in table.columns.items():
            if name in {column_id, column.scheme_id}:
                return str(column_id)
    return None


def _rows(database: Any, name: str, column: str, corpus: CorpusParameters, side: str) -> pd.DataFrame:
    table = _read_table(database, name)
    index = table.index
    rows = pd.DataFrame({"file": index.get_level_values("file").astype("str")})
    rows["start_s"], rows["end_s"] = _seconds(index, "start"), _seconds(index, "end")
    rows.loc[rows["end_s"].isna() & (rows["start_s"] == 0), "start_s"] = None
    rows["label"] = table.df[column].astype("object").to_numpy()
    rows["group"] = _aligned(database, name, corpus.group_column, GROUPS, f"{side}.corpus.group_column")
    splits = _aligned(database, name, corpus.split_column, SPLITS, f"{side}.corpus.split_column")
    rows["official_split"] = split_names(_table_splits(database, name).fillna(splits))
    return rows


def _table_splits(database: Any, name: str) -> pd.Series[Any]:
    """Return the split of each row of a table: the table's, else that of a table that has the row, too."""
    table = _read_table(database, name)
    splits = pd.Series([None] * len(table.index), dtype="object")
    for other_name in (*database.tables, name):
        other = database.tables[other_name]
        if other.split_id is not None and other.type == table.type:
            index = _read_table(database, other_name).index
            splits = splits.mask(table.index.isin(index), database.splits[other.split_id].type)
    return splits


def _seconds(index: pd.Index[Any], level: str) -> Any:
    if level not in index.names:
        return None
    return pd.TimedeltaIndex(index.get_level_values(level)).total_seconds()


def _aligned(
    database: Any, name: str, column: str | None, defaults: tuple[str, ...], parameter: str
) -> pd.Series[Any]:
    """Return a value a row: from the table's own column, else from a table of files or of the same parts."""
    names = defaults if column is None else (column,)
    index = _read_table(database, name).index
    for other in (name, *database.tables):
        table = database.tables[other]
        found = _find_column(table, names)
        if found is None or table.type not in {"filewise", database.tables[name].type}:
            continue
        table = _read_table(database, other)
        wanted = index.get_level_values("file") if table.type == "filewise" else index
        values = table.df[found][~table.index.duplicated()].reindex(wanted)
        if values.notna().any():
            return pd.Series(values.astype("object").to_numpy())
    if column is not None:
        raise AffettoError(
            f"{parameter} is {column!r}, but the database {database.name} has no such column for the clips "
            f"of its table {name}."
        )
    return pd.Series([None] * len(index), dtype="object")


def _open_database(root: Path, corpus: CorpusParameters, side: str) -> Any:
    """Read the header of the database below a folder; fetch it first where the folder holds none.

    audb writes the header last: a fetch that was interrupted goes on where it stopped.

    Raises
    ------
    AffettoError
        When there is no database and none is named, it cannot be fetched or read, it is not on this machine,
        or reading it would execute what is in it.
    """
    audformat = reader_package("audformat", root, corpus, side)
    if not (root / HEADER).is_file():
        _fetch(root, corpus, side)
    _check_harmless(root)
    with told_in_a_sentence(
        f"{root / HEADER} is not the header of an audformat database", "mend or fetch it"
    ):
        database = audformat.Database.load(str(root))
    if corpus.database not in {None, database.name}:
        raise AffettoError(
            f"{root} holds the database {database.name}, but {side}.corpus.database is {corpus.database}: "
            f"set {side}.corpus.root to another folder."
        )
    return database


def _read_table(database: Any, name: str) -> Any:
    """Return a table of a database whose rows are read.

    Raises
    ------
    AffettoError
        When its file is missing or no such table.
    """
    table = database.tables[name]
    with told_in_a_sentence(
        f"The table {name} of the database {database.name} cannot be read",
        f"put its file db.{name}.csv or .parquet beside {HEADER} as the database has it",
    ):
        table.df  # noqa: B018 - read when first asked for
    return table


def _fetch(root: Path, corpus: CorpusParameters, side: str) -> None:
    if corpus.database is None:
        raise AffettoError(
            f"{side}.corpus.root is {str(root)!r} ({root.resolve()}), which holds no audformat database "
            f"({HEADER}): set it to the folder of one, or set {side}.corpus.database to let audb fetch it."
        )
    version = "" if corpus.version is None else f" {corpus.version}"
    with told_in_a_sentence(
        f"audb cannot fetch {corpus.database}{version} to {root}",
        f"see {side}.corpus.database and {side}.corpus.version",
    ):
        import audb

        audb.load_to(
            str(root),
            corpus.database,
            version=corpus.version,
            pickle_tables=False,
            num_workers=4,
            verbose=False,
        )


def _check_harmless(root: Path) -> None:
    """Refuse what audformat would execute: objects in the header, and pickled tables."""
    try:
        yaml.safe_load((root / HEADER).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise AffettoError(f"Cannot read the header {root / HEADER}: {reason}.") from error
    pickled = sorted(path.name for path in root.glob("db.*.pkl"))
    if pickled:
        raise AffettoError(
            f"{root} holds pickled tables ({pickled[0]}), which could execute anything when read: delete "
            "them and keep those in CSV or Parquet (audb.load_to with pickle_tables=False writes none)."
        )


SOURCE = Source(
    name="audb",
    title="Any database of audformat, fetched by audb where it is not there",
    sides=("music", "voice"),
    licence="that of the database",
    labels="generic",
    group_rule="the column corpus.group_column, else speaker or artist of any table; without it each clip is "
    "its own",
    index=index_audb,
    options=("database", "version", "table", "emotion_column", "group_column", "split_column"),
    layout="db.yaml, db.<table>.csv or .parquet and the media files of an audformat database; where there "
    "are none, audb fetches corpus.database there (pip install 'affetto[audb]')",
    official_split="the splits of the tables, else the column corpus.split_column",
    is_made=lambda root, _side: (root / HEADER).is_file(),
)
