"""The parameters of every environment can be read before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from kedro.config import OmegaConfigLoader

from affetto.audio.speech import SpeechParameters
from affetto.evaluation.parameters import EvaluationParameters
from affetto.experiments.cross_validate import ExperimentParameters
from affetto.features.table import FeatureTable
from affetto.io.configuration import CONFIG_LOADER_ARGS
from affetto.models.estimator import build_estimator
from affetto.pipelines.model_table import SIDES, read_tables

CONF = Path(__file__).parents[2] / "conf"


@pytest.fixture(params=sorted(path.name for path in CONF.iterdir() if (path / "parameters").is_dir()))
def parameters(request):
    arguments = {**CONFIG_LOADER_ARGS, "default_run_env": "base"}
    return OmegaConfigLoader(conf_source=str(CONF), env=request.param, **arguments)["parameters"]


def test_every_model_can_be_built_and_is_given_the_features_it_reads(parameters):
    for side, table in read_tables(parameters).items():
        assert [each.role for each in table.values()].count("proposed") == 1, side
        for name, each in table.items():
            estimator = build_estimator(each.estimator, each.parameters)
            assert sorted(each.features) == sorted(estimator.features), f"{side}.{name}"
            assert set(each.features) <= set(parameters[side]["features"]), f"{side}.{name}"
            assert all(each.conditions), f"{side}.{name}"


def test_features_experiments_and_evaluation_are_valid(parameters):
    EvaluationParameters.model_validate(parameters["evaluation"])
    for side in SIDES:
        ExperimentParameters.model_validate(parameters[side]["emotion"]["experiment"])
        FeatureTable.model_validate(parameters[side]["features"])


def test_voices_are_prepared_alike_for_every_feature(parameters):
    features = dict(parameters["voice"]["features"])
    assert features.pop("raw_functionals")["speech"] is None
    found = [values["speech"] for name, values in features.items() if name != "encoder"]
    if "encoder" in features:  # the floor of noise costs it five points on the telephone
        assert SpeechParameters(**features["encoder"]["speech"]) == SpeechParameters(**found[0]).model_copy(
            update={"noise_db": None}
        )
        del features["encoder"]
    assert all(values["speech"] == found[0] for values in features.values())
