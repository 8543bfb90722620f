from __future__ import annotations

import inspect

import pandas as pd
import pytest
from kedro.io import DataCatalog, DatasetError

from affetto.datasets.themes import HtmlDataset


def test_kedro_viz_shows_the_page(tmp_path):
    dataset = HtmlDataset(filepath=str(tmp_path / "page.html"))
    dataset.save("<h1>Themes</h1>")

    assert dataset.preview() == "<h1>Themes</h1>"
    # The kind of a preview is read from the annotation.
    assert inspect.signature(dataset.preview).return_annotation == "HTMLPreview"


def test_what_the_run_before_left_is_loaded_unless_it_was_interrupted(tmp_path, caplog):
    entry = {"type": "pandas.ParquetDataset", "filepath": str(tmp_path / "a.parquet")}
    before = {"type": "affetto.datasets.themes.PreviousDataset", "datasets": {"table": entry}}
    catalog = DataCatalog.from_config({"now": entry, "before": before})

    assert catalog.exists("before")
    assert catalog.load("before") is None

    catalog.save("now", pd.DataFrame({"x": [1, 2]}))
    assert catalog.load("before")["table"]["x"].tolist() == [1, 2]
    with pytest.raises(DatasetError, match="only read"):
        catalog["before"].save(1)

    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[: len(whole) // 2])
    assert catalog.load("before") is None
    assert "cannot be read and is passed over" in caplog.text
