import numpy as np
import pandas as pd
import pytest

from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.uncertainty import signed_interval
from affetto.themes.comparison import compare_discovery, discovery_scores, retrieval_precision

QUICK = EvaluationParameters(n_permutations=300)
MEASURES = ("theme_ami", "theme_precision_at_10")


def assignments(noise, *, seed=0, n_folds=10, per_block=30):
    """Clusters that follow three labels, but for a share of `noise`; three clips of each emotion a group."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "fold": fold,
            "emotion": emotion,
            "group": f"{fold}-{i // 3}",
            "label": "abc"[i % 3],
            "cluster": int(rng.integers(3)) if rng.random() < noise else i % 3,
            "precision_at_10": 1 - noise * rng.random(),
        }
        for fold in range(n_folds)
        for emotion in ("calm", "tense")
        for i in range(per_block)
    ]
    return pd.DataFrame(rows)


def compared(n_folds, *, theirs=0.9, ours=0.1, parameters=QUICK):
    tables = {
        "ours": assignments(ours, n_folds=n_folds),
        "theirs": assignments(theirs, seed=1, n_folds=n_folds),
    }
    return tables, compare_discovery(tables, "ours", parameters).set_index("model")


def test_a_better_model_is_shown_to_be_better():
    tables, table = compared(10)
    for measure in MEASURES:
        scores = {model: discovery_scores(rows)[measure] for model, rows in tables.items()}
        difference = scores["ours"] - scores["theirs"]
        assert table.loc["theirs", f"{measure}_difference"] == pytest.approx(difference)
        low, high = (table.loc["ours", f"{measure}_ci_{end}"] for end in ("low", "high"))
        assert low < scores["ours"] < high
        assert table.loc["theirs", f"{measure}_difference_ci_low"] > 0
        assert table.loc["theirs", f"{measure}_p_holm"] < 0.05
        assert np.isnan(table.loc["ours", f"{measure}_difference"])
    assert table.loc["theirs", "theme_ami_p_holm"] == pytest.approx(2 / 2**10)


@pytest.mark.parametrize("measure", MEASURES)
def test_intervals_leave_out_a_group_at_a_time(measure):
    """Not a fold and emotion, and not a clip: an artist in several emotions is one artist."""
    rows = assignments(0.5, n_folds=2, per_block=12)
    rows.loc[rows["group"].str.startswith("0"), "group"] = "0-0"  # which then is all of a fold
    scores = [discovery_scores(rows)[measure]]
    scores += [discovery_scores(rows[rows["group"] != name])[measure] for name in sorted(set(rows["group"]))]

    table = compare_discovery({"ours": rows}, "ours", QUICK).set_index("model")

    found = table.loc["ours", [f"{measure}_ci_low", f"{measure}_ci_high"]]
    expected = signed_interval(np.array(scores), n_clips=len(rows), confidence=0.95)
    np.testing.assert_allclose(found.astype(float), expected)


def test_few_folds_are_not_swapped_emotion_by_emotion():
    """Of five folds a p of 2 / 2^5 is the least: twice five folds and emotions would seem enough."""
    _, table = compared(5)
    assert np.isnan(table.loc["theirs", "theme_ami_p_holm"])
    assert table.loc["theirs", "theme_ami_units"] == 5
    assert table.loc["theirs", "theme_precision_at_10_p_holm"] < 0.05


def test_without_labels_nothing_is_tested():
    tables = {
        name: assignments(0.1, seed=seed).assign(label=None, precision_at_10=np.nan)
        for seed, name in enumerate(("ours", "theirs"))
    }
    table = compare_discovery(tables, "ours", QUICK)
    assert table.drop(columns="model").isna().all(axis=None)


def test_precision_counts_the_nearest_training_clips():
    known = np.arange(30.0)[:, np.newaxis]
    labels = np.array(["a"] * 12 + ["b"] * 15 + [None] * 3, dtype=object)
    found = np.array([[0.0], [11.9], [29.0], [5.0]])
    precision = retrieval_precision(known, labels, found, np.array(["a", "b", "b", None], dtype=object))
    np.testing.assert_allclose(precision[:3], [1.0, 0.5, 1.0])
    assert np.isnan(precision[3])
    nothing = retrieval_precision(known, np.full(30, None, dtype=object), found, labels[:4])
    assert np.isnan(nothing).all()
