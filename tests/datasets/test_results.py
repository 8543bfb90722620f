from __future__ import annotations

import tempfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kedro.io import DatasetError

from affetto.datasets.results import ResultsDataset
from affetto.io.paths import as_path

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
TABLES = st.lists(
    st.tuples(st.text(max_size=5), st.floats(allow_nan=False), st.lists(st.floats(0, 1), min_size=1)),
    min_size=1,
).map(lambda rows: pd.DataFrame(rows, columns=["clip_id", "p_calm", "weights"]))
NAMES = st.text("abcdefgh_", min_size=1)


@settings(max_examples=30)
@given(st.dictionaries(NAMES, VALUES | TABLES, min_size=1, max_size=4))
def test_what_is_saved_is_loaded(results):
    with tempfile.TemporaryDirectory() as folder:
        dataset = ResultsDataset(filepath=folder)
        dataset.save(results)
        found = dataset.load()

    assert set(found) == set(results)
    for name, value in results.items():
        if isinstance(value, pd.DataFrame):
            assert (
                found[name].map(lambda one: list(one) if isinstance(one, np.ndarray) else one).equals(value)
            )
        else:
            assert found[name] == value


@pytest.mark.parametrize("place", ["here", "memory"])
def test_what_is_not_saved_again_is_gone_and_nothing_else_is_touched(tmp_path, place):
    folder = as_path(f"memory://{tmp_path.name}/results") if place == "memory" else tmp_path / "results"
    dataset = ResultsDataset(filepath=str(folder))
    assert not dataset.exists()
    with pytest.raises(DatasetError, match="There are no results in"):
        dataset.load()

    dataset.save({"a": pd.DataFrame({"x": [1]}), "b": 1, "c": 2})
    (folder / "mine.txt").write_text("mine")
    dataset.save({"a": [1, 2], "b": pd.DataFrame({"x": [3]})})

    assert dataset.exists()
    assert {path.name for path in folder.iterdir()} == {"a.json", "b.parquet", "mine.txt"}
    assert dataset.load()["a"] == [1, 2]


def test_kedro_viz_is_shown_the_table_that_is_named(tmp_path):
    table = pd.DataFrame({"model": ["a", "b", "c"], "uar": [0.5, 0.123456, None]})
    saved = {"comparison": table, "other": table[:1]}
    ResultsDataset(filepath=str(tmp_path)).save(saved)

    shown = ResultsDataset(filepath=str(tmp_path), shown="comparison").preview(nrows=2)

    assert (shown["columns"], shown["data"]) == (["model", "uar"], [["a", 0.5], ["b", 0.123]])
    assert ResultsDataset(filepath=str(tmp_path)).preview()["data"] == []
