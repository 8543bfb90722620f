import numpy as np
import pandas as pd
import pytest

from affetto.evaluation.parameters import EvaluationParameters
from affetto.themes.comparison import compare_discovery
from affetto.themes.scores import discovery_scores, retrieval_precision

QUICK = EvaluationParameters(n_resamples=300, n_permutations=300)


def assignments(noise, *, seed=0, n_folds=4, per_block=30):
    """Clusters that follow three labels, but for a share of `noise`."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "fold": fold,
            "emotion": emotion,
            "group": f"{fold}-{emotion}-{i // 3}",
            "label": "abc"[i % 3],
            "cluster": int(rng.integers(3)) if rng.random() < noise else i % 3,
            "precision_at_10": 1 - noise * rng.random(),
        }
        for fold in range(n_folds)
        for emotion in ("calm", "tense")
        for i in range(per_block)
    ]
    return pd.DataFrame(rows)


def test_a_better_model_is_shown_to_be_better():
    tables = {"ours": assignments(0.1), "theirs": assignments(0.9, seed=1), "same": assignments(0.1)}
    table = compare_discovery(tables, "ours", QUICK).set_index("model")
    for measure in ("theme_ami", "theme_precision_at_10"):
        scores = {model: discovery_scores(rows)[measure] for model, rows in tables.items()}
        difference = scores["ours"] - scores["theirs"]
        assert table.loc["theirs", f"{measure}_difference"] == pytest.approx(difference)
        low, high = (table.loc["ours", f"{measure}_ci_{end}"] for end in ("low", "high"))
        assert low <= scores["ours"] <= high
        assert table.loc["theirs", f"{measure}_difference_ci_low"] > 0
        assert table.loc["theirs", f"{measure}_p_holm"] < 0.05
        assert np.isnan(table.loc["same", f"{measure}_p_holm"])
        assert np.isnan(table.loc["ours", f"{measure}_difference"])


def test_equal_models_are_not_told_apart():
    tables = {"ours": assignments(0.5, n_folds=20), "theirs": assignments(0.5, seed=1, n_folds=20)}
    table = compare_discovery(tables, "ours", QUICK).set_index("model")
    assert table.loc["theirs", "theme_ami_p_holm"] > 0.05
    assert (
        table.loc["theirs", "theme_ami_difference_ci_low"]
        < 0
        < table.loc["theirs", "theme_ami_difference_ci_high"]
    )


def test_few_blocks_have_the_exact_p():
    """Of two blocks all four swaps are counted: two of them differ as much."""
    tables = {"ours": assignments(0.1, n_folds=1), "theirs": assignments(0.9, seed=1, n_folds=1)}
    table = compare_discovery(tables, "ours", QUICK).set_index("model")
    assert table.loc["theirs", "theme_ami_p_holm"] == pytest.approx(0.5)


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
