from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from affetto.pipelines.evaluation.pipeline import create_pipeline
from kedro.runner import SequentialRunner

from affetto.evaluation.parameters import EvaluationParameters, HighlightTestParameters
from affetto.features.clip_features import ClipFeatures
from affetto.models.specification import ExperimentParameters, ModelSpecification

KEPT = ExperimentParameters(keep_models=True)
MODELS = {
    "lld": ModelSpecification(
        estimator="attention_lstm",
        role="proposed",
        features=("mfcc",),
        parameters={"epochs": 8, "units": 8, "batch_size": 16, "learning_rate": 0.02, "window_s": 0.5},
    ),
    "mfcc_svm": ModelSpecification(estimator="mfcc_svm", role="baseline", features=("mfcc",)),
}
FOLDER = "08_reporting/voice_emotion"


@pytest.fixture(scope="module")
def corpus():
    """Clips of 6 s whose emotion is heard in one second only."""
    rng, n_groups, n_each = np.random.default_rng(0), 9, 4
    ids = [f"toy/{group}-{i}" for group in range(n_groups) for i in range(n_each)]
    emotions = [("calm", "tense")[i % 2] for i in range(len(ids))]
    frames = []
    for emotion in emotions:
        clip = 0.3 * rng.normal(size=(120, 3))
        start = 20 * int(rng.integers(6))
        clip[start : start + 20, 0] += 3
        clip[start : start + 20, 1] += 3 if emotion == "tense" else -3
        frames.append(clip)
    features = {"mfcc": ClipFeatures.from_arrays("mfcc", ids, frames, hop_s=0.05)}
    groups = [f"g{i // n_each}" for i in range(len(ids))]
    clips = pd.DataFrame({"clip_id": ids, "emotion": emotions, "group": groups})
    folds = pd.DataFrame({"clip_id": ids, "fold": [(i // n_each) % 3 for i in range(len(ids))]})
    return features, clips, folds


@pytest.fixture(scope="module")
def fitted(corpus, cross_validated):
    return cross_validated(corpus, MODELS)


def run(evaluation_catalog, corpus, fitted, root, *, length_s=1.5, experiment=KEPT):
    evaluation = EvaluationParameters(
        n_resamples=200,
        n_permutations=200,
        highlights=HighlightTestParameters(length_s=length_s, n_random=3),
    )
    changed = {"voice.emotion.experiment": experiment}
    catalog = evaluation_catalog(corpus, fitted, MODELS, root, evaluation, changed)
    SequentialRunner().run(create_pipeline("voice_emotion", "voice", MODELS, highlights=True), catalog)
    table = pd.read_csv(root / FOLDER / "highlights.csv")
    return table, (root / FOLDER / "report.html").read_text(encoding="utf-8")


def test_only_models_that_attend_are_asked(evaluation_catalog, corpus, fitted, tmp_path):
    table, page = run(evaluation_catalog, corpus, fitted, tmp_path)
    (row,) = table.to_dict("records")
    assert (row["model"], row["n_clips"], row["length_s"]) == ("lld", 36, 1.5)
    assert row["uar_highlight"] > row["uar_random"] + 0.1
    assert row["gain_ci_low"] > 0
    assert 'id="highlights"' in page


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"length_s": None}, "length_s is null"),
        ({"length_s": 6.0}, "no clip is long enough"),
        ({"experiment": ExperimentParameters(keep_models=False)}, "keep_models is false"),
    ],
)
def test_what_cannot_be_tested_is_said(
    evaluation_catalog, corpus, fitted, tmp_path, caplog, changed, message
):
    with caplog.at_level("INFO"):
        table, page = run(evaluation_catalog, corpus, fitted, tmp_path, **changed)
    assert table.empty
    assert message in caplog.text
    assert 'id="highlights"' not in page


def test_models_that_attend_to_spectrograms_are_not_asked():
    spectral = ModelSpecification(estimator="crnn", role="ablation", features=("log_mel",))
    pipeline = create_pipeline("music_emotion", "music", {**MODELS, "crnn": spectral}, highlights=True)
    (node,) = [node for node in pipeline.nodes if node.short_name == "highlights"]
    assert "params:music.emotion.models.lld" in node.inputs
    assert "params:music.emotion.models.crnn" not in node.inputs
