from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affetto.results import ResultStore, fingerprint


def test_a_result_is_computed_once(tmp_path):
    calls = []

    def costly():
        calls.append(1)
        return {"array": np.arange(6).reshape(2, 3), "note": {"a": [1, 2.5, None]}}

    first = ResultStore(tmp_path).compute({"seed": 1}, costly)
    again = ResultStore(tmp_path).compute({"seed": 1}, costly)

    assert len(calls) == 1
    np.testing.assert_array_equal(again["array"], first["array"])
    assert again["note"] == {"a": [1, 2.5, None]}


def test_another_key_is_another_result(tmp_path):
    store = ResultStore(tmp_path)
    store.put({"seed": 1}, {"value": 1})

    assert store.get({"seed": 2}) is None
    assert store.compute({"seed": 2}, lambda: {"value": 2}) == {"value": 2}


def test_an_interrupted_computation_leaves_nothing(tmp_path):
    def interrupted():
        raise KeyboardInterrupt

    store = ResultStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        store.compute({"seed": 1}, interrupted)

    assert store.get({"seed": 1}) is None
    assert not list(tmp_path.rglob("*.npz"))


def test_a_result_that_cannot_be_written_leaves_no_partial_file(tmp_path):
    with pytest.raises(TypeError):
        ResultStore(tmp_path).put({"seed": 1}, {"value": object()})

    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), min_size=2))
def test_the_fingerprint_ignores_the_order_of_keys(key):
    assert fingerprint(key) == fingerprint(dict(reversed(key.items())))


@pytest.mark.parametrize("damage", [b"", b"not a zip file", b"PK\x03\x04 cut short"])
def test_a_damaged_result_is_computed_again(tmp_path, damage):
    store = ResultStore(tmp_path)
    store.put({"seed": 1}, {"value": 1})
    (file,) = tmp_path.rglob("*.npz")
    file.write_bytes(damage)

    assert store.compute({"seed": 1}, lambda: {"value": 2}) == {"value": 2}
