"""The figures of a report as files, PNG images in memory."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, ClassVar

from affetto.datasets.named_files import NamedFilesDataset

if TYPE_CHECKING:
    from kedro_datasets._typing import ImagePreview


class FiguresDataset(NamedFilesDataset[bytes]):
    """A folder with `<name>.png` for every figure.

    Parameters
    ----------
    filepath
        The folder.
    shown
        Name of the figure that Kedro-Viz previews; null: none.
    metadata
        Ignored here; read by Kedro-Viz.
    """

    what: ClassVar[str] = "figures"
    suffixes: ClassVar[tuple[str, ...]] = (".png",)

    def __init__(
        self, *, filepath: str, shown: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._shown = shown

    def preview(self) -> ImagePreview:
        """Return the figure that is shown, for Kedro-Viz."""
        return base64.b64encode(self._read(str(self._shown))).decode()

    def _encode(self, name: str, value: bytes) -> dict[str, bytes]:
        return {f"{name}.png": value}

    def _read(self, name: str) -> bytes:
        return (self._folder / f"{name}.png").read_bytes()
