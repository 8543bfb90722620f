"""What Kedro needs to know of every registered pipeline, and the parameters of every environment."""

from __future__ import annotations

from pathlib import Path
from typing import get_type_hints

import pytest
from kedro.config import OmegaConfigLoader
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.io import MemoryDataset

from affetto.audio.speech import SpeechParameters
from affetto.evaluation.parameters import EvaluationParameters
from affetto.experiments.cross_validate import ExperimentParameters
from affetto.features.table import FeatureTable
from affetto.io.configuration import CONFIG_LOADER_ARGS
from affetto.models.estimator import build_estimator
from affetto.pipelines.model_table import SIDES, read_tables

CONF = Path(__file__).parents[2] / "conf"
WRITTEN = {
    "hear": {"hear.voices", "hear.summary"},
    "recommend": {"recommend.playlists", "recommend.summary"},
}


def test_the_annotations_of_every_node_can_be_resolved(kedro_project):
    """Kedro reads them to check parameters, and warns at every command where it cannot."""
    for node in {node for pipeline in pipelines.values() for node in pipeline.nodes}:
        assert "return" in get_type_hints(node.func), node.name


@pytest.mark.parametrize("side", ["music", "voice"])
@pytest.mark.parametrize("name", ["corpora", "features"])
def test_one_side_can_be_run_alone(kedro_project, name, side):
    own = pipelines[name].only_nodes_with_tags(side)
    datasets = {each for each in own.datasets() if "." in each}

    assert {each.removeprefix("params:").split(".")[0] for each in datasets} == {side}
    assert {f"{side}.clips"} <= own.all_outputs()


def test_inference_fits_nothing(kedro_project):
    assert pipelines["recommend"].inputs() == {
        *("params:recommend", "params:taxonomy", "music.library"),
        "voice.emotion.crnn_lld.model",
    }


def test_no_pattern_of_another_pipeline_takes_what_inference_hands_on(kedro_project):
    with KedroSession.create(kedro_project) as session:
        catalog = session.load_context().catalog
    for name, wanted in WRITTEN.items():
        made = {each for each in pipelines[name].all_outputs() if each.startswith(f"{name}.")}
        written = {each for each in made if not isinstance(catalog.get(each), MemoryDataset | None)}
        assert written == wanted


@pytest.mark.parametrize(
    "environment", sorted(path.name for path in CONF.iterdir() if (path / "parameters").is_dir())
)
def test_the_parameters_of_an_environment_can_be_read_before_anything_runs(environment):
    arguments = {**CONFIG_LOADER_ARGS, "default_run_env": "base"}
    parameters = OmegaConfigLoader(conf_source=str(CONF), env=environment, **arguments)["parameters"]

    EvaluationParameters.model_validate(parameters["evaluation"])
    tables = read_tables(parameters)
    for side in SIDES:
        ExperimentParameters.model_validate(parameters[side]["emotion"]["experiment"])
        FeatureTable.model_validate(parameters[side]["features"])
        assert [each.role for each in tables[side].values()].count("proposed") == 1, side
        for name, each in tables[side].items():
            estimator = build_estimator(each.estimator, each.parameters)
            assert sorted(each.features) == sorted(estimator.features), f"{side}.{name}"
            assert set(each.features) <= set(parameters[side]["features"]), f"{side}.{name}"
    check_voices_are_prepared_alike(dict(parameters["voice"]["features"]))


def check_voices_are_prepared_alike(features):
    assert features.pop("raw_functionals")["speech"] is None
    encoder = features.pop("encoder", None)
    first, *others = (values["speech"] for values in features.values())
    assert all(other == first for other in others)
    if encoder:  # the floor of noise costs it five points on the telephone
        wanted = SpeechParameters(**first).model_copy(update={"noise_db": None})
        assert SpeechParameters(**encoder["speech"]) == wanted
