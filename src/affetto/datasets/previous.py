"""What the run before left in another catalog entry."""

from __future__ import annotations

import logging
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from affetto.errors import AffettoError, DamagedFileError
from affetto.io.files import storage_fails

_LOGGER = logging.getLogger(__name__)


class PreviousDataset(AbstractDataset[None, "dict[str, Any] | None"]):
    """Loads other entries as the run before left them; None the first time, and where one cannot be read.

    A node that reads it and a node behind that writes the other entries make no circle, as they would with
    one entry.

    Parameters
    ----------
    datasets
        Name → the other entry's configuration: `type`, `filepath`, ….
    metadata
        Ignored here; read by Kedro-Viz.
    """

    def __init__(
        self, *, datasets: dict[str, dict[str, Any]], metadata: dict[str, Any] | None = None
    ) -> None:
        self._kept: dict[str, AbstractDataset[Any, Any]] = {
            name: AbstractDataset.from_config(f"previous {name}", entry) for name, entry in datasets.items()
        }
        self.metadata = metadata

    def load(self) -> dict[str, Any] | None:
        """Return what is there by name, or None, with a warning where it is damaged or of another version."""
        if not all(entry.exists() for entry in self._kept.values()):
            return None
        try:
            return {name: entry.load() for name, entry in self._kept.items()}
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
        return {"datasets": {name: str(entry) for name, entry in self._kept.items()}}
