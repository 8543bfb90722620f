from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from kedro.runner import SequentialRunner

from affetto.evaluation.parameters import EnrolmentParameters, EvaluationParameters
from affetto.features.clip_features import ClipFeatures
from affetto.models.specification import ExperimentParameters, ModelSpecification
from affetto.pipelines.evaluation.pipeline import create_pipeline

EMOTIONS = ("calm", "tense")
KEPT = ExperimentParameters(keep_models=True)
MODELS = {
    "lld": ModelSpecification(
        estimator="linear",
        role="proposed",
        features=("functionals",),
        parameters={"features": ["functionals"], "enrolment_prior": 0.0},
    ),
    "svm": ModelSpecification(estimator="functionals_svm", role="baseline", features=("functionals",)),
    "mfcc_svm": ModelSpecification(estimator="mfcc_svm", role="baseline", features=("mfcc",)),
}
ENROLMENT = EnrolmentParameters(sizes=(4, 8), repeats=2)
FOLDER = "08_reporting/voice_emotion"


@pytest.fixture(scope="module")
def corpus():
    """Emotion moves a number by less than speakers differ in it."""
    rng, n_speakers, n_each = np.random.default_rng(0), 9, 12
    ids = [f"toy/{speaker}-{i:02d}" for speaker in range(n_speakers) for i in range(n_each)]
    sign = np.tile([-1.0, 1.0], len(ids) // 2)
    offset = np.repeat(rng.permutation(np.linspace(-4, 4, n_speakers)), n_each)
    vectors = np.stack([sign + offset + 0.1 * rng.normal(size=len(ids)), rng.normal(size=len(ids))], axis=1)
    features = {
        "functionals": ClipFeatures.from_arrays(
            "functionals", ids, list(vectors), dimensions=("F0final_sma_amean", "pcm_zcr_sma_amean")
        ),
        "mfcc": ClipFeatures.from_arrays("mfcc", ids, list(rng.normal(size=(len(ids), 9, 3))), hop_s=0.02),
    }
    clips = pd.DataFrame(
        {
            "clip_id": ids,
            "emotion": [EMOTIONS[int(one > 0)] for one in sign],
            "group": [f"g{i // n_each}" for i in range(len(ids))],
        }
    )
    folds = pd.DataFrame({"clip_id": ids, "fold": [(i // n_each) % 3 for i in range(len(ids))]})
    return features, clips, folds


@pytest.fixture(scope="module")
def fitted(corpus, cross_validated):
    """What the cross-validation leaves: its results, the kept models, and predictions."""
    return cross_validated(corpus, MODELS)


@pytest.fixture
def make_catalog(evaluation_catalog):
    def make(corpus, fitted, root, experiment=KEPT, enrolment=ENROLMENT):
        evaluation = EvaluationParameters.model_validate(
            {
                "n_resamples": 200,
                "n_permutations": 100,
                "importance": {"n_repeats": 0},
                "enrolment": enrolment,
            }
        )
        changed = {"voice.emotion.experiment": experiment}
        return evaluation_catalog(corpus, fitted, MODELS, root, evaluation, changed)

    return make


def run(catalog, models=MODELS):
    SequentialRunner().run(create_pipeline("voice_emotion", "voice", models, enrolment=True), catalog)


def test_speakers_are_enrolled_with_the_models_that_can(make_catalog, corpus, fitted, tmp_path):
    run(make_catalog(corpus, fitted, tmp_path))

    table = pd.read_csv(tmp_path / FOLDER / "enrolment.csv")
    assert table[["model", "n_enrolled", "n_speakers"]].to_numpy().tolist() == [["lld", 4, 9], ["lld", 8, 9]]
    assert (table["uar_anyone"] < 0.8).all()
    assert (table["uar_enrolled"] > 0.85).all()
    np.testing.assert_allclose(table["gain"], 100 * (table["uar_enrolled"] - table["uar_anyone"]))
    assert (table["gain_ci_low"] > 0).all()
    page = (tmp_path / FOLDER / "report.html").read_text(encoding="utf-8")
    assert 'id="enrolment"' in page
    assert 'id="enrolment_figure"' in page
    assert (tmp_path / FOLDER / "enrolment.png").is_file()


def test_models_are_asked_once(make_catalog, corpus, fitted, tmp_path, monkeypatch):
    run(make_catalog(corpus, fitted, tmp_path / "first"))

    def refuse(directory):
        raise AssertionError("asked again")

    monkeypatch.setattr("affetto.pipelines.evaluation.probes.load_estimator", refuse)
    run(make_catalog(corpus, fitted, tmp_path / "again"))

    first, again = ((tmp_path / name / FOLDER / "enrolment.csv").read_text() for name in ("first", "again"))
    assert first == again


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"experiment": ExperimentParameters(keep_models=False)}, "keep_models is false"),
        ({"enrolment": EnrolmentParameters(sizes=())}, "names none"),
        ({"enrolment": EnrolmentParameters(sizes=(12,))}, "no speaker has clips enough"),
    ],
)
def test_what_cannot_be_measured_is_left_out_with_a_word(
    make_catalog, corpus, fitted, tmp_path, caplog, given, said
):
    caplog.set_level("INFO", logger="affetto")

    run(make_catalog(corpus, fitted, tmp_path, **given))

    (message,) = (text for text in caplog.messages if "gain of an enrolment" in text)
    assert said in message
    assert pd.read_csv(tmp_path / FOLDER / "enrolment.csv")["model"].isna().all()
    page = (tmp_path / FOLDER / "report.html").read_text(encoding="utf-8")
    assert 'id="enrolment' not in page


def test_without_a_model_that_can_be_enrolled_it_says_so(make_catalog, corpus, fitted, tmp_path, caplog):
    caplog.set_level("INFO", logger="affetto")
    others = {name: MODELS[name] for name in ("svm", "mfcc_svm")}

    run(make_catalog(corpus, fitted, tmp_path), others)

    assert "no model can be enrolled" in caplog.text
    assert "no model can be enrolled" in (tmp_path / FOLDER / "report.html").read_text("utf-8")


def test_only_models_that_can_be_enrolled_are_read():
    pipeline = create_pipeline("t", "voice", MODELS, enrolment=True)
    (node,) = (node for node in pipeline.nodes if node.name.endswith("enrolment"))

    assert node.name == "evaluation.t.enrolment"
    assert "voice.functionals" in node.inputs
    assert not {"voice.mfcc", "params:voice.emotion.models.svm"} & set(node.inputs)
    assert not [name for name in create_pipeline("t", "music", MODELS).datasets() if "enrolment" in name]


@pytest.mark.parametrize("step", ["enrolment", "importance"])
def test_models_are_asked_after_they_were_fitted(step):
    pipeline = create_pipeline("t", "voice", MODELS, enrolment=True)
    (node,) = (node for node in pipeline.nodes if node.name.endswith(step))

    asked = [name for name in MODELS if f"params:voice.emotion.models.{name}" in node.inputs]
    assert asked
    assert {f"voice.emotion.{name}.predictions" for name in asked} <= set(node.inputs)
