from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
from kedro.runner import SequentialRunner

from affetto.errors import AffettoError
from affetto.evaluation.parameters import EvaluationParameters, ImportanceParameters
from affetto.features.clip_features import ClipFeatures
from affetto.models.specification import ExperimentParameters, ModelSpecification
from affetto.pipelines.evaluation.pipeline import create_pipeline
from affetto.results import ResultStore

EMOTIONS = ("calm", "tense")
MODELS = {
    "lld": ModelSpecification(
        estimator="linear",
        role="proposed",
        features=("functionals",),
        parameters={"features": ["functionals"]},
    ),
    "svm": ModelSpecification(
        estimator="functionals_svm", role="baseline", features=("functionals",), parameters={"C": 0.1}
    ),
    "mfcc_svm": ModelSpecification(estimator="mfcc_svm", role="baseline", features=("mfcc",)),
}
NAMES = (
    *("pcm_RMSenergy_sma_amean", "pcm_zcr_sma_amean", "F0final_sma_amean", "jitterLocal_sma_amean"),
    *("audSpec_Rfilt_sma[0]_amean", "mfcc_sma[1]_amean", "mfcc_sma[2]_amean"),
)
VOICING = [2, 3]


@pytest.fixture(scope="module")
def corpus():
    """Only what is voiced tells the emotion; the MFCC of the other extractor do so too."""
    rng, n_clips = np.random.default_rng(0), 36
    ids = [f"toy/{i:02d}" for i in range(n_clips)]
    emotion = [EMOTIONS[i % 2] for i in range(n_clips)]
    sign = np.where(np.array(emotion) == "tense", 1.0, -1.0)
    vectors = rng.normal(size=(n_clips, len(NAMES)))
    vectors[:, VOICING] = 5 * sign[:, None] + 0.1 * vectors[:, VOICING]
    frames = [rng.normal(2 * one, 1, size=(20, 3)) for one in sign]
    features = {
        "functionals": ClipFeatures.from_arrays(
            "functionals", ids, list(vectors), dimensions=NAMES, parameters={"extractor": "opensmile"}
        ),
        "mfcc": ClipFeatures.from_arrays(
            "mfcc", ids, frames, dimensions=[f"mfcc_{i}" for i in range(3)], hop_s=0.02
        ),
    }
    clips = pd.DataFrame(
        {"clip_id": ids, "emotion": emotion, "group": [f"g{i // 4}" for i in range(n_clips)]}
    )
    folds = pd.DataFrame({"clip_id": ids, "fold": [(i // 4) % 3 for i in range(n_clips)]})
    return features, clips, folds


@pytest.fixture(scope="module")
def fitted(corpus, cross_validated):
    """What the cross-validation leaves: its results, the kept models, and predictions."""
    return cross_validated(corpus, MODELS)


@pytest.fixture
def make_catalog(evaluation_catalog):
    def make(corpus, fitted, root, **parameters):
        evaluation = EvaluationParameters(
            n_resamples=100, n_permutations=100, importance=ImportanceParameters(n_repeats=3)
        )
        return evaluation_catalog(corpus, fitted, MODELS, root, evaluation, parameters)

    return make


def run(catalog):
    SequentialRunner().run(create_pipeline("voice_emotion", "voice", MODELS), catalog)


def test_models_that_read_descriptors_are_asked_which_they_need(make_catalog, corpus, fitted, tmp_path):
    run(make_catalog(corpus, fitted, tmp_path))

    table = pd.read_csv(tmp_path / "08_reporting/voice_emotion/importance.csv")
    assert list(table["model"].unique()) == ["lld", "svm"]
    assert (table["uar"] == 1).all()
    losses = table.pivot_table("loss", "model", "descriptors")
    assert (losses["voicing"] > 30).all()
    assert (losses[["energy", "spectral", "cepstral"]].abs() < 10).all(axis=None)
    page = (tmp_path / "08_reporting/voice_emotion/report.html").read_text(encoding="utf-8")
    assert "Importance of descriptors" in page
    assert (tmp_path / "08_reporting/voice_emotion/importance.png").is_file()


def test_models_are_asked_once(make_catalog, corpus, fitted, tmp_path, monkeypatch):
    run(make_catalog(corpus, fitted, tmp_path / "first"))

    def refuse(directory):
        raise AssertionError("asked again")

    monkeypatch.setattr("affetto.pipelines.evaluation.probes.load_estimator", refuse)
    run(make_catalog(corpus, fitted, tmp_path / "again"))

    first, again = (
        (tmp_path / name / "08_reporting/voice_emotion/importance.csv").read_text()
        for name in ("first", "again")
    )
    assert first == again


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"voice.emotion.experiment": ExperimentParameters(keep_models=False)}, "keep_models is false"),
        (
            {
                "evaluation": EvaluationParameters(
                    n_resamples=100, n_permutations=100, importance=ImportanceParameters(n_repeats=0)
                )
            },
            "n_repeats is 0",
        ),
    ],
)
def test_what_is_not_measured_is_said_in_table_and_report(
    make_catalog, corpus, fitted, tmp_path, parameters, said
):
    run(make_catalog(corpus, fitted, tmp_path, **parameters))

    (row,) = pd.read_csv(tmp_path / "08_reporting/voice_emotion/importance.csv").to_dict("records")
    assert said in row["note"]
    page = (tmp_path / "08_reporting/voice_emotion/report.html").read_text(encoding="utf-8")
    assert row["note"] in page
    assert 'id="importance"' not in page


def test_models_that_are_gone_or_damaged_are_an_error_and_no_empty_table(
    make_catalog, corpus, fitted, tmp_path
):
    two_seeds = {"voice.emotion.experiment": ExperimentParameters(keep_models=True, n_seeds=2)}
    with pytest.raises(AffettoError, match="is not kept"):
        run(make_catalog(corpus, fitted, tmp_path, **two_seeds))
    store, kept, predictions = fitted
    damaged = tmp_path / "models"
    shutil.copytree(kept, damaged)
    for weights in damaged.rglob("*.npz"):
        weights.write_bytes(weights.read_bytes()[:100])
    fresh = ResultStore(tmp_path / "results")
    shutil.copytree(store.root, fresh.root)
    changed = {
        "evaluation": EvaluationParameters(
            n_resamples=100, n_permutations=100, importance=ImportanceParameters(n_repeats=2, seed=7)
        )
    }
    with pytest.raises(AffettoError, match=r"is damaged.*delete that folder"):
        run(make_catalog(corpus, (fresh, damaged, predictions), tmp_path, **changed))


def test_a_side_without_descriptors_has_no_such_step():
    pipeline = create_pipeline("t", "music", {"mfcc_svm": MODELS["mfcc_svm"]})

    assert not [name for name in pipeline.datasets() if "importance" in name]


def test_only_features_of_models_with_descriptors_are_read():
    (node,) = (
        node for node in create_pipeline("t", "voice", MODELS).nodes if node.name.endswith("importance")
    )

    assert "voice.functionals" in node.inputs
    assert "voice.mfcc" not in node.inputs
