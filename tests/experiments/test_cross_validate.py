from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from affetto.corpora.parameters import SplitParameters
from affetto.corpora.splits import make_folds, make_random_folds
from affetto.errors import AffettoError
from affetto.experiments.cross_validate import (
    ExperimentParameters,
    ModelSpecification,
    calibrated_model,
    cross_validate,
    temperature_of,
)
from affetto.experiments.probes import fold_models
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.io.cache import CacheParameters
from affetto.io.workers import ExecutorParameters
from affetto.models.estimator import (
    build_estimator,
    describe_estimator,
    estimator_class,
    load_estimator,
    predict_clips,
)

SVM = ModelSpecification(estimator="statistics_svm", role="baseline", features=("mfcc",))
NOISY = {"kind": "pink_noise", "snr_db": 20.0}
COPIED = ModelSpecification(
    estimator="statistics_svm",
    role="baseline",
    features=("mfcc",),
    augmentation={"noisy": NOISY, "left_out": None},
)
HERE = ExecutorParameters(n_jobs=1, progress=False)
EMOTIONS = ("calm", "tense")
TINY = {"epochs": 2, "channels": (4,), "lstm_units": 4, "crop_s": 0.3, "lld_windows": {"units": 4}}


@pytest.fixture
def corpus():
    rng = np.random.default_rng(0)
    ids = [f"toy/{i:02d}" for i in range(24)]
    emotion = [EMOTIONS[i % 2] for i in range(24)]
    frames = [
        rng.normal(3.0 * (label == "tense"), 1, size=(20 + i, 6)).astype(np.float32)
        for i, label in enumerate(emotion)
    ]
    clips = pd.DataFrame({"clip_id": ids, "emotion": emotion, "group": [f"g{i // 4}" for i in range(24)]})
    folds = pd.DataFrame({"clip_id": ids, "fold": [(i // 4) % 3 for i in range(24)]})
    names = [f"mfcc_{i}" for i in range(6)]
    features = ClipFeatures.from_arrays("mfcc", ids, frames, dimensions=names, hop_s=0.02)
    return FeatureSet({"mfcc": features}), clips, folds


ONCE = ExperimentParameters()
KEPT = ExperimentParameters(keep_models=True)


def cached(folder):
    return CacheParameters(**{name: folder / name for name in ("features", "results", "models", "degraded")})


def where(folder):
    return {"executor": HERE, "cache": cached(folder), "description": "toy"}


def run(corpus, tmp_path, *, features=None, folds=None, seeds=1):
    return cross_validate(
        SVM,
        features or corpus[0],
        corpus[1],
        corpus[2] if folds is None else folds,
        experiment=ExperimentParameters(n_seeds=seeds),
        **where(tmp_path),
    )


def fit_all(specification, features, clips, folder, **named):
    """Cross-validate a model in three folds, and fit it on all clips."""
    folds = pd.DataFrame({"clip_id": clips["clip_id"], "fold": [(i // 4) % 3 for i in range(len(clips))]})
    arguments = {"experiment": ONCE, "on_all_clips": True, **where(folder), **named}
    return cross_validate(specification, features, clips, folds, **arguments)


def test_every_clip_is_predicted_once_by_a_model_that_has_not_seen_its_group(corpus, tmp_path):
    predictions = run(corpus, tmp_path).predictions

    assert sorted(predictions["clip_id"]) == sorted(corpus[1]["clip_id"])
    assert predictions.groupby("group")["fold"].nunique().eq(1).all()
    assert list(predictions.filter(regex="^p_").columns) == ["p_calm", "p_tense"]
    np.testing.assert_allclose(predictions[["p_calm", "p_tense"]].sum(axis=1), 1)
    assert (predictions["predicted"] == predictions["label"]).mean() > 0.9


def test_the_order_of_rows_changes_nothing(corpus, tmp_path):
    """Clip table, folds and features in orders of their own: the same folds, the same answer to each clip."""
    features, clips, _ = corpus
    clips = clips.assign(corpus="toy", side="voice", path=clips["clip_id"])
    found = []
    for number in range(2):
        rng = np.random.default_rng(number)
        first, second, third = (rng.permutation(24) if number else np.arange(24) for _ in range(3))
        shuffled = clips.iloc[first]
        grouped = make_folds(shuffled, SplitParameters(n_folds=3))
        random = make_random_folds(shuffled, grouped, seed=0)
        yielded = cross_validate(
            SVM,
            features.take(second),
            shuffled,
            grouped.iloc[third],
            random_folds=random.iloc[third],
            on_all_clips=True,
            experiment=ONCE,
            **where(tmp_path / str(number)),
        )
        answers = predict_clips(yielded.fitted, features).drop(columns=["times", "weights"])
        tables = [yielded.predictions, yielded.random_predictions, answers]
        found.append([table.set_index("clip_id").sort_index() for table in tables])
        for table in tables:
            assert list(table.filter(regex="^p_")) == ["p_calm", "p_tense"]  # one order at every exit
    for mine, theirs in zip(*found, strict=True):
        pd.testing.assert_frame_equal(mine, theirs, check_exact=False, rtol=0, atol=1e-12)


def test_models_are_fitted_on_clips_that_share_neither_group_nor_second_group(corpus, heard, tmp_path):
    features, clips, _ = corpus
    clips = clips.assign(corpus="toy", side="voice", second_group=[f"s{i // 2 % 2}" for i in range(24)])
    folds = make_folds(clips, SplitParameters(n_folds=3, second_folds=2))

    found = cross_validate(SVM, features, clips, folds, experiment=KEPT, **where(tmp_path))
    predictions, kept = found.predictions, fold_models("svm", vars(found), cached(tmp_path))

    assert sorted(predictions["clip_id"]) == sorted(clips["clip_id"])
    assert sorted(name for model in kept for name in model.test) == sorted(clips["clip_id"])
    assert len(heard) == predictions["fold"].nunique() == 6
    known = clips.set_index("clip_id")
    for model, (fitted, *_) in zip(kept, heard, strict=True):
        tested, trained = known.loc[list(model.test)], known.loc[list(fitted.clip_ids)]
        assert len(trained) == 8
        for name in ("group", "second_group"):
            assert not set(tested[name]) & set(trained[name])


def test_finished_folds_are_not_fitted_again(corpus, tmp_path, monkeypatch):
    first = run(corpus, tmp_path)

    def refuse(*_):
        raise AssertionError("fitted again")

    monkeypatch.setattr("affetto.experiments.cross_validate.build_estimator", refuse)
    again = run(corpus, tmp_path)

    pd.testing.assert_frame_equal(again.predictions, first.predictions)
    with pytest.raises(AssertionError, match="fitted again"):
        run(corpus, tmp_path, seeds=2)


def test_branches_of_a_joined_model_are_fitted_once_whichever_comes_first(tmp_path, monkeypatch):
    rng, y = np.random.default_rng(0), ["anger", "joy", "sad"] * 8
    sizes = {"log_mel": (20, 16), "lld": (30, 6), "functionals": (1, 50), "correlations": (1, 15)}
    x = FeatureSet(
        {
            name: ClipFeatures.from_arrays(
                name,
                [f"toy/{i}" for i in range(24)],
                [rng.normal(size=size) for _ in y],
                hop_s={"log_mel": 0.016, "lld": 0.010}.get(name),
            )
            for name, size in sizes.items()
        }
    )
    groups = [f"g{i // 4}" for i in range(24)]
    clips = pd.DataFrame({"clip_id": x.clip_ids, "emotion": y, "group": groups})
    folds = pd.DataFrame({"clip_id": x.clip_ids, "fold": [i // 12 for i in range(24)]})
    joined = ModelSpecification(
        estimator="crnn_lld",
        role="proposed",
        features=tuple(x),
        parameters={"crnn": TINY, "lld": {"penalty": 0.5}},
    )
    alone = {
        name: ModelSpecification(estimator=name, role="ablation", features=features, parameters=parameters)
        for name, features, parameters in (
            ("crnn", ("log_mel", "lld"), TINY),
            ("linear", ("functionals", "correlations"), {"penalty": 0.5}),
        )
    }

    def predict(specification, folder):
        own = FeatureSet({name: x[name] for name in specification.features})
        found = cross_validate(
            specification, own, clips, folds, experiment=KEPT, on_all_clips=True, **where(folder)
        )
        models = fold_models("toy", vars(found), cached(folder))
        return found, [*(model.directory for model in models), found.fitted]

    fitted = {name: predict(each, tmp_path / "alone") for name, each in alone.items()}
    together, _ = predict(joined, tmp_path / "joined")

    for kind in ("crnn.Crnn", "linear.Linear"):
        monkeypatch.setattr(f"affetto.models.{kind}._fit", None)
    afterwards, _ = predict(joined, tmp_path / "alone")
    pd.testing.assert_frame_equal(afterwards.predictions, together.predictions)
    assert afterwards.cost["fit_seconds"] > max(found.cost["fit_seconds"] for found, _ in fitted.values())
    monkeypatch.setattr("affetto.experiments.cross_validate.build_estimator", None)

    for name, (expected, models) in fitted.items():
        found, kept = predict(alone[name], tmp_path / "joined")
        pd.testing.assert_frame_equal(found.predictions, expected.predictions)
        pd.testing.assert_frame_equal(found.attention, expected.attention)
        assert found.cost["fit_seconds"] > 0
        for directory, other in zip(kept, models, strict=True):
            own = FeatureSet({feature: x[feature] for feature in alone[name].features})
            pd.testing.assert_frame_equal(predict_clips(directory, own), predict_clips(other, own))


def test_kept_models_of_the_folds_predict_as_they_did_in_cross_validation(corpus, tmp_path):
    features, clips, folds = corpus
    twice = ExperimentParameters(n_seeds=2, keep_models=True)
    predictions = cross_validate(SVM, features, clips, folds, experiment=twice, **where(tmp_path))

    kept = fold_models("svm", vars(predictions), cached(tmp_path))

    assert [(model.seed, model.fold) for model in kept] == [(s, f) for s in range(2) for f in range(3)]
    for model in kept:
        own = predictions.predictions.query(f"fold == {model.fold} and seed == {model.seed}")
        assert list(own["clip_id"]) == list(model.test)
        again = load_estimator(model.directory).predict_proba(features.select(model.test))
        np.testing.assert_allclose(again, own[["p_calm", "p_tense"]], atol=1e-6)


@pytest.mark.parametrize("enrolment", ["speaker", "corpus"])
def test_test_clips_may_be_heard_relative_to_their_speaker_or_to_all(tmp_path, enrolment):
    """Every speaker has an offset of their own, which a model that hears clip by clip cannot know."""
    rng = np.random.default_rng(0)
    emotion = [EMOTIONS[i % 2] for i in range(48)]
    group = [f"g{i // 8}" for i in range(48)]
    offsets = np.repeat(rng.normal(0, 5, (6, 10)), 8, axis=0)
    vectors = offsets + rng.normal(0, 0.2, (48, 10)) + np.array([[label == "tense"] for label in emotion])
    ids = [f"toy/{i:02d}" for i in range(48)]
    features = FeatureSet({"functionals": ClipFeatures.from_arrays("functionals", ids, list(vectors))})
    clips = pd.DataFrame({"clip_id": ids, "emotion": emotion, "group": group})
    folds = pd.DataFrame({"clip_id": ids, "fold": [i // 8 % 6 for i in range(48)]})
    given = {"estimator": "linear", "role": "baseline", "features": ("functionals",)}
    given["parameters"] = {"features": ["functionals"], "enrolment_prior": 0.0}
    correct = {}
    for how in (None, enrolment):
        model = ModelSpecification(**given, enrolment=how)
        told = cross_validate(model, features, clips, folds, experiment=ONCE, **where(tmp_path)).predictions
        correct[how] = (told["predicted"] == told["label"]).mean()
    assert correct[enrolment] > 0.95 > correct[None]


def test_a_model_that_was_not_kept_or_is_gone_is_asked_for_in_one_sentence(corpus, tmp_path):
    none = vars(run(corpus, tmp_path))
    kept = vars(cross_validate(SVM, *corpus, experiment=KEPT, **where(tmp_path)))
    shutil.rmtree(cached(tmp_path).models / kept["models"]["folder"].iloc[1])

    for found in (none, {"predictions": none["predictions"]}, kept):
        with pytest.raises(AffettoError, match="keep_models was false, or the cache was cleared"):
            fold_models("svm", found, cached(tmp_path))
    again = vars(cross_validate(SVM, *corpus, experiment=KEPT, **where(tmp_path)))
    assert len(fold_models("svm", again, cached(tmp_path))) == 3


def test_only_clips_with_features_in_a_tested_fold_are_predicted(corpus, tmp_path):
    features, clips, folds = corpus
    holdout = folds.assign(fold=np.where(folds["fold"] == 0, 0, -1))

    told = run(corpus, tmp_path, folds=holdout).predictions
    fewer = run(corpus, tmp_path, features=features.take(np.arange(20))).predictions

    assert set(told["clip_id"]) == set(holdout.loc[holdout["fold"] == 0, "clip_id"])
    assert set(fewer["clip_id"]) == set(clips["clip_id"][:20])
    with pytest.raises(AffettoError, match="no fold has both training and test clips"):
        run(corpus, tmp_path, folds=folds.assign(fold=-1))


def test_the_model_of_all_clips_is_calibrated_and_found_again(corpus, tmp_path):
    features, clips, _ = corpus
    found = fit_all(SVM, features, clips, tmp_path)

    directory = calibrated_model(found, {"name": "toy"})
    written = (directory / "signature.json").stat().st_mtime_ns

    again = fit_all(SVM, features, clips, tmp_path)
    assert again.fitted == found.fitted
    assert calibrated_model(again, {"name": "toy"}) == directory
    assert (directory / "signature.json").stat().st_mtime_ns == written
    assert calibrated_model(found, {"name": "other"}) != directory
    table = predict_clips(directory, features)
    np.testing.assert_allclose(table[["p_calm", "p_tense"]].sum(axis=1), 1)
    model = load_estimator(directory)
    assert model.temperature == temperature_of(found.predictions) != 1.0
    assert model.learnt_from_ == {"name": "toy"}
    assert load_estimator(found.fitted).temperature == 1.0
    with pytest.raises(ValueError, match="not fitted on all clips"):
        calibrated_model(run(corpus, tmp_path), {})


def test_all_fits_of_a_model_go_to_one_pool_the_longest_first(corpus, tmp_path, monkeypatch):
    pools = []

    def note(function, shards, *_, **__):
        pools.append([(fit.fold, len(fit.train)) for fit in shards])
        for fit in shards:
            function(fit)

    monkeypatch.setattr("affetto.experiments.folds.map_shards", note)
    random = corpus[2].assign(fold=[i // 2 % 2 for i in range(24)])
    found = fit_all(SVM, corpus[0], corpus[1], tmp_path, random_folds=random)

    assert pools == [[(-1, 24), (0, 16), (1, 16), (2, 16), (0, 12), (1, 12)]]
    assert set(found.predictions["fold"]) == {0, 1, 2}
    assert set(found.random_predictions["fold"]) == {0, 1}


@pytest.fixture
def copies(corpus):
    """The clips of the corpus as they would sound in noise, but for one that could not be copied."""
    mfcc = corpus[0]["mfcc"]
    frames = [clip + 0.1 for clip in mfcc][1:]
    names = mfcc.dimensions
    copied = ClipFeatures.from_arrays("mfcc", mfcc.clip_ids[1:], frames, dimensions=names, hop_s=0.02)
    return {"noisy": FeatureSet({"mfcc": copied})}


@pytest.fixture
def heard(monkeypatch):
    """What every estimator is fitted on: clips, labels and groups."""
    fits = []

    def build(*arguments):
        estimator = build_estimator(*arguments)
        fit = estimator.fit

        def listen(x, labels, groups):
            fits.append((x, list(labels), list(groups)))
            return fit(x, labels, groups)

        estimator.fit = listen
        return estimator

    monkeypatch.setattr("affetto.experiments.cross_validate.build_estimator", build)
    return fits


def check_what_was_heard(heard, corpus, trained):
    """Each fit hears the clips and their copies, both with the label and the group of the clip."""
    _, clips, _ = corpus
    emotion, group = (clips.set_index("clip_id")[name] for name in ("emotion", "group"))
    for (x, labels, groups), train in zip(heard, trained, strict=True):
        originals = [clip_id.removesuffix("#noisy") for clip_id in x.clip_ids]
        assert x.clip_ids == (*train, *(f"{clip_id}#noisy" for clip_id in train if clip_id != "toy/00"))
        assert labels == list(emotion[originals])
        assert groups == list(group[originals])
        plain = dict(zip(x.clip_ids, x["mfcc"], strict=True))
        for clip_id in train:
            if clip_id != "toy/00":
                np.testing.assert_allclose(plain[f"{clip_id}#noisy"], plain[clip_id] + 0.1, atol=1e-5)


def test_models_hear_copies_of_their_training_clips_and_never_of_test_clips(corpus, copies, heard, tmp_path):
    features, clips, folds = corpus
    named = {"experiment": KEPT, "on_all_clips": True, "copies": copies, **where(tmp_path)}
    found = cross_validate(COPIED, features, clips, folds, **named)

    trained = [clips["clip_id"], *(folds["clip_id"][folds["fold"] != fold] for fold in range(3))]
    check_what_was_heard(heard, corpus, trained)
    assert sorted(found.predictions["clip_id"]) == sorted(clips["clip_id"])
    # They are found again without their copies, which follow from the clips and the conditions.
    fitted = len(heard)
    again = cross_validate(COPIED, features, clips, folds, **{**named, "copies": None})
    assert len(heard) == fitted
    assert again.models.equals(found.models)


def fits(corpus, tmp_path, **conditions):
    """Return the names that the fits of a model with copies in these conditions are found by."""
    specification = SVM.model_validate({**SVM.model_dump(), "augmentation": conditions})
    copies = dict.fromkeys(specification.conditions, corpus[0])
    named = {"experiment": KEPT, "copies": copies, **where(tmp_path)}
    return list(cross_validate(specification, *corpus, **named).models["folder"])


def test_a_fit_is_found_by_the_conditions_of_its_copies(corpus, tmp_path):
    plain = fits(corpus, tmp_path)
    noisy = fits(corpus, tmp_path, noisy=NOISY)
    assert plain == fits(corpus, tmp_path, noisy=None)
    assert noisy == fits(corpus, tmp_path, noisy={**NOISY, "tolerance": 3.0}, other=None)
    others = [
        fits(corpus, tmp_path, noisy={**NOISY, "snr_db": 10.0}),
        fits(corpus, tmp_path, noisy=NOISY, telephone={"kind": "telephone"}),
    ]
    for i, found in enumerate([plain, noisy, *others]):
        assert all(found != other for other in [plain, noisy, *others][:i])


def test_a_fit_is_stale_when_the_version_of_the_model_or_of_a_branch_was_raised(monkeypatch):
    joined = describe_estimator("crnn_lld")
    assert joined == describe_estimator("crnn_lld")
    branch = next(iter(build_estimator("crnn_lld").branches.values()))
    for changed in (type(branch), estimator_class("crnn_lld")):
        monkeypatch.setattr(changed, "VERSION", changed.VERSION + 1)
        assert describe_estimator("crnn_lld") != joined
        monkeypatch.undo()
