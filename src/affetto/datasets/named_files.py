"""A folder of files with a name each: what is saved replaces what was, and files of others are left alone."""

from __future__ import annotations

import abc
import json
from collections.abc import Mapping
from operator import methodcaller
from typing import Any, ClassVar, Generic, TypeVar

from kedro.io import AbstractDataset

from affetto.io.files import write_whole
from affetto.io.paths import local_path

T = TypeVar("T")


class NamedFilesDataset(AbstractDataset[Mapping[str, T], dict[str, T]], Generic[T]):
    """A folder with one file or more for every named value.

    Every file is written under a temporary name and renamed. A list of what was saved lies beside them, so
    that files of an earlier save go when their names are no longer among those saved, and files of others are
    left alone.

    Parameters
    ----------
    filepath
        The folder; several datasets may share it.
    metadata
        Ignored here; read by Kedro-Viz.
    """

    what: ClassVar[str]
    """What is saved, for messages; the list of names is called after it."""
    suffixes: ClassVar[tuple[str, ...]]
    """Suffixes of the files of a name."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._folder = local_path(filepath, what=self.what)
        self.metadata = metadata

    def load(self) -> dict[str, T]:
        """Return the values of the last save by name."""
        return {name: self._read(name) for name in self._saved()}

    def save(self, data: Mapping[str, T]) -> None:
        """Write the values and remove those of the save before that are no longer among them."""
        contents = {
            file: content
            for name, value in data.items()
            for file, content in self._encode(name, value).items()
        }
        stale = {f"{name}{suffix}" for name in self._saved() for suffix in self.suffixes} - set(contents)
        contents[self._manifest] = json.dumps(list(data), ensure_ascii=False).encode()
        for file, content in contents.items():
            write_whole(self._folder / file, methodcaller("write", content))
        for file in stale:
            (self._folder / file).unlink(missing_ok=True)

    @abc.abstractmethod
    def _encode(self, name: str, value: T) -> dict[str, bytes]:
        """Return the files of a value by their names."""

    @abc.abstractmethod
    def _read(self, name: str) -> T:
        """Read the value of a name."""

    @property
    def _manifest(self) -> str:
        return f".{self.what}"

    def _saved(self) -> list[str]:
        manifest = self._folder / self._manifest
        names: list[str] = json.loads(manifest.read_text("utf-8")) if manifest.is_file() else []
        return names

    def _exists(self) -> bool:
        return (self._folder / self._manifest).is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}
