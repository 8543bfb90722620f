"""Probes of fitted models whose answers are known beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.errors import AffettoError
from affetto.evaluation.parameters import EvaluationParameters
from affetto.experiments import probes
from affetto.experiments.cross_validate import ExperimentParameters, ModelSpecification, cross_validate
from affetto.experiments.probe_tables import probe_metrics, probe_table
from affetto.experiments.probes import Experiment, choose_clips
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.extract import extract
from affetto.features.mfcc import MfccParameters
from affetto.io.cache import CacheParameters
from affetto.io.workers import ExecutorParameters

HERE = ExecutorParameters(n_jobs=1, progress=False)
KEPT = ExperimentParameters(keep_models=True)
CONDITIONS = {
    "flac": {"kind": "codec", "format": "flac"},
    "m4a": {"kind": "codec", "format": "m4a"},
    "drowned": {"kind": "pink_noise", "snr_db": -20.0},
}


def evaluation(**changed) -> EvaluationParameters:
    quick = {"n_permutations": 200, "robustness": {"conditions": CONDITIONS}}
    own = {
        "importance": {"n_repeats": 3},
        "enrolment": {"sizes": (4, 8), "repeats": 2},
        "highlights": {"length_s": 1.5, "n_random": 3},
        "strangers": {"noise": {"kind": "noise"}},
    }
    return EvaluationParameters.model_validate({**quick, **own, **changed})


def model(estimator: str, role: str, feature: str, **parameters) -> ModelSpecification:
    return ModelSpecification(estimator=estimator, role=role, features=(feature,), parameters=parameters)


LINEAR = model("linear", "proposed", "functionals", features=["functionals"])
SVM = model("functionals_svm", "baseline", "functionals", C=0.1)
MFCC_SVM = model("statistics_svm", "baseline", "mfcc")
CRNN = model("crnn", "ablation", "log_mel")


def table(ids: list[str], emotions: list[str], n_each: int) -> pd.DataFrame:
    groups = [i // n_each for i in range(len(ids))]
    return pd.DataFrame(
        {
            "clip_id": ids,
            "emotion": emotions,
            "group": [f"g{group}" for group in groups],
            "fold": [group % 3 for group in groups],
        }
    )


def fit(
    features: Mapping[str, ClipFeatures],
    clips: pd.DataFrame,
    models: Mapping[str, ModelSpecification],
    root: Path,
    experiment: ExperimentParameters = KEPT,
    recordings: Path = Path(),
) -> Experiment:
    """Cross-validate models and keep them, as the pipeline does."""
    folds = clips.loc[clips["emotion"].notna(), ["clip_id", "fold"]]
    cache = CacheParameters(**{name: root / name for name in ("features", "results", "models", "degraded")})
    results = {
        name: vars(
            cross_validate(
                each,
                FeatureSet({feature: features[feature] for feature in each.features}),
                clips,
                folds,
                experiment=experiment,
                cache=cache,
                executor=HERE,
                description=name,
            )
        )
        for name, each in models.items()
    }
    return Experiment(
        models=models,
        results=results,
        features=features,
        clips=clips,
        folds=folds,
        root=recordings,
        other_roots={},
        degraded=root / "degraded",
        parameters=experiment,
        cache=cache,
        executor=HERE,
    )


@pytest.fixture(scope="module")
def voiced(tmp_path_factory):
    """Only what is voiced tells the emotion; the MFCC of the other extractor do so too."""
    rng, ids = np.random.default_rng(0), [f"toy/{i:02d}" for i in range(36)]
    sign = np.tile([-1.0, 1.0], 18)
    names = (
        *("pcm_RMSenergy_sma_amean", "pcm_zcr_sma_amean", "F0final_sma_amean", "jitterLocal_sma_amean"),
        *("audSpec_Rfilt_sma[0]_amean", "mfcc_sma[1]_amean", "mfcc_sma[2]_amean"),
    )
    vectors = rng.normal(size=(36, len(names)))
    vectors[:, 2:4] = 5 * sign[:, None] + 0.1 * vectors[:, 2:4]
    frames = [rng.normal(2 * one, 1, size=(20, 3)) for one in sign]
    features = {
        "functionals": ClipFeatures.from_arrays(
            "functionals", ids, list(vectors), dimensions=names, parameters={"extractor": "opensmile"}
        ),
        "mfcc": ClipFeatures.from_arrays("mfcc", ids, frames, hop_s=0.02),
    }
    models = {"lld": LINEAR, "svm": SVM, "mfcc_svm": MFCC_SVM}
    return fit(features, table(ids, ["calm", "tense"] * 18, 4), models, tmp_path_factory.mktemp("voiced"))


@pytest.fixture(scope="module")
def speakers(tmp_path_factory):
    """Emotion moves a number by less than speakers differ in it."""
    rng, n_speakers, n_each = np.random.default_rng(0), 9, 12
    ids = [f"toy/{speaker}-{i:02d}" for speaker in range(n_speakers) for i in range(n_each)]
    offset = np.repeat(rng.permutation(np.linspace(-4, 4, n_speakers)), n_each)
    moved = np.tile([-1.0, 1.0], len(ids) // 2) + offset + 0.1 * rng.normal(size=len(ids))
    vectors = np.stack([moved, rng.normal(size=len(ids))], axis=1)
    names = ("F0final_sma_amean", "pcm_zcr_sma_amean")
    features = {"functionals": ClipFeatures.from_arrays("functionals", ids, list(vectors), dimensions=names)}
    prior = {**LINEAR.parameters, "enrolment_prior": 0.0}
    models = {"lld": LINEAR.model_copy(update={"parameters": prior}), "svm": SVM}
    clips = table(ids, ["calm", "tense"] * (len(ids) // 2), n_each)
    return fit(features, clips, models, tmp_path_factory.mktemp("speakers"))


@pytest.fixture(scope="module")
def moments(tmp_path_factory):
    """Clips of 6 s whose emotion is heard in one second only."""
    rng, ids = np.random.default_rng(0), [f"toy/{i:02d}" for i in range(36)]
    frames = []
    for i in range(36):
        clip = 0.3 * rng.normal(size=(120, 3))
        start = 20 * int(rng.integers(6))
        clip[start : start + 20] += [3, (-3, 3)[i % 2], 0]
        frames.append(clip)
    features = {"mfcc": ClipFeatures.from_arrays("mfcc", ids, frames, hop_s=0.05)}
    quick = {"epochs": 8, "units": 8, "batch_size": 16, "learning_rate": 0.02, "window_s": 0.5}
    models = {"lstm": model("attention_lstm", "proposed", "mfcc", **quick), "mfcc_svm": MFCC_SVM}
    return fit(features, table(ids, ["calm", "tense"] * 18, 4), models, tmp_path_factory.mktemp("moments"))


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Twelve tones of two pitches, and their MFCC."""
    root, rng = tmp_path_factory.mktemp("tones"), np.random.default_rng(0)
    for i in range(12):
        hz = (200 if i % 2 else 900) * (1 + 0.02 * i)
        samples = 0.3 * np.sin(2 * np.pi * hz * np.arange(8_000) / 16_000) + 0.001 * rng.normal(size=8_000)
        soundfile.write(root / f"{i}.wav", samples, 16_000)
    clips = table([f"toy/{i}" for i in range(12)], ["calm", "tense"] * 6, 3)
    clips = clips.assign(path=[f"{i}.wav" for i in range(12)], fold=np.arange(12) // 6)
    kind = MfccParameters(sample_rate_hz=16_000, n_fft=512, hop=160)
    stores = tmp_path_factory.mktemp("stores")
    return root, clips, {"mfcc": extract(clips, root, {"mfcc": kind}, stores, HERE)["mfcc"].features}


TONE_MODELS = {
    "svm": model("statistics_svm", "proposed", "mfcc", C=3.0),
    "soft_svm": model("statistics_svm", "baseline", "mfcc", C=0.01),
}
TWICE = ExperimentParameters(n_seeds=2, keep_models=True)


@pytest.fixture
def toned(tones, tmp_path):
    root, clips, features = tones
    return fit(features, clips, TONE_MODELS, tmp_path / "fits", TWICE, root)


def test_models_that_read_descriptors_are_asked_which_they_need(voiced):
    told = probe_table(voiced, evaluation(), "importance")

    assert list(told["model"].unique()) == ["lld", "svm"]
    assert (told["uar"] == 1).all()
    losses = told.pivot_table("loss", "model", "descriptors")
    assert (losses["voicing"] > 30).all()
    assert (losses[["energy", "spectral", "cepstral"]].abs() < 10).all(axis=None)


def test_speakers_are_enrolled_with_the_models_that_can(speakers):
    told = probe_table(speakers, evaluation(), "enrolment")

    assert told[["model", "n_enrolled", "n_speakers"]].to_numpy().tolist() == [["lld", 4, 9], ["lld", 8, 9]]
    assert (told["uar_anyone"] < 0.8).all()
    assert (told["uar_enrolled"] > 0.85).all()
    np.testing.assert_allclose(told["gain"], 100 * (told["uar_enrolled"] - told["uar_anyone"]))
    assert (told["gain_ci_low"] > 0).all()


def test_models_that_attend_are_asked_about_their_highlights(moments):
    (row,) = probe_table(moments, evaluation(), "highlights").to_dict("records")

    assert (row["model"], row["n_clips"], row["length_s"]) == ("lstm", 36, 1.5)
    assert row["uar_highlight"] > row["uar_random"] + 0.1
    assert row["gain_ci_low"] > 0


def test_every_model_is_tested_in_every_condition(toned):
    told = probe_table(toned, evaluation(), "robustness").set_index(["model", "condition"])

    assert list(told.index) == [(name, condition) for condition in CONDITIONS for name in TONE_MODELS]
    assert told.loc[("svm", "flac"), ["change", "within_tolerance", "n_clips"]].tolist() == [
        0.0,
        "no",
        12,
    ]
    clean = toned.results["svm"]["predictions"]
    recall = (clean["label"] == clean["predicted"]).groupby(clean["label"]).mean()
    assert told.loc[("svm", "flac"), "uar_clean"] == pytest.approx(recall.mean())
    assert told.loc[("svm", "drowned"), "change"] < -20
    assert told.loc[("svm", "drowned"), "within_tolerance"] == "no"
    assert np.isfinite(told.loc[("soft_svm", "m4a"), "uar"])


def test_strangers_are_heard_by_the_models_of_all_folds(toned, tmp_path):
    others = tmp_path / "others"
    (others / "deep").mkdir(parents=True)
    for name in ("a.wav", "deep/b.flac"):
        soundfile.write(others / name, 0.1 * np.random.default_rng(1).normal(size=32_000), 16_000)
    strangers = {
        "excerpt": {"kind": "excerpt", "seconds": 0.1},
        "noise": {"kind": "noise"},
        "others": {"kind": "recordings", "folder": str(others), "seconds": 0.5},
        "missing": {"kind": "recordings", "folder": str(tmp_path / "none")},
        "unlabelled": {"kind": "unlabelled"},
    }

    told = probe_table(
        toned, evaluation(strangers=strangers, robustness={"max_clips_per_fold": 2}), "strangers"
    ).set_index(["model", "strangers"])

    assert list(told.loc["svm"].index) == list(strangers)
    sizes = told.loc["svm", ["n_strangers", "n_held_out"]]
    assert sizes.to_numpy().tolist() == [[4, 12], [4, 12], [2, 12], [0, 0], [0, 0]]
    assert told["auroc_novelty"].isna().all()  # no SVM tells it
    assert told.loc["svm", "auroc_doubt"].between(0, 1).tolist() == [True, True, True, False, False]
    assert "there is no folder" in told.loc[("soft_svm", "missing"), "note"]
    assert "no unlabelled clip" in told.loc[("soft_svm", "unlabelled"), "note"]
    assert not list(others.glob("**/*affetto*"))


def test_unlabelled_clips_are_strangers_to_the_model_that_did_not_hear_their_group(tones, tmp_path):
    root, clips, features = tones
    clips = clips.copy()
    clips.loc[[0, 7], "emotion"] = None  # one of each fold

    told = probe_table(
        fit(features, clips, TONE_MODELS, tmp_path, TWICE, root),
        evaluation(strangers={"unlabelled": {"kind": "unlabelled"}}),
        "strangers",
    )

    assert told["n_strangers"].tolist() == [2, 2]
    assert told["n_held_out"].tolist() == [10, 10]
    assert told["auroc_doubt"].between(0, 1).all()


ASKED = {
    "importance": "voiced",
    "enrolment": "speakers",
    "highlights": "moments",
    "robustness": "toned",
    "strangers": "toned",
}


@pytest.mark.parametrize("name", ASKED)
def test_models_are_asked_once(request, monkeypatch, name):
    fitted = request.getfixturevalue(ASKED[name])
    first = probe_table(fitted, evaluation(), name)

    def refuse(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(probes, "load_estimator", refuse)
    monkeypatch.setattr("affetto.features.extract.extract_together", refuse)

    pd.testing.assert_frame_equal(probe_table(fitted, evaluation(), name), first)


@pytest.mark.parametrize("name", ASKED)
def test_a_model_that_is_missing_stops_the_probe_table(request, name):
    fitted = request.getfixturevalue(ASKED[name])
    without = {model: {**each, "models": each["models"].iloc[1:]} for model, each in fitted.results.items()}
    fitted = replace(fitted, results=without)

    with pytest.raises(AffettoError, match="is not kept"):
        probe_table(fitted, evaluation(), name)


@pytest.mark.parametrize(
    ("name", "changed", "models", "reason"),
    [
        ("importance", {"importance": {"n_repeats": 0}}, None, "n_repeats is 0"),
        ("importance", {}, {"mfcc_svm": MFCC_SVM}, "no model of the table reads descriptors"),
        ("enrolment", {"enrolment": {"sizes": ()}}, None, "sizes names none"),
        ("enrolment", {"enrolment": {"sizes": (12,)}}, None, "no model has clips"),
        ("enrolment", {}, {"svm": SVM}, "no model of the table can be enrolled"),
        ("highlights", {"highlights": {"length_s": None}}, None, "length_s is null"),
        ("highlights", {"highlights": {"length_s": 6.0}}, None, "no model has clips"),
        ("highlights", {}, {"crnn": CRNN, "svm": MFCC_SVM}, "no model of the table attends"),
        ("robustness", {"robustness": {"conditions": {}}}, None, "names none"),
        ("strangers", {"strangers": {"noise": None}}, None, "names none"),
    ],
)
def test_nothing_to_ask_is_said_once_and_gives_the_reason_as_its_table(
    request, caplog, name, changed, models, reason
):
    fitted = request.getfixturevalue(ASKED[name])
    if models is not None:
        fitted = replace(fitted, models=models)
    caplog.set_level("INFO", logger="affetto")

    told = probe_table(fitted, evaluation(**changed), name)

    assert told["model"].isna().tolist() == [True]
    assert probe_metrics({name: told}, "lld") == {}
    (message,) = caplog.messages
    assert message.startswith(f"{name.capitalize()} is not measured: ")
    assert reason in message
    assert told["note"].tolist() == [message]


@pytest.mark.parametrize("name", ASKED)
def test_without_kept_models_nobody_is_asked(request, caplog, name):
    fitted = replace(request.getfixturevalue(ASKED[name]), parameters=ExperimentParameters())
    caplog.set_level("INFO", logger="affetto")

    assert probe_table(fitted, evaluation(), name)["model"].isna().tolist() == [True]
    (message,) = caplog.messages
    assert "keep_models is false" in message
    assert not fitted.degraded.exists()


def test_what_is_tracked_of_a_model_is_what_is_known():
    robustness = {"model": "m", "condition": ["a", "b", "c"], "change": [-1.0, 1.5, np.nan]}
    strangers = {"model": "m", "strangers": ["noise"], "auroc_novelty": np.nan, "auroc_doubt": 0.5}
    tables = {
        "robustness": pd.DataFrame({**robustness, "within_tolerance": ["yes", "no", ""]}),
        "enrolment": pd.DataFrame({"model": ["m", "n"], "n_enrolled": [5, 5], "gain": [5.0, 1.0]}),
        "strangers": pd.DataFrame(strangers),
        "importance": pd.DataFrame({"model": ["m"], "loss": [1.0]}),
    }

    assert probe_metrics(tables, "m") == {
        "robustness_a_change": -1.0,
        "robustness_b_change": 1.5,
        "robustness_within": 0.5,
        "enrolment_5_gain": 5.0,
        "strangers_noise_doubt": 0.5,
    }
    assert probe_metrics(tables, "other") == {}


def tables(emotions, fold):
    ids = [f"c/{i}" for i in range(len(emotions))]
    return pd.DataFrame({"clip_id": ids, "emotion": emotions}), pd.DataFrame({"clip_id": ids, "fold": fold})


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-1, 2)), min_size=1), st.integers(1, 9))
@settings(max_examples=20)
def test_no_fold_has_more_clips_than_asked_for_and_emotions_are_balanced(drawn, most):
    clips, folds = tables(*map(list, zip(*drawn, strict=True)))

    chosen = folds.merge(clips, on="clip_id").set_index("clip_id").loc[choose_clips(clips, folds, most)]

    assert -1 not in set(chosen["fold"])
    for fold, of_fold in folds[folds["fold"] >= 0].groupby("fold"):
        assert (chosen["fold"] == fold).sum() == min(most, len(of_fold))
        whole = clips[clips["clip_id"].isin(of_fold["clip_id"])]["emotion"].value_counts()
        taken = chosen[chosen["fold"] == fold]["emotion"].value_counts().reindex(whole.index, fill_value=0)
        short = taken[taken < whole]  # an emotion that has clips left has no fewer than any other, but one
        assert short.empty or taken.max() - short.min() <= 1


def test_without_a_limit_all_tested_clips_are_taken():
    clips, folds = tables(["a"] * 4, [0, -1, 1, 1])

    assert choose_clips(clips, folds, None) == ["c/0", "c/2", "c/3"]
