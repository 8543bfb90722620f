"""The directory of a model is there as a whole or not at all, whoever else writes it."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from affetto.errors import AffettoError
from affetto.models.model_directory import (
    SIGNATURE_FILE,
    copy_calibrated,
    holds_model,
    read_signature,
    write_signature,
)
from affetto.whole_files import new_directory


def write(directory, number):
    with new_directory(directory) as partial:
        write_signature(partial, {"number": number})
        (partial / "weights").write_text(str(number))


def test_what_fails_leaves_the_old_model_and_nothing_else(tmp_path):
    write(tmp_path / "model", 1)
    with pytest.raises(KeyError), new_directory(tmp_path / "model") as partial:
        (partial / "weights").write_text("2")
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert read_signature(tmp_path / "model")["number"] == 1


def test_writers_at_once_leave_one_whole_model(tmp_path):
    directory = tmp_path / "model"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: write(directory, number), range(80)))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert str(read_signature(directory)["number"]) == (directory / "weights").read_text()


def test_a_file_in_the_way_is_left_alone(tmp_path):
    (tmp_path / "model").write_text("mine")
    with pytest.raises(OSError):
        write(tmp_path / "model", 1)
    assert (tmp_path / "model").read_text() == "mine"


def test_a_calibrated_copy_differs_in_its_temperature_alone(tmp_path):
    write(tmp_path / "model", 1)
    copy_calibrated(tmp_path / "model", tmp_path / "copy", 2.5, {"corpus": "toy"})
    assert read_signature(tmp_path / "copy") == {
        **read_signature(tmp_path / "model"),
        "temperature": 2.5,
        "learnt_from": {"corpus": "toy"},
    }
    assert (tmp_path / "copy" / "weights").read_text() == "1"


def test_what_is_no_model_is_told(tmp_path):
    assert not holds_model(tmp_path)
    with pytest.raises(AffettoError, match="holds no model"):
        copy_calibrated(tmp_path, tmp_path / "copy", 2.0, {})
    (tmp_path / SIGNATURE_FILE).write_text(json.dumps({"format": 99}))
    with pytest.raises(AffettoError, match="format 99"):
        read_signature(tmp_path)
