"""Codebooks, word counts and theme models as catalog entries: arrays in npz, the rest in JSON."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
from kedro.io import AbstractDataset

from affetto.themes.bags import AudioWords
from affetto.themes.codebook import Codebook
from affetto.themes.model import ThemeModel

SIGNATURE = "signature"


class _Stateful(Protocol):
    def state(self) -> dict[str, Any]: ...

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self: ...


S = TypeVar("S", bound=_Stateful)


class StateDataset(AbstractDataset[S, S], Generic[S]):
    """One npz file with the arrays of an object's `state` and, as JSON text, all else. Nothing is pickled.

    Parameters
    ----------
    filepath
        The file.
    metadata
        Ignored here; read by Kedro-Viz.
    """

    kind: type[S]

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self.metadata = metadata

    def load(self) -> S:
        """Restore the object."""
        with np.load(self._path, allow_pickle=False) as file:
            state: dict[str, Any] = {name: file[name] for name in file.files if name != SIGNATURE}
            state.update(json.loads(str(file[SIGNATURE])))
        return self.kind.from_state(state)

    def save(self, data: S) -> None:
        """Write the object's state under a temporary name and rename it."""
        state = data.state()
        arrays = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
        rest = {name: value for name, value in state.items() if name not in arrays}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self._path.parent, suffix=".partial")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez_compressed(
                    file, allow_pickle=False, **{SIGNATURE: np.array(json.dumps(rest))}, **arrays
                )
            Path(temporary).replace(self._path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}


class CodebookDataset(StateDataset[Codebook]):
    """A codebook."""

    kind = Codebook


class AudioWordsDataset(StateDataset[AudioWords]):
    """Word counts of clips."""

    kind = AudioWords


class ThemeModelDataset(StateDataset[ThemeModel]):
    """The topics of all emotions."""

    kind = ThemeModel
