"""The model table is checked as a whole before anything runs."""

from __future__ import annotations

import pytest

from affetto.errors import AffettoError
from affetto.pipelines.model_table import read_tables

MODEL = {
    "estimator": "linear",
    "role": "proposed",
    "features": ["functionals", "correlations"],
    "parameters": {"penalty": 0.1},
}


def tables(**changes):
    voice = {"emotion": {"models": {"mine": {**MODEL, **changes}, "left_out": None}}}
    return read_tables({"voice": voice, "music": {"emotion": {"models": {}}}})


def test_specifications_are_read_and_null_leaves_a_model_out():
    assert list(tables()["voice"]) == ["mine"]
    assert tables()["voice"]["mine"].parameters == {"penalty": 0.1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parameters": {"penalti": 1}}, r"voice\.emotion\.models\.mine\.parameters: penalti: Extra inputs"),
        ({"parameters": {"penalty": -1.0}}, r"models\.mine\.parameters: penalty\..* greater than"),
        ({"estimator": "ldd"}, r"no emotion model 'ldd'"),
        ({"role": "winner"}, r"models\.mine: role"),
        ({"features": ["functionals"]}, r"models\.mine\.features lacks correlations, which linear reads"),
        (
            {"estimator": "crnn", "features": ["log_mel"], "parameters": {"channels": [0]}},
            r"parameters: channels\.0: .* greater than or equal to 1",
        ),
    ],
)
def test_what_is_wrong_with_a_model_is_told_before_anything_runs(changes, message):
    with pytest.raises(AffettoError, match=message):
        tables(**changes)
