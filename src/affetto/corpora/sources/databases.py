"""Databases that other libraries read: any of audformat (audb), and any loader of mirdata."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.own import split_names, with_stems
from affetto.corpora.sources.source import Source
from affetto.corpora.sources.table_paths import below_root
from affetto.corpora.sources.tables import keep_recorded
from affetto.errors import AffettoError, first_line
from affetto.io.paths import absolute, is_remote


def _reader_package(name: str, root: Path, corpus: CorpusParameters, side: str) -> Any:
    """Import the package that reads a corpus of this machine."""
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
def _told_in_a_sentence(what: str, remedy: str) -> Iterator[None]:
    """Say in one sentence, from what cannot be done to the remedy, whatever a library of others raises."""
    try:
        yield
    except AffettoError:
        raise
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {first_line(error)}".rstrip(".")
        raise AffettoError(f"{what} ({reason}): {remedy}.") from error


_HEADER = "db.yaml"
# Names of columns, or of their schemes, looked for where the parameter is null.
_EMOTIONS = ("emotion", "emotion.categories", "emotion.category", "mood", "quadrant")
_GROUPS = ("speaker", "speaker_id", "artist", "singer")
_SPLITS = ("split",)


def index_audb(root: Path, corpus: CorpusParameters, side: str) -> pd.DataFrame:
    """List the files or segments of the tables that hold the emotion; nothing in a database is executed."""
    database = _open_database(root, corpus, side)
    with _told_in_a_sentence(
        f"The database {database.name} in {root} cannot be read", "mend or fetch it again"
    ):
        tables = _emotion_tables(database, corpus, side)
        parts = [_table_rows(database, table, column, corpus, side) for table, column in tables.items()]
    rows = pd.concat(parts, ignore_index=True).drop_duplicates(["path", "start_s", "end_s"])
    rows = with_stems(rows.assign(path=[below_root(file, root, root / _HEADER) for file in rows["path"]]))
    there = {path: (root / path).is_file() for path in rows["path"].unique()}
    rows["path"] = rows["path"].where(rows["path"].map(there))
    return keep_recorded(
        rows, root, what=f"the database {database.name}", remedy="fetch its media files there, too"
    )


def _open_database(root: Path, corpus: CorpusParameters, side: str) -> Any:
    """Read the header of the database below a folder; fetch it first where the folder holds none.

    audb writes the header last: a fetch that was interrupted goes on where it stopped.
    """
    audformat = _reader_package("audformat", root, corpus, side)
    header = root / _HEADER
    if not header.is_file():
        _fetch(root, corpus, side)
    with _told_in_a_sentence(f"{header} is not the header of an audformat database", "mend or fetch it"):
        yaml.safe_load(header.read_text(encoding="utf-8"))  # refuses objects, unlike audformat
        pickled = sorted(path.name for path in root.glob("db.*.pkl"))
        if pickled:
            raise AffettoError(
                f"{root} holds pickled tables ({pickled[0]}), which could execute anything when read: delete "
                "them and keep those in CSV or Parquet (audb.load_to with pickle_tables=False writes none)."
            )
        database = audformat.Database.load(str(root))
    if corpus.database not in {None, database.name}:
        raise AffettoError(
            f"{root} holds the database {database.name}, but {side}.corpus.database is {corpus.database}: "
            f"set {side}.corpus.root to another folder."
        )
    return database


def _fetch(root: Path, corpus: CorpusParameters, side: str) -> None:
    if corpus.database is None:
        raise AffettoError(
            f"{side}.corpus.root is {str(root)!r} ({root.resolve()}), which holds no audformat database "
            f"({_HEADER}): set it to the folder of one, or set {side}.corpus.database to let audb fetch it."
        )
    with _told_in_a_sentence(
        f"audb cannot fetch {corpus.database} {corpus.version or ''} to {root}",
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


def _read_table(database: Any, name: str) -> Any:
    """Return a table of a database whose rows are read."""
    table = database.tables[name]
    with _told_in_a_sentence(
        f"The table {name} of the database {database.name} cannot be read",
        f"put its file db.{name}.csv or .parquet beside {_HEADER} as the database has it",
    ):
        table.df  # noqa: B018 - read when first asked for
    return table


def _emotion_tables(database: Any, corpus: CorpusParameters, side: str) -> dict[str, str]:
    """Return the chosen tables and their columns of the emotion."""
    names = _EMOTIONS if corpus.emotion_column is None else (corpus.emotion_column,)
    chosen = [name for name in database.tables if fnmatchcase(name, corpus.table or "*")]
    columns = {name: _find_column(database.tables[name], names) for name in chosen}
    found = {name: column for name, column in columns.items() if column is not None}
    if corpus.table is None and (named := [name for name in names if name in found]):
        found = {named[0]: found[named[0]]}  # beside it may lie its parts: emotion, emotion.test and so on
    if not found or (corpus.table is None and len(found) > 1):
        raise AffettoError(
            f"{len(found)} tables of the database {database.name} have a column {' or '.join(names)}: set "
            f"{side}.corpus.table (`*` stands for any letters) and {side}.corpus.emotion_column; "
            f"{'those' if found else 'there'} are {', '.join(found or database.tables) or 'none'}."
        )
    return found


def _find_column(table: Any, names: tuple[str, ...]) -> str | None:
    """Return the first column of one of these names, or whose scheme has one."""
    for name in names:
        for column_id, column in table.columns.items():
            if name in {column_id, column.scheme_id}:
                return str(column_id)
    return None


def _table_rows(database: Any, name: str, column: str, corpus: CorpusParameters, side: str) -> pd.DataFrame:
    table = _read_table(database, name)
    index = table.index
    rows = pd.DataFrame({"path": index.get_level_values("file").astype("str")})
    for bound in ("start", "end"):
        rows[f"{bound}_s"] = None
        if bound in index.names:
            rows[f"{bound}_s"] = pd.TimedeltaIndex(index.get_level_values(bound)).total_seconds()
    rows.loc[rows["end_s"].isna() & (rows["start_s"] == 0), "start_s"] = None
    rows["label"] = table.df[column].astype("object").to_numpy()
    rows["group"] = _aligned(database, name, corpus.group_column, _GROUPS, f"{side}.corpus.group_column")
    splits = _aligned(database, name, corpus.split_column, _SPLITS, f"{side}.corpus.split_column")
    # A row is of the split of its table, else of that of another table that has the row, too.
    parts = pd.Series([None] * len(index), dtype="object")
    for other_name in (*database.tables, name):
        other = database.tables[other_name]
        if other.split_id is not None and other.type == table.type:
            same = index.isin(_read_table(database, other_name).index)
            parts = parts.mask(same, database.splits[other.split_id].type)
    rows["official_split"] = split_names(parts.fillna(splits))
    return rows


def _aligned(
    database: Any, name: str, column: str | None, defaults: tuple[str, ...], parameter: str
) -> pd.Series[Any]:
    """Return a value a row: from the table's own column, else from a table of files or of the same parts."""
    own = database.tables[name]
    for other in (name, *database.tables):
        table = database.tables[other]
        found = _find_column(table, defaults if column is None else (column,))
        if found is None or table.type not in {"filewise", own.type}:
            continue
        table = _read_table(database, other)
        wanted = own.index.get_level_values("file") if table.type == "filewise" else own.index
        values = table.df[found][~table.index.duplicated()].reindex(wanted)
        if values.notna().any():
            return pd.Series(values.astype("object").to_numpy())
    if column is not None:
        raise AffettoError(
            f"{parameter} is {column!r}, but the database {database.name} has no such column for the clips "
            f"of its table {name}."
        )
    return pd.Series([None] * len(own.index), dtype="object")


