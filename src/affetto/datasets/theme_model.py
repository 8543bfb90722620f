"""Codebooks, word counts and theme models as catalog entries: arrays in npz, the rest in JSON."""

from __future__ import annotations

from typing import Any, Generic, Protocol, Self, TypeVar

from kedro.io import AbstractDataset

from affetto.io.arrays import read_arrays, write_arrays
from affetto.io.files import reading, write_whole
from affetto.io.paths import as_path
from affetto.themes.codebook import Codebook
from affetto.themes.model import ThemeModel
from affetto.themes.words import AudioWords

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
        The file, or its address such as `s3://bucket/model.npz`.
    metadata
        Ignored here; read by Kedro-Viz.
    """

    kind: type[S]

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = as_path(filepath)
        self.metadata = metadata

    def load(self) -> S:
        """Restore the object."""
        with reading(self._path):
            return self.kind.from_state(read_arrays(self._path, text=SIGNATURE))

    def save(self, data: S) -> None:
        """Write the object's state."""
        write_whole(self._path, lambda file: write_arrays(file, data.state(), text=SIGNATURE))

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
