"""The model table is checked as a whole before anything runs."""

from __future__ import annotations

import pytest

from affetto.errors import AffettoError
from affetto.pipelines.model_table import read_regressors, read_tables

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


CRNN_LLD = {
    "estimator": "crnn_lld",
    "role": "proposed",
    "features": ["log_mel", "lld", "functionals", "correlations"],
}


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"estimator": "linear", "features": ["functionals", "correlations"]}, None),  # a branch
        ({"estimator": "crnn", "features": ["log_mel"]}, None),
        (
            {"estimator": "functionals_svm", "features": ["functionals"]},
            "neither crnn_lld nor a branch of it",
        ),
        (
            {"estimator": "linear", "features": ["egemaps"], "parameters": {"features": ["egemaps"]}},
            "it reads egemaps, which the proposed model does not",
        ),
    ],
)
def test_a_model_that_is_no_part_of_the_proposed_one_is_no_ablation(entry, reason):
    """On 4Q an SVM of the same features that is as good was called an ablation, and no baseline."""
    models = {"crnn_lld": CRNN_LLD, "other": {**entry, "role": "ablation"}}
    parameters = {"voice": {"emotion": {"models": models}}, "music": {"emotion": {"models": {}}}}
    if reason is None:
        assert read_tables(parameters)["voice"]["other"].role == "ablation"
        return
    with pytest.raises(AffettoError, match=rf"voice\.emotion\.models\.other\.role .*{reason}.* baseline"):
        read_tables(parameters)
    models["other"]["role"] = "baseline"
    assert read_tables(parameters)["voice"]["other"].role == "baseline"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parameters": {"penalti": 1}}, r"voice\.emotion\.models\.mine\.parameters: penalti: .*penalty"),
        ({"parameters": {"penalty": -1.0}}, r"models\.mine\.parameters: penalty\..* greater than"),
        ({"estimator": "ldd"}, r"no emotion model 'ldd'"),
        ({"copies": {}}, r"models\.mine: .*copies is called augmentation now: rename the key"),
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


RIDGE = {
    "estimator": "kernel_ridge",
    "role": "proposed",
    "features": ["functionals"],
    "parameters": {"features": ["functionals"]},
}


def regressors(**changes):
    voice = {"emotion": {"dimensions": {"mine": {**RIDGE, **changes}, "left_out": None}}}
    return read_regressors({"voice": voice, "music": {"emotion": {}}}, {**tables(), "music": {}})


def test_regressors_are_read_where_a_model_reads_their_features():
    assert list(regressors()["voice"]) == ["mine"]
    assert regressors()["music"] == {}
    assert regressors(features=["functionals", "egemaps"])["voice"] == {}


def test_models_and_regressors_are_told_apart():
    with pytest.raises(AffettoError, match=r"tells emotion: list it under emotion\.models"):
        regressors(estimator="linear", parameters={"features": ["functionals"]})
    with pytest.raises(AffettoError, match=r"tells valence and arousal: list it under emotion\.dimensions"):
        tables(**RIDGE)
