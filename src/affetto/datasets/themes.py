"""What the theme pipeline leaves: codebook, word counts, topics and their page."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset, DatasetError
from kedro.utils import load_obj
from kedro_datasets.text import TextDataset

from affetto.datasets.placed import PlacedDataset
from affetto.errors import DamagedFileError
from affetto.io.arrays import read_arrays, write_arrays
from affetto.io.files import reading, storage_fails, write_whole

if TYPE_CHECKING:
    from kedro_datasets._typing import HTMLPreview

_LOGGER = logging.getLogger(__name__)
_REST = "signature"


class StateDataset(PlacedDataset[Any, Any]):
    """An object as one npz file: the arrays of its `state` and, as JSON text, all else. Nothing is pickled.

    Parameters
    ----------
    filepath, metadata
        As for `PlacedDataset`.
    kind
        Full name of the class, which has `state` and `from_state`.
    """

    def __init__(self, *, filepath: str, kind: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._kind = kind

    def load(self) -> Any:
        """Restore the object."""
        with reading(self._filepath):
            return load_obj(self._kind).from_state(read_arrays(self._filepath, text=_REST))

    def save(self, data: Any) -> None:
        """Write the object's state."""
        write_whole(self._filepath, lambda file: write_arrays(file, data.state(), text=_REST))


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
        self._entries: dict[str, AbstractDataset[Any, Any]] = {
            name: AbstractDataset.from_config(f"previous {name}", entry) for name, entry in datasets.items()
        }
        self.metadata = metadata

    def load(self) -> dict[str, Any] | None:
        """Return what is there by name, or None, with a warning where it is damaged."""
        if not all(entry.exists() for entry in self._entries.values()):
            return None
        try:
            return {name: entry.load() for name, entry in self._entries.items()}
        except DatasetError as error:  # an interrupted run must not stop all that follow
            cause = error.__cause__
            if storage_fails(cause) or not isinstance(cause, DamagedFileError | ValueError | OSError):
                raise
            _LOGGER.warning(
                "What the run before left cannot be read and is passed over, themes are numbered anew: %s",
                error,
            )
            return None

    def save(self, data: None) -> None:
        """Refuse: the entries themselves are saved."""
        raise DatasetError("What the run before left is only read.")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"datasets": {name: str(entry) for name, entry in self._entries.items()}}


class HtmlDataset(TextDataset):  # type: ignore[misc]
    """An HTML page in UTF-8; parameters are those of `kedro_datasets.text.TextDataset`."""

    def preview(self) -> HTMLPreview:
        """Return the page, for the side panel of Kedro-Viz, which runs none of its scripts."""
        return self.load()
