"""Arrays in one file: what comes back, and what stays on disk."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

from affetto.io import arrays
from affetto.io.arrays import read_arrays, scratch_array, write_arrays


@pytest.fixture(autouse=True)
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "MAPPED_BYTES", 1_000)


VALUES = {
    "a/counts": np.arange(1_500, dtype=np.uint16).reshape(300, 5),
    "columns": np.asfortranarray(np.arange(800, dtype=np.float32).reshape(8, 100)),
    "few": np.array([1.5, np.nan]),
    "names": ["ä", "b"],
    "note": None,
}


def test_values_come_back_and_large_arrays_are_mapped(tmp_path: Path) -> None:
    path = tmp_path / "values.npz"
    with path.open("wb") as file:
        write_arrays(file, VALUES, text="__json__")
    found = read_arrays(path, text="__json__")
    assert list(found) == list(VALUES)
    for name in ("a/counts", "columns", "few"):
        np.testing.assert_array_equal(found[name], VALUES[name])
        assert found[name].dtype == VALUES[name].dtype
    assert (found["names"], found["note"]) == (["ä", "b"], None)
    assert isinstance(found["a/counts"], np.memmap) and isinstance(found["columns"], np.memmap)
    assert not isinstance(found["few"], np.memmap)
    with np.load(path, allow_pickle=False) as plain:  # any reader of npz understands it
        np.testing.assert_array_equal(plain["a/counts"], VALUES["a/counts"])


def test_scratch_of_a_large_array_is_a_file_that_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    small, large = scratch_array((3, 2), np.int64), scratch_array((300, 4), np.uint16)
    assert not isinstance(small, np.memmap) and small.sum() == large.sum() == 0
    large[7] = 9
    view = large[5:9]
    del large
    gc.collect()
    assert view[2].tolist() == [9] * 4 and len(list(tmp_path.iterdir())) == 1
    del view
    gc.collect()
    assert not list(tmp_path.iterdir())
