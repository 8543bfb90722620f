"""A folder of short sounds as a catalog entry."""

from __future__ import annotations

from typing import Any

from kedro.io import AbstractDataset

from affetto.io.files import new_directory
from affetto.io.paths import local_path

_SUFFIX = ".mp3"


class AudioFolderDataset(AbstractDataset[dict[str, bytes], dict[str, bytes]]):
    """Encoded sounds by name, one file each; saving replaces the folder.

    Parameters
    ----------
    filepath
        The folder.
    metadata
        Ignored here; read by Kedro-Viz.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._folder = local_path(filepath, what="sounds")
        self.metadata = metadata

    def save(self, data: dict[str, bytes]) -> None:
        """Write every sound to `<folder>/<name>.mp3`, all at once; names may have slashes."""
        with new_directory(self._folder) as fresh:
            for name, content in data.items():
                path = fresh / f"{name}{_SUFFIX}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)

    def load(self) -> dict[str, bytes]:
        """Read all sounds."""
        return {
            path.relative_to(self._folder).as_posix().removesuffix(_SUFFIX): path.read_bytes()
            for path in sorted(self._folder.rglob(f"*{_SUFFIX}"))
        }

    def _exists(self) -> bool:
        return self._folder.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}
