"""Discrimination: the theme of a clip whose emotion is known, told by classifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affetto.parallel import ExecutorParameters
from affetto.results import ResultStore
from affetto.themes.classifiers import CLASSIFIERS, classify, seen
from affetto.themes.clustering import ClipViews
from affetto.themes.discovery import kept_labels
from affetto.themes.evaluation import Fold, fold_views, fold_words, make_folds_to_run, run_folds
from affetto.themes.parameters import ThemeParameters
from affetto.themes.scores import discrimination_scores

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet

CHOICES = ("C", "gamma", "n_neighbors")
COLUMNS = ("clip_id", "group", "fold", "seed", "emotion", "label", "predicted")


def discriminate_themes(
    features: FeatureSet,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    parameters: ThemeParameters,
    *,
    executor: ExecutorParameters,
    store: ResultStore,
) -> tuple[dict[str, pd.DataFrame], dict[str, dict[str, float]]]:
    """Predict the theme labels of held-out clips inside their emotion by every discrimination model.

    Parameters
    ----------
    features, clips, folds, parameters, executor, store
        As for `discovery.discover_themes`.

    Returns
    -------
    tuple
        By model: out-of-fold predictions (columns `COLUMNS`; what inner folds chose for the classifier that
        told the clip, `C` and `gamma` or `n_neighbors`; `p_<theme>` in sorted order; a theme that the emotion
        does not have gets 0) and metrics `theme_accuracy`, `theme_uar`, `n_labels`, and the median of each
        choice. Without theme labels the tables have no rows and the metrics are empty.
    """
    made = make_folds_to_run(features, clips, folds, parameters, store)
    labels = kept_labels(made[0].table, parameters.evaluation.min_label_clips)
    if labels.notna().sum() == 0:
        return {model: pd.DataFrame(columns=list(COLUMNS)) for model in CLASSIFIERS}, {
            m: {} for m in CLASSIFIERS
        }
    results = run_folds(_classify_fold, made, _key, executor, "theme discrimination")
    tables, metrics = {}, {}
    for model in CLASSIFIERS:
        parts = [_rows(fold, result, model, labels) for fold, result in zip(made, results, strict=True)]
        tables[model] = pd.concat(parts, ignore_index=True)
        scores = {**discrimination_scores(tables[model]), "n_labels": float(labels.nunique())}
        chosen = tables[model].filter(CHOICES).median()
        metrics[model] = {**scores, **{f"chosen_{name}": float(value) for name, value in chosen.items()}}
    return tables, metrics


def _key(fold: Fold) -> dict[str, Any]:
    parameters = fold.parameters
    return fold.key(
        "theme_discrimination",
        bags=parameters.bags.model_dump(mode="json"),
        topics=parameters.topics.model_dump(mode="json"),
        evaluation=parameters.evaluation.model_dump(mode="json", exclude={"n_themes", "n_seeds"}),
        labels=[None if pd.isna(label) else label for label in fold.table["theme"]],
    )


def _classify_fold(fold: Fold) -> dict[str, Any]:
    views = fold_views(fold, fold_words(fold))
    labels = kept_labels(fold.table, fold.parameters.evaluation.min_label_clips)
    classes = sorted(set(labels.dropna()))
    scores = {model: np.zeros((len(fold.test), len(classes))) for model in CLASSIFIERS}
    chosen: dict[str, dict[str, dict[str, float]]] = {model: {} for model in CLASSIFIERS}
    labelled = labels.notna().to_numpy()
    for emotion in fold.emotions:
        everything = fold.of_emotion(fold.train, emotion)
        train, test = everything[labelled[everything]], fold.of_emotion(fold.test, emotion)
        test = test[labelled[test]]
        if len(train) == 0 or len(test) == 0:
            continue
        rows = np.searchsorted(fold.test, test)
        for model in CLASSIFIERS:
            known, found, choice = _classify(fold, model, views, (everything, train, test), labels)
            chosen[model][emotion] = choice
            scores[model][np.ix_(rows, [classes.index(name) for name in known])] = found
    return {**scores, "classes": classes, "chosen": chosen}


def _classify(
    fold: Fold,
    model: str,
    views: ClipViews,
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
    labels: pd.Series,
) -> tuple[Sequence[str], np.ndarray, dict[str, float]]:
    everything, train, test = rows
    view, kind = CLASSIFIERS[model]
    # What needs no labels (topics) learns from all training clips of the emotion.
    parameters = fold.parameters
    known, unseen = seen(
        view, views.take(everything), views.take(test), parameters.evaluation, parameters.topics
    )
    known = known[np.isin(everything, train)]
    return classify(
        known,
        list(labels.iloc[train]),
        list(fold.table["group"].iloc[train]),
        unseen,
        kind=kind,
        evaluation=parameters.evaluation,
    )


def _rows(fold: Fold, result: Mapping[str, Any], model: str, labels: pd.Series) -> pd.DataFrame:
    classes, scores = np.array(result["classes"], dtype=object), result[model]
    kept = labels.iloc[fold.test].notna().to_numpy() & (scores.sum(axis=1) > 0)
    tested = fold.table.iloc[fold.test[kept]]
    rows = pd.DataFrame(
        {
            "clip_id": tested["clip_id"].to_numpy(),
            "group": tested["group"].to_numpy(),
            "fold": fold.number,
            "seed": 0,
            "emotion": tested["emotion"].to_numpy(),
            "label": labels.iloc[fold.test[kept]].to_numpy(),
            "predicted": classes[scores[kept].argmax(axis=1)],
        }
    )
    chosen = pd.DataFrame([result["chosen"][model][emotion] for emotion in rows["emotion"]], rows.index)
    probabilities = pd.DataFrame(scores[kept], columns=[f"p_{name}" for name in classes])
    return pd.concat([rows, chosen, probabilities], axis=1)
