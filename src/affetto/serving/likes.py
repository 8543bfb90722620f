"""Thumbs up and down, kept on disk: what was acknowledged survives even a server that is killed."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from threading import Lock

from affetto.errors import AffettoError

_TABLE = "CREATE TABLE IF NOT EXISTS likes (clip_id TEXT PRIMARY KEY, likes INTEGER NOT NULL) WITHOUT ROWID"


class Likes:
    """The thumbs in a file of SQLite; any thread may use it.

    A change is on the disk when its call returns: the journal is a write-ahead log, synchronised with every
    change.

    Parameters
    ----------
    path
        The file; it is made where there is none, with the folders above it, readable by its owner only.

    Raises
    ------
    AffettoError
        When it is no such file, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = FULL")
            self._file.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            raise AffettoError(
                f"{path} holds no likes ({error}): move it away, or mend its rights."
            ) from error

    def all(self) -> dict[str, bool]:
        """Return clip id → thumb up or down."""
        with self._lock:
            rows = self._file.execute("SELECT clip_id, likes FROM likes").fetchall()
        return {clip_id: bool(like) for clip_id, like in rows}

    def put(self, clip_id: str, *, like: bool) -> None:
        """Keep a thumb; it takes the place of an earlier one."""
        with self._lock:
            self._file.execute("INSERT OR REPLACE INTO likes VALUES (?, ?)", (clip_id, like))

    def forget(self, clip_id: str | None = None) -> int:
        """Forget the thumb of a track, or all; return how many there were.

        Nothing of them stays in the file.
        """
        with self._lock:
            where = "" if clip_id is None else " WHERE clip_id = ?"
            found = self._file.execute(f"DELETE FROM likes{where}", () if clip_id is None else (clip_id,))  # noqa: S608
            self._file.execute("VACUUM")
            self._file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return found.rowcount

    def close(self) -> None:
        """Close the file."""
        self._file.close()
