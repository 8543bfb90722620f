"""Tables and other values that belong together, as one folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from kedro.io import DatasetError

from affetto.datasets.placed import PlacedDataset
from affetto.io.files import write_whole

if TYPE_CHECKING:
    from kedro_datasets._typing import TablePreview


class ResultsDataset(PlacedDataset[Mapping[str, Any], dict[str, Any]]):
    """A folder with a file for every table, and `<name>.json` for every other value.

    Each file is replaced as a whole; those of names that are not saved again are removed.

    Parameters
    ----------
    filepath, metadata
        As for `PlacedDataset`.
    tables
        `.parquet`, or `.csv` for people: names of models and groups are then read as text.
    shown
        Name of the table that Kedro-Viz previews; null: none.
    """

    def __init__(
        self,
        *,
        filepath: str,
        tables: Literal[".parquet", ".csv"] = ".parquet",
        shown: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._suffix = tables
        self._shown = shown

    def load(self) -> dict[str, Any]:
        """Return tables and values by name.

        Raises
        ------
        DatasetError
            When there is no such folder.
        """
        if not self._exists():
            raise DatasetError(f"There are no results in {self._filepath}.")
        return {path.stem: _read(path) for path in self._files()}

    def save(self, data: Mapping[str, Any]) -> None:
        """Write tables and values."""
        contents = {}
        for name, value in data.items():
            suffix = self._suffix if isinstance(value, pd.DataFrame) else ".json"
            contents[f"{name}{suffix}"] = _encode(value, suffix)
        for file, content in contents.items():
            write_whole(self._filepath / file, content)
        for path in self._files():
            if path.name not in contents:
                path.unlink(missing_ok=True)

    def preview(self, nrows: int = 20) -> TablePreview:
        """Return the first rows of the table that is shown, for Kedro-Viz."""
        table = self.load().get(str(self._shown), pd.DataFrame()).head(nrows)
        shown: dict[str, Any] = json.loads(table.to_json(orient="split", double_precision=3))
        return shown

    def _files(self) -> list[Path]:
        if not self._filepath.is_dir():
            return []
        return sorted(path for path in self._filepath.iterdir() if path.suffix in (self._suffix, ".json"))

    def _exists(self) -> bool:
        return bool(self._files())


def _encode(value: Any, suffix: str) -> bytes:
    if suffix == ".json":
        return json.dumps(value, indent=2, ensure_ascii=False).encode()
    if suffix == ".csv":
        return bytes(value.to_csv(index=False, lineterminator="\n").encode())
    return bytes(value.to_parquet(index=False))


def _read(path: Path) -> Any:
    if path.suffix == ".json":
        return json.loads(path.read_text("utf-8"))
    with path.open("rb") as file:
        if path.suffix == ".parquet":
            return pd.read_parquet(file)
        # The speaker 03 is not the number 3, and a class may be called NA.
        names = {"group": "str", "model": "str"}
        return pd.read_csv(file, dtype=names, keep_default_na=False, na_values=[""])
