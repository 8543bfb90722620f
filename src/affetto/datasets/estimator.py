"""Fitted emotion models as catalog entries."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, ClassVar

from affetto.datasets.placed import PlacedDataset
from affetto.errors import AffettoError
from affetto.io.files import new_directory
from affetto.models.estimator import holds_model


class EstimatorDataset(PlacedDataset[Path, Path]):
    """A folder that holds one fitted estimator.

    Saving takes the folder a model was fitted into and replaces the entry by a copy of it, which is never
    seen half; loading returns the folder, which `load_estimator` reads. Nothing is pickled.

    Parameters
    ----------
    filepath, metadata
        As for `PlacedDataset`.
    command
        What to run when the model is missing.
    """

    what: ClassVar[str] = "a model"

    def __init__(self, *, filepath: str, command: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._command = command

    def load(self) -> Path:
        """Return the folder.

        Raises
        ------
        AffettoError
            When there is no fitted model; the message says which command makes one.
        """
        if not self._exists():
            raise AffettoError(f"There is no fitted model in {self._filepath}: run `{self._command}` first.")
        return self._filepath

    def save(self, data: Path) -> None:
        """Replace the model by a copy of the folder `data`."""
        with new_directory(self._filepath) as fresh:
            shutil.copytree(data, fresh, dirs_exist_ok=True)

    def _exists(self) -> bool:
        return holds_model(self._filepath)
