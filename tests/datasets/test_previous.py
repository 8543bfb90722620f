import pandas as pd
import pytest
from kedro.io import DataCatalog, DatasetError


def test_what_an_interrupted_run_left_is_passed_over(tmp_path, caplog):
    kept = {"type": "pandas.ParquetDataset", "filepath": str(tmp_path / "a.parquet")}
    before = {"type": "affetto.datasets.previous.PreviousDataset", "datasets": {"table": kept}}
    catalog = DataCatalog.from_config({"now": kept, "before": before})
    catalog.save("now", pd.DataFrame({"x": [1, 2]}))
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[: len(whole) // 2])

    assert catalog.load("before") is None
    assert "cannot be read and is passed over" in caplog.text


def test_the_entry_before_is_loaded_or_nothing(tmp_path):
    kept = {"type": "pandas.CSVDataset", "filepath": str(tmp_path / "a.csv"), "save_args": {"index": False}}
    catalog = DataCatalog.from_config(
        {
            "now": kept,
            "before": {"type": "affetto.datasets.previous.PreviousDataset", "datasets": {"table": kept}},
        }
    )
    assert catalog.exists("before")
    assert catalog.load("before") is None
    catalog.save("now", pd.DataFrame({"x": [1, 2]}))
    assert catalog.load("before")["table"]["x"].tolist() == [1, 2]
    with pytest.raises(DatasetError, match="only read"):
        catalog["before"].save(1)
