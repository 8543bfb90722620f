"""Opening a database of audformat without executing anything that lies in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.annotated import told_in_a_sentence
from affetto.errors import AffettoError
from affetto.storage import is_remote

HEADER = "db.yaml"


def open_database(root: Path, corpus: CorpusParameters, side: str) -> Any:
    """Read the database below a folder; fetch it first where the folder holds none.

    audb writes the header last: a fetch that was interrupted goes on where it stopped.

    Parameters
    ----------
    root
        Folder of the database.
    corpus
        `database` and `version` say what to fetch.
    side
        For messages.

    Returns
    -------
    audformat.Database
        Header; tables are read when they are asked for.

    Raises
    ------
    AffettoError
        When there is no database and none is named, it cannot be fetched or read, it is not on this machine,
        or reading it would execute what is in it.
    """
    if is_remote(root):
        raise AffettoError(f"{side}.corpus.root is {root}, but audformat reads folders of this machine only.")
    try:
        import audformat
    except ImportError as error:
        raise AffettoError(
            f"{side}.corpus.source is audb, which needs a package: pip install 'affetto[audb]'."
        ) from error
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


def read_table(database: Any, name: str) -> Any:
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