AUDB = Source(
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
    is_made=lambda root, _side: (root / _HEADER).is_file(),
)

# Parameter → attributes of mirdata's tracks, in the order in which they are looked for where it is null.
_ATTRIBUTES = {
    "emotion_column": ("emotion", "quadrant", "mood"),
    "group_column": ("artist", "artist_id", "artists", "performer", "player_id"),
    "tags_column": ("tags", "genre", "genres", "style"),
    "title_column": ("title", "name"),
}


def index_mirdata(root: Path, corpus: CorpusParameters, side: str) -> pd.DataFrame:
    """List the tracks of a loader, as its attributes tell emotion, artist and tags; the artist is the group.

    mirdata keeps its indexes inside its installed package; one that lies in the corpus's root goes before it.
    """
    root = absolute(root)  # which mirdata would make of it on its own, for paths that are compared with it
    dataset = _open_dataset(root, corpus, side)
    with _told_in_a_sentence(
        f"mirdata's loader {corpus.database} cannot read {root}",
        f"fetch its index and tables by `mirdata.initialize({corpus.database!r}, data_home={str(root)!r})"
        f".download()`, or put the index {Path(dataset.index_path).name} there",
    ):
        tracks = dataset.load_tracks()
        rows = pd.DataFrame(_track_row(stem, track, root, corpus) for stem, track in tracks.items())
        splits = _official_splits(dataset)
        first = next(iter(tracks.values()))
        for parameter in _ATTRIBUTES:
            name = getattr(corpus, parameter)
            if name is not None and not hasattr(first, name):
                known = ", ".join(attribute for attribute in dir(first) if not attribute.startswith("_"))
                raise AffettoError(
                    f"{side}.corpus.{parameter} is {name!r}, which tracks of mirdata's {corpus.database} do "
                    f"not have: use one of {known}."
                )
    rows["official_split"] = split_names(rows["stem"].map(splits))
    told = " ".join((dataset._download_info or "").split())[:300].rstrip(".")
    remedy = told or f"fetch them by `mirdata.initialize({dataset.name!r}).download()`"
    return keep_recorded(rows, root, what=f"mirdata's {corpus.database}", remedy=remedy)


