"""Tables and other values that belong together, as one folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from kedro.io import AbstractDataset, DatasetError

from affetto.io.files import write_whole
from affetto.io.paths import as_path

if TYPE_CHECKING:
    from kedro_datasets._typing import TablePreview

_VALUE = ".json"


class ResultsDataset(AbstractDataset[Mapping[str, Any], dict[str, Any]]):
    """A folder with a file for every table, and `<name>.json` for every other value.

    Each file is replaced as a whole; those of names that are not saved again are removed.

    Parameters
    ----------
    filepath
        The folder, or its address.
    tables
        `.parquet`, or `.csv` for people: names of models and groups are then read as text.
    shown
        Name of the table that Kedro-Viz previews; null: none.
    metadata
        Ignored here; read by Kedro-Viz.
    """

    def __init__(
        self,
        *,
        filepath: str,
        tables: Literal[".parquet", ".csv"] = ".parquet",
        shown: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._filepath = as_path(filepath)
        self._suffix = tables
        self._shown = shown
        self.metadata = metadata

    def load(self) -> dict[str, Any]:
        """Return tables and values by name.

        Raises
        ------
        DatasetError
            When there is no such folder.
        """
        if not self._exists():
            raise DatasetError(f"There are no results in {self._filepath}.")
        tables = {path.stem: _read_table(path) for path in sorted(self._filepath.glob(f"*{self._suffix}"))}
        values = {
            path.stem: json.loads(path.read_text("utf-8"))
            for path in sorted(self._filepath.glob(f"*{_VALUE}"))
        }
        return tables | values

    def save(self, data: Mapping[str, Any]) -> None:
        """Write tables and values."""
        written = set()
        for name, value in data.items():
            is_table = isinstance(value, pd.DataFrame)
            path = self._filepath / f"{name}{self._suffix if is_table else _VALUE}"
            write_whole(path, self._table_writer(value) if is_table else _value_writer(value))
            written.add(path.name)
        for suffix in (self._suffix, _VALUE):
            for path in self._filepath.glob(f"*{suffix}"):
                if path.name not in written:
                    path.unlink(missing_ok=True)

    def preview(self, nrows: int = 20) -> TablePreview:
        """Return the first rows of the table that is shown, for Kedro-Viz."""
        table = self.load().get(str(self._shown), pd.DataFrame()).head(nrows)
        shown: dict[str, Any] = json.loads(table.to_json(orient="split", double_precision=3))
        return shown

    def _exists(self) -> bool:
        return self._filepath.is_dir() and any(
            path.suffix in (self._suffix, _VALUE) for path in self._filepath.iterdir()
        )

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}

    def _table_writer(self, table: pd.DataFrame) -> Any:
        if self._suffix == ".csv":
            text = table.to_csv(index=False, lineterminator="\n").encode()
            return lambda file: file.write(text)
        return lambda file: table.to_parquet(file, index=False)


def _read_table(path: Any) -> pd.DataFrame:
    with path.open("rb") as file:
        if path.suffix == ".csv":
            # The speaker 03 is not the number 3, and a class may be called NA.
            kinds = {"group": "str", "model": "str"}
            return pd.read_csv(file, dtype=kinds, keep_default_na=False, na_values=[""])
        return pd.read_parquet(file)


def _value_writer(value: Any) -> Any:
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=True).encode()
    return lambda file: file.write(text)
