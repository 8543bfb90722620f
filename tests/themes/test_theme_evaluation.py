import numpy as np
import pandas as pd
import pytest

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.io.cache import ResultStore
from affetto.io.workers import ExecutorParameters
from affetto.themes import evaluation
from affetto.themes.baselines import (
    CLASSIFIERS,
    DISCOVERY_ROLES,
    DISCRIMINATION_ROLES,
    classify,
    roles_of,
)
from affetto.themes.comparison import discovery_scores, discrimination_scores
from affetto.themes.evaluation import (
    DISCOVERY_COLUMNS,
    discover_themes,
    discriminate_themes,
    frequent_labels,
    make_folds_to_run,
)
from affetto.themes.parameters import (
    CodebookParameters,
    DescriptorParameters,
    ThemeEvaluationParameters,
    ThemeParameters,
    TopicParameters,
)

SERIAL = ExecutorParameters(n_jobs=1, progress=False)
PARAMETERS = ThemeParameters(
    codebook=CodebookParameters(
        descriptors={"timbre": DescriptorParameters(dimensions=("mfcc_",), n_words=12)}, sample_frames=2000
    ),
    topics=TopicParameters(candidates=(2, 3), passes=10, min_clips_per_topic=5, document_length=60),
    evaluation=ThemeEvaluationParameters(n_themes=3, n_topics=3, min_label_clips=4),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return ResultStore(tmp_path_factory.mktemp("results"))


def test_discovery_finds_planted_themes(planted, store):
    tables, metrics = discover_themes(*planted, PARAMETERS, executor=SERIAL, store=store)
    assert list(tables) == list(DISCOVERY_ROLES)
    for model, scores in metrics.items():
        assert len(tables[model]) == 72
        assert set(scores) == {
            *("theme_ami", "theme_precision_at_10"),
            *("coherence_npmi", "stability_ari", "n_themes"),
        }
    assert metrics["lda_audio_words"]["theme_ami"] > 0.9
    assert metrics["lda_audio_words"]["theme_precision_at_10"] > 0.7
    assert list(tables["lda_audio_words"].columns) == list(DISCOVERY_COLUMNS)


def test_discrimination_tells_planted_themes(planted, store):
    tables, metrics = discriminate_themes(*planted, PARAMETERS, executor=SERIAL, store=store)
    assert list(tables) == list(CLASSIFIERS)
    for table in tables.values():
        probabilities = table[["p_a", "p_b", "p_c"]].to_numpy()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        assert (table["predicted"] == np.array(list("abc"))[probabilities.argmax(axis=1)]).all()
        assert table["clip_id"].is_unique
    assert metrics["lda_audio_words"]["theme_accuracy"] > 0.9


@pytest.mark.parametrize("hop_s", [None, 1.5])
def test_a_frozen_embedding_stands_beside_the_themes(planted, tmp_path, hop_s):
    """As statistics or as frames; what needs no embedding stays as it is, found again in the cache."""
    features, clips, folds = planted
    rng, themes = np.random.default_rng(0), dict(zip(clips["clip_id"], clips["theme"], strict=True))
    centres = {"a": 0.0, "b": 5.0, "c": 10.0, None: 0.0}
    n_frames = 1 if hop_s is None else 3
    ids = [clip_id for clip_id in features.clip_ids if clip_id != "demo/silent"]
    arrays = [np.tile(rng.normal(centres[themes[clip_id]], 1, 4), (n_frames, 1)) for clip_id in ids]
    encoder = ClipFeatures.from_arrays("encoder", ids, arrays, hop_s=hop_s)
    joined = FeatureSet.align({"encoder": encoder, **features}, ids)
    store, options = ResultStore(tmp_path), {"executor": SERIAL}
    _, found = discover_themes(joined, clips, folds, PARAMETERS, **options, store=store)
    tables, told = discriminate_themes(joined, clips, folds, PARAMETERS, **options, store=store)
    assert list(found) == [*DISCOVERY_ROLES, "kmeans_encoder"]
    assert list(told) == [*CLASSIFIERS, "svm_encoder"]
    assert found["kmeans_encoder"]["theme_ami"] > 0.9
    assert told["svm_encoder"]["theme_accuracy"] > 0.9
    assert roles_of(tables, DISCRIMINATION_ROLES)["svm_encoder"] == "pretrained"
    assert "svm_encoder" not in roles_of(dict.fromkeys(CLASSIFIERS), DISCRIMINATION_ROLES)


def test_a_second_run_only_reads(planted, store, monkeypatch):
    first = discover_themes(*planted, PARAMETERS, executor=SERIAL, store=store)

    def refuse(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(evaluation, "_discover", refuse)
    again = discover_themes(*planted, PARAMETERS, executor=SERIAL, store=store)
    assert first[1] == again[1]
    pd.testing.assert_frame_equal(first[0]["gmm_statistics"], again[0]["gmm_statistics"])


def test_without_labels_only_coherence_and_stability_remain(planted, tmp_path):
    features, clips, folds = planted
    selected = PARAMETERS.model_copy(
        update={"evaluation": PARAMETERS.evaluation.model_copy(update={"n_themes": None})}
    )
    arguments = (features, clips.assign(theme=None), folds, selected)
    tables, metrics = discover_themes(*arguments, executor=SERIAL, store=ResultStore(tmp_path))
    assert set(metrics["lda_audio_words"]) == {"coherence_npmi", "stability_ari", "n_themes"}
    assert tables["lda_audio_words"]["label"].isna().all()
    predictions, scores = discriminate_themes(*arguments, executor=SERIAL, store=ResultStore(tmp_path))
    assert all(table.empty and "label" in table for table in predictions.values())
    assert not any(scores.values())


def test_training_never_sees_test_clips(planted, store):
    features, clips, folds = planted
    fewer = folds[(folds["fold"] != 0) | (folds.index % 4 == 0)]
    fold, smaller = (
        make_folds_to_run(features, clips, some, PARAMETERS, store, "theme_discovery")[0]
        for some in (folds, fewer)
    )
    np.testing.assert_array_equal(smaller.words().counts[smaller.train], fold.words().counts[fold.train])


def test_folds_without_training_clips_are_an_error(planted, store):
    features, clips, folds = planted
    with pytest.raises(AffettoError, match="split"):
        discover_themes(features, clips, folds.assign(fold=0), PARAMETERS, executor=SERIAL, store=store)


def test_rare_labels_and_lonely_ones_are_dropped():
    table = pd.DataFrame(
        {
            "clip_id": list("abcdefg"),
            "emotion": ["x"] * 5 + ["y"] * 2,
            "theme": ["jazz", "jazz", "folk", "folk", "rap", "jazz", "jazz"],
        }
    )
    kept = frequent_labels(table, 2)
    assert kept.tolist()[:4] == ["jazz", "jazz", "folk", "folk"]
    assert kept[4:].isna().all()


def test_scores_in_closed_form():
    table = pd.DataFrame({"fold": 0, "emotion": "x", "label": ["a", "a", "b", "b"], "cluster": [1, 1, 0, 0]})
    table["precision_at_10"] = [0.2, 0.4, 0.6, np.nan]
    perfect = {"theme_ami": 1, "theme_precision_at_10": 0.4}
    assert discovery_scores(table) == pytest.approx(perfect)
    assert discovery_scores(table.assign(label=None)) == {}
    alike = table.assign(fold=9, label="same", cluster=0)  # a label alone in its block tells nothing
    assert discovery_scores(pd.concat([table, alike])) == pytest.approx(perfect)
    assert discovery_scores(alike) == {}
    predictions = pd.DataFrame(
        {"emotion": "x", "label": ["a", "a", "a", "b"], "predicted": ["a", "a", "b", "b"]}
    )
    scores = discrimination_scores(predictions)
    assert scores["theme_accuracy"] == 0.75
    assert scores["theme_uar"] == pytest.approx((2 / 3 + 1) / 2)


@pytest.mark.parametrize("kind", ["svm", "scaled svm", "scaled knn"])
def test_classifiers_cope_with_few_clips(kind):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 3))
    classes, scores = classify(x, list("aabbb"), list("uvwxy"), x, kind=kind, gammas=(0.3, 1.0))
    assert classes == ["a", "b"]
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    classes, scores = classify(x[:1], ["a"], ["u"], x, kind=kind, gammas=(0.3, 1.0))
    assert classes == ["a"]
    np.testing.assert_allclose(scores, 1)