def _open_dataset(root: Path, corpus: CorpusParameters, side: str) -> Any:
    mirdata = _reader_package("mirdata", root, corpus, side)
    if corpus.database not in mirdata.list_datasets():
        raise AffettoError(
            f"{side}.corpus.database is {corpus.database!r}, which is no loader of mirdata: use one of "
            f"{', '.join(mirdata.list_datasets())}."
        )
    version = corpus.version or "default"
    with _told_in_a_sentence(
        f"mirdata cannot open its loader {corpus.database} in the version {version}",
        f"choose another by {side}.corpus.version, or install what the loader asks for",
    ):
        dataset = mirdata.initialize(corpus.database, data_home=str(root), version=version)
    index = root / Path(dataset.index_path).name
    if index.is_file():
        dataset.index_path = str(index)
    return dataset


def _track_row(stem: str, track: Any, root: Path, corpus: CorpusParameters) -> dict[str, Any]:
    def values_of(*attributes: str) -> list[Any]:
        """Return what attributes say, without those that say nothing."""
        values = (getattr(track, attribute, None) for attribute in attributes)
        return [value for value in values if _words(value)]

    def first_of(parameter: str) -> Any:
        name = getattr(corpus, parameter)
        return next(iter(values_of(*((name,) if name else _ATTRIBUTES[parameter]))), None)

    path = next(iter(values_of("audio_path", "midi_path")), None)
    tags = values_of(*((corpus.tags_column,) if corpus.tags_column else _ATTRIBUTES["tags_column"]))
    return {
        "stem": stem,
        "path": below_root(path, root, root) if path is not None and Path(path).is_file() else None,
        "label": first_of("emotion_column"),
        "group": next(iter(_words(first_of("group_column"))), None),
        "tags": [tag for value in tags for tag in _words(value)],
        "title": first_of("title_column"),
    }


def _words(value: Any) -> list[str]:
    words = value if isinstance(value, list | tuple) else [value]
    return [str(word) for word in words if word is not None and str(word).strip()]


def _official_splits(dataset: Any) -> dict[str, str]:
    """Return track → split, where the loader publishes one of the usual names."""
    try:
        splits = dataset.get_track_splits()
    except NotImplementedError:
        return {}
    names = split_names(pd.Series(list(splits), dtype="str"))
    return {
        track: name
        for name, tracks in zip(names, splits.values(), strict=True)
        if name in ("train", "validation", "test")
        for track in tracks
    }


MIRDATA = Source(
    name="mirdata",
    title="Any loader of mirdata",
    sides=("music",),
    licence="that of the data set",
    labels="generic",
    group_rule="the attribute corpus.group_column, else the artist or performer; without it each clip is its "
    "own",
    index=index_mirdata,
    options=("database", "version", *_ATTRIBUTES),
    layout="what the loader corpus.database expects (pip install 'affetto[mirdata]'); its index, too, where "
    "mirdata has not fetched it",
    official_split="the loader's, where it has one of train, validation and test",
)
