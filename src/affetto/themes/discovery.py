"""Discovery: themes found without labels on training clips, compared with labels on held-out ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affetto.parallel import ExecutorParameters
from affetto.results import ResultStore
from affetto.themes.clustering import CLUSTERERS, ClipViews, Clusters
from affetto.themes.coherence import npmi_coherence, top_words
from affetto.themes.evaluation import IN_PROCESS, Fold, fold_views, fold_words, make_folds_to_run, run_folds
from affetto.themes.parameters import ThemeParameters
from affetto.themes.scores import discovery_scores, retrieval_precision
from affetto.themes.selection import EmotionClips, select_topics
from affetto.themes.stability import seed_stability

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet

COLUMNS = ("clip_id", "group", "fold", "emotion", "label", "cluster", "precision_at_10", "model")


def discover_themes(
    features: FeatureSet,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    parameters: ThemeParameters,
    *,
    executor: ExecutorParameters,
    store: ResultStore,
) -> tuple[dict[str, pd.DataFrame], dict[str, dict[str, float]]]:
    """Cluster held-out clips by every discovery model.

    Parameters
    ----------
    features, clips, folds
        Frames, clip table (`emotion, theme, group`) and `clip_id, fold`; only clips with an emotion label
        count.
    parameters
        Codebook, topics and evaluation.
    executor, store
        Where folds run, and where finished ones are found again.

    Returns
    -------
    tuple
        By model: assignments (columns `COLUMNS`; `label` is missing where a theme label is missing or rare),
        and metrics `coherence_npmi`, `stability_ari`, `n_themes` and, with labels, those of
        `discovery_scores`.
    """
    made = make_folds_to_run(features, clips, folds, parameters, store)
    results = run_folds(_discover, made, _key, executor, "theme discovery")
    labels = kept_labels(made[0].table, parameters.evaluation.min_label_clips)
    tables, metrics = {}, {}
    for model in CLUSTERERS:
        parts = [_rows(fold, result, model, labels) for fold, result in zip(made, results, strict=True)]
        tables[model] = pd.concat(parts, ignore_index=True)
        metrics[model] = {**discovery_scores(tables[model]), **_own_scores(results, model)}
    return tables, metrics


def kept_labels(table: pd.DataFrame, fewest: int) -> pd.Series:
    """Return theme labels by row; those with fewer than `fewest` clips in their emotion become missing."""
    labels = table["theme"].astype(object)
    sizes = table.assign(label=labels).groupby(["emotion", "label"])["clip_id"].transform("size")
    kept = labels.where(sizes >= fewest)
    several = table.assign(label=kept).groupby("emotion")["label"].transform("nunique")
    return kept.where(several > 1)


def _key(fold: Fold) -> dict[str, Any]:
    parameters = fold.parameters
    return fold.key(
        "theme_discovery",
        bags=parameters.bags.model_dump(mode="json"),
        topics=parameters.topics.model_dump(mode="json"),
        n_themes=parameters.evaluation.n_themes,
        statistics=parameters.evaluation.statistics,
        n_seeds=parameters.evaluation.n_seeds,
        min_label_clips=parameters.evaluation.min_label_clips,
        labels=[None if pd.isna(label) else label for label in fold.table["theme"]],
    )


def _discover(fold: Fold) -> dict[str, Any]:
    words = fold_words(fold)
    views, presence = fold_views(fold, words), words.counts > 0
    clusters = {model: np.zeros(len(fold.test), dtype=np.int64) for model in CLUSTERERS}
    precision = {f"{model}/precision": np.full(len(fold.test), np.nan) for model in CLUSTERERS}
    labels = kept_labels(fold.table, fold.parameters.evaluation.min_label_clips).to_numpy(dtype=object)
    scores: list[dict[str, Any]] = []
    for emotion in fold.emotions:
        train, test = fold.of_emotion(fold.train, emotion), fold.of_emotion(fold.test, emotion)
        if len(train) == 0 or len(test) == 0:
            continue
        number = _number_of_themes(fold, emotion, train, views, presence)
        for model in CLUSTERERS:
            found, row = _cluster(fold, model, views.take(train), views.take(test), number, presence[train])
            rows = np.searchsorted(fold.test, test)
            clusters[model][rows] = found.found
            precision[f"{model}/precision"][rows] = retrieval_precision(
                found.known_places, labels[train], found.found_places, labels[test]
            )
            scores.append({"emotion": emotion, "model": model, "clips": len(test), "n_themes": number, **row})
    return {**clusters, **precision, "scores": scores}


def _number_of_themes(
    fold: Fold, emotion: str, train: np.ndarray, views: ClipViews, presence: np.ndarray
) -> int:
    fixed = fold.parameters.evaluation.n_themes
    if fixed is not None:
        return min(fixed, len(train))
    groups = tuple(fold.table["group"].iloc[train])
    clips = EmotionClips(emotion, views.documents[train], presence[train], groups)
    models, _ = select_topics([clips], fold.parameters.topics, IN_PROCESS)
    return models[emotion].n_topics


def _cluster(
    fold: Fold, model: str, train: ClipViews, test: ClipViews, number: int, presence: np.ndarray
) -> tuple[Clusters, dict[str, float]]:
    if number == 1:
        alone = Clusters.of_shares(np.ones((len(train.bags), 1)), np.ones((len(test.bags), 1)))
        return alone, {"coherence_npmi": float("nan"), "stability_ari": 1.0}
    topics, seeds = fold.parameters.topics, range(fold.parameters.evaluation.n_seeds)
    runs = [CLUSTERERS[model](train, test, number, seed, topics) for seed in seeds]
    members = np.eye(number)[runs[0].known]
    heavy = top_words((members.T @ train.documents)[members.any(axis=0)], topics.coherence_words)
    return runs[0], {
        "coherence_npmi": npmi_coherence(heavy, presence),
        "stability_ari": seed_stability([run.found for run in runs]),
    }


def _rows(fold: Fold, result: Mapping[str, Any], model: str, labels: pd.Series) -> pd.DataFrame:
    tested = fold.table.iloc[fold.test]
    return pd.DataFrame(
        {
            "clip_id": tested["clip_id"].to_numpy(),
            "group": tested["group"].to_numpy(),
            "fold": fold.number,
            "emotion": tested["emotion"].to_numpy(),
            "label": labels.iloc[fold.test].to_numpy(),
            "cluster": result[model],
            "precision_at_10": result[f"{model}/precision"],
            "model": model,
        }
    )


def _own_scores(results: Sequence[Mapping[str, Any]], model: str) -> dict[str, float]:
    rows = pd.DataFrame([row for result in results for row in result["scores"] if row["model"] == model])
    scores = {}
    for name in ("coherence_npmi", "stability_ari", "n_themes"):
        known = rows[rows[name].notna()]
        if len(known):
            scores[name] = float(np.average(known[name].astype(float), weights=known["clips"]))
    return scores
