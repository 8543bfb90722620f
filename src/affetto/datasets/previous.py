"""What the run before left in another catalog entry."""

from __future__ import annotations

import logging
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from affetto.errors import AffettoError, DamagedFileError
from affetto.whole_files import storage_fails

_LOGGER = logging.getLogger(__name__)


class PreviousDataset(AbstractDataset[None, Any]):
    """Loads another entry as the run before left it; None the first time, and where it cannot be read.

    A node that reads it and a node behind that writes the other entry make no circle, as they would with one
    entry.

    Parameters
    ----------
    dataset
        The other entry's configuration: `type`, `filepath`, ….
    metadata
        Ignored here; read by Kedro-Viz.
    """

    def __init__(self, *, dataset: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
        self._kept: AbstractDataset[Any, Any] = AbstractDataset.from_config("previous", dataset)
        self.metadata = metadata

    def load(self) -> Any:
        """Return what is there, or None, with a warning where it is damaged or of another version."""
        if not self._kept.exists():
            return None
        try:
            return self._kept.load()
        except DatasetError as error:  # an interrupted run must not stop all that follow
            cause = error.__cause__
            damaged = isinstance(cause, DamagedFileError) or not isinstance(cause, AffettoError | ImportError)
            if storage_fails(cause) or not damaged:
                raise
            _LOGGER.warning(
                "What the run before left cannot be read and is passed over, themes are numbered anew: %s",
                error,
            )
            return None

    def save(self, data: None) -> None:
        """Refuse: the entry itself is saved."""
        raise DatasetError("What the run before left is only read.")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"dataset": str(self._kept)}
