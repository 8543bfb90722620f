"""What entries of the catalog have in common: a place, notes for Kedro-Viz, and how they are described."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar

from kedro.io import AbstractDataset

from affetto.io.paths import as_path, local_path

In = TypeVar("In")
Out = TypeVar("Out")


class PlacedDataset(AbstractDataset[In, Out], Generic[In, Out]):
    """An entry that lies in one file or folder.

    Parameters
    ----------
    filepath
        The file or folder; its address, where `what` is None.
    metadata
        Ignored here; read by Kedro-Viz.
    """

    what: ClassVar[str | None] = None
    """What only a folder of this machine can hold, for messages; None: it may lie elsewhere."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        here = self.what is not None
        self._filepath = local_path(filepath, what=str(self.what)) if here else as_path(filepath)
        self.metadata = metadata

    def _exists(self) -> bool:
        return bool(self._filepath.is_file())

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
