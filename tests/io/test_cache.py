from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import affetto.io.arrays
from affetto.errors import AffettoError
from affetto.io.cache import ResultStore


def test_a_result_is_computed_once(tmp_path):
    calls = []

    def costly():
        calls.append(1)
        return {"array": np.arange(6).reshape(2, 3), "note": {"a": [1, 2.5, None]}}

    first = ResultStore(tmp_path).compute({"seed": 1}, costly)
    again = ResultStore(tmp_path).compute({"seed": 1}, costly)
    assert ResultStore(tmp_path).get({"seed": 2}) is None

    assert len(calls) == 1
    np.testing.assert_array_equal(again["array"], first["array"])
    assert again["note"] == {"a": [1, 2.5, None]}


def test_a_result_that_cannot_be_written_leaves_no_partial_file(tmp_path):
    with pytest.raises(TypeError):
        ResultStore(tmp_path).put({"seed": 1}, {"value": object()})

    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


LARGE = np.arange(2_000)


@pytest.fixture(autouse=True, scope="module")
def _small_arrays_are_mapped():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(affetto.io.arrays, "MAPPED_BYTES", LARGE.nbytes)
        yield


def _stored(root):
    store = ResultStore(root)
    store.put({"seed": 1}, {"large": LARGE, "small": np.arange(9)})
    (file,) = root.rglob("*.npz")
    return store, file


@settings(max_examples=60, deadline=None)
@given(cut=st.floats(0, 1), flipped=st.lists(st.floats(0, 1, exclude_max=True), max_size=3))
def test_a_damaged_result_is_told_and_computed_again(tmp_path_factory, cut, flipped):
    store, file = _stored(tmp_path_factory.mktemp("damage"))
    content = bytearray(file.read_bytes())
    for place in flipped:
        content[int(place * len(content))] ^= 0xFF
    file.write_bytes(content[: int(cut * len(content))] if not flipped else content)
    before = file.read_bytes()

    found = store.get({"seed": 1})

    if found is None:
        assert store.compute({"seed": 1}, lambda: {"value": 2}) == {"value": 2}
    elif before:  # what is no content, such as the date of a member, may be another
        np.testing.assert_array_equal(found["large"], LARGE)


def test_a_failing_storage_is_an_error_and_computes_nothing_again(tmp_path):
    store, file = _stored(tmp_path)
    for bad in ("/proc/self/mem", file):  # reading at 0 gives an I/O error; a link to itself
        file.unlink()
        file.symlink_to(bad)
        with pytest.raises(AffettoError, match="cannot be read"):
            store.compute({"seed": 1}, lambda: pytest.fail("computed again"))
    file.unlink()
    file.mkdir()
    with pytest.raises(AffettoError, match="cannot be read"):
        store.compute({"seed": 1}, lambda: pytest.fail("computed again"))
