"""The figures of a report as files."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, ClassVar

from affetto.datasets.named_files import NamedFilesDataset
from affetto.evaluation.figures import Illustration

if TYPE_CHECKING:
    from kedro_datasets._typing import ImagePreview


class FiguresDataset(NamedFilesDataset[Illustration]):
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
        image = (self._folder / f"{self._shown}.png").read_bytes()
        return base64.b64encode(image).decode()

    def _encode(self, name: str, value: Illustration) -> dict[str, bytes]:
        return {f"{name}.png": value.png}

    def _read(self, name: str) -> Illustration:
        return Illustration.read((self._folder / f"{name}.png").read_bytes())
