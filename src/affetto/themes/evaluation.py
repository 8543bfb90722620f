"""Themes on clips that no codebook, topic or classifier has seen: discovery and discrimination by fold.

Discovery finds themes without labels on training clips and compares them with labels on held-out ones;
discrimination tells the labelled theme of a held-out clip whose emotion is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from affetto.corpora.splits import trained_on
from affetto.errors import AffettoError
from affetto.experiments.folds import fold_parts, join_folds, run_missing
from affetto.features.clip_features import FeatureSet
from affetto.io.cache import ResultStore
from affetto.io.workers import ExecutorParameters
from affetto.themes.baselines import (
    ENCODER,
    Clusters,
    Views,
    classifier_views,
    classifiers,
    classify,
    clip_statistics,
    cluster,
    codebook_statistics,
    discovery_models,
    encoder_statistics,
)
from affetto.themes.codebook import fit_codebook, matching_dimensions
from affetto.themes.comparison import Scores, discovery_scores, discrimination_scores, retrieval_precision
from affetto.themes.parameters import ThemeParameters
from affetto.themes.selection import (
    COHERENCE_WORDS,
    EmotionClips,
    npmi_coherence,
    seed_stability,
    select_topics,
    top_words,
)
from affetto.themes.words import AudioWords, count_words, make_bags, make_documents

VERSION = 3
"""Of what this package computes. Raise it with every change that finds other words, topics or themes."""
METHOD = [VERSION, *map(version, ("numpy", "scikit-learn", "gensim"))]
"""Stands for the method in the keys of stored results."""
IN_PROCESS = ExecutorParameters(n_jobs=1, progress=False)
N_SEEDS = 3  # fits of every discovery model, for its stability
STATISTICS = ("mfcc_", "delta_", "delta2_")
"""Dimensions, or prefixes, whose mean and deviation the baselines know."""
DISCOVERY_COLUMNS = ("clip_id", "group", "fold", "emotion", "label", "cluster", "precision_at_10", "model")
DISCRIMINATION_COLUMNS = ("clip_id", "group", "fold", "seed", "emotion", "label", "predicted")


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold: cheap to send to a worker, for the features stay on disk.

    Attributes
    ----------
    features
        Frames of all clips of `table`, in its order; `mfcc` among them, and perhaps `encoder`, which no
        codebook reads.
    table
        `clip_id, emotion, theme, group`, the columns of `make_folds`, and `label`: the theme, missing where
        it is too rare to be found again.
    number
        Number of the fold in which `test` clips are tested.
    parameters, store
        What to fit, and where finished results are found again.
    task
        `theme_discovery` or `theme_discrimination`.
    """

    features: FeatureSet
    table: pd.DataFrame
    number: int
    parameters: ThemeParameters
    store: ResultStore
    task: str

    @property
    def test(self) -> np.ndarray:
        """Rows of the tested clips."""
        return np.flatnonzero(self.table["fold"] == self.number)

    @property
    def train(self) -> np.ndarray:
        """Rows of the clips that the fold's models are fitted on."""
        return np.flatnonzero(trained_on(self.table, self.number))

    def emotions(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Yield every emotion with its training and its test rows."""
        of_clip = np.asarray(self.table["emotion"], dtype=object)
        for emotion in sorted(set(of_clip)):
            train, test = (rows[of_clip[rows] == emotion] for rows in (self.train, self.test))
            if len(train) and len(test):
                yield emotion, train, test

    def tested(self, rows: np.ndarray) -> pd.DataFrame:
        """Return `clip_id, group, emotion, label, fold` of tested clips."""
        columns = self.table[["clip_id", "group", "emotion", "label"]].iloc[rows]
        return columns.reset_index(drop=True).assign(fold=self.number)

    def _key(self, what: str, features: FeatureSet, **more: Any) -> dict[str, Any]:
        return {
            "what": what,
            "method": METHOD,
            "train": features.take(self.train).fingerprint,
            "test": features.take(self.test).fingerprint,
            "codebook": self.parameters.codebook.model_dump(mode="json"),
            **more,
        }

    def words(self) -> AudioWords:
        """Learn a codebook from the fold's training clips and count the words of all its clips."""
        frames = FeatureSet({name: self.features[name] for name in self.features if name != ENCODER})

        def count() -> dict[str, Any]:
            codebook = fit_codebook(frames.take(self.train), self.parameters.codebook)
            return count_words(codebook, frames, IN_PROCESS).state()

        return AudioWords.from_state(self.store.compute(self._key("theme_words", frames), count))

    def _result_key(self) -> dict[str, Any]:
        table = self.table.astype(object).where(self.table.notna(), None)
        columns = {name: table[name].tolist() for name in ("emotion", "theme", "group")}
        parameters = self.parameters.model_dump(mode="json")
        return self._key(self.task, self.features, parameters=parameters, **columns)

    def result(self) -> dict[str, Any] | None:
        """Return the cached result of the task, or None."""
        return self.store.get(self._result_key())

    def run(self) -> None:
        """Do the task, and cache its result."""
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        function = _discover if self.task == "theme_discovery" else _discriminate
        with threadpool_limits(limits=1):
            self.store.put(self._result_key(), function(self))


def make_folds_to_run(
    features: FeatureSet,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    parameters: ThemeParameters,
    store: ResultStore,
    task: str,
) -> list[Fold]:
    """Return the folds with training and test clips, of clips with features and an emotion label.

    Raises
    ------
    AffettoError
        When there is none.
    """
    chosen, table = join_folds(features, clips, folds, columns=("theme",))
    table["label"] = frequent_labels(table, parameters.evaluation.min_label_clips)
    made = [Fold(chosen, table, number, parameters, store, task) for number in fold_parts(table)]
    if not made:
        raise AffettoError("No fold has both training and test clips for themes: check the split's protocol.")
    return made


def frequent_labels(table: pd.DataFrame, fewest: int) -> pd.Series:
    """Return theme labels by row; those with fewer than `fewest` clips in their emotion become missing."""
    labels = table["theme"].astype(object)
    sizes = table.assign(label=labels).groupby(["emotion", "label"])["clip_id"].transform("size")
    frequent = labels.where(sizes >= fewest)
    n_labels = table.assign(label=frequent).groupby("emotion")["label"].transform("nunique")
    return frequent.where(n_labels > 1)


def discover_themes(
    features: FeatureSet,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    parameters: ThemeParameters,
    *,
    executor: ExecutorParameters,
    store: ResultStore,
) -> tuple[dict[str, pd.DataFrame], dict[str, Scores]]:
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
        By model: assignments (columns `DISCOVERY_COLUMNS`; `label` is missing where a theme label is missing
        or rare), and metrics `coherence_npmi`, `stability_ari`, `n_themes` and, with labels, those of
        `discovery_scores`.
    """
    made = make_folds_to_run(features, clips, folds, parameters, store, "theme_discovery")
    results = _run(made, executor)
    tables, metrics = {}, {}
    for model in discovery_models(features):
        parts = []
        for fold, result in zip(made, results, strict=True):
            values = {"cluster": result[model], "precision_at_10": result[f"{model}/precision"]}
            parts.append(fold.tested(fold.test).assign(**values, model=model)[list(DISCOVERY_COLUMNS)])
        tables[model] = pd.concat(parts, ignore_index=True)
        metrics[model] = discovery_scores(tables[model])
        rows = pd.DataFrame([row for one in results for row in one["scores"] if row["model"] == model])
        for name in ("coherence_npmi", "stability_ari", "n_themes"):
            known = rows[rows[name].notna()]
            if len(known):
                metrics[model][name] = float(np.average(known[name].astype(float), weights=known["clips"]))
    return tables, metrics


def discriminate_themes(
    features: FeatureSet,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    parameters: ThemeParameters,
    *,
    executor: ExecutorParameters,
    store: ResultStore,
) -> tuple[dict[str, pd.DataFrame], dict[str, Scores]]:
    """Predict the theme labels of held-out clips inside their emotion by every discrimination model.

    Parameters
    ----------
    features, clips, folds, parameters, executor, store
        As for `discover_themes`.

    Returns
    -------
    tuple
        By model: out-of-fold predictions (columns `DISCRIMINATION_COLUMNS`, and `p_<theme>` in sorted order;
        a theme that the emotion does not have gets 0) and metrics `theme_accuracy`, `theme_uar`, `n_labels`.
        Without theme labels the tables have no rows and the metrics are empty.
    """
    made = make_folds_to_run(features, clips, folds, parameters, store, "theme_discrimination")
    labels, models = made[0].table["label"], classifiers(features)
    if labels.isna().all():
        nothing = pd.DataFrame(columns=list(DISCRIMINATION_COLUMNS))
        return dict.fromkeys(models, nothing), {model: {} for model in models}
    results = _run(made, executor)
    tables, metrics = {}, {}
    for model in models:
        parts = [_predictions(fold, result, model) for fold, result in zip(made, results, strict=True)]
        tables[model] = pd.concat(parts, ignore_index=True)
        metrics[model] = {**discrimination_scores(tables[model]), "n_labels": float(labels.nunique())}
    return tables, metrics


def _run(folds: list[Fold], executor: ExecutorParameters) -> list[dict[str, Any]]:
    description = folds[0].task.replace("_", " ")
    return run_missing(folds, executor, description, units=[len(fold.test) for fold in folds])


def _views(fold: Fold) -> Views:
    """Return what the models may know of the fold's clips."""
    words, parameters, mfcc = fold.words(), fold.parameters, fold.features["mfcc"]
    known = matching_dimensions(mfcc.dimensions, STATISTICS)
    embedding = {ENCODER: encoder_statistics(fold.features[ENCODER])} if ENCODER in fold.features else {}
    return {
        **embedding,
        "documents": make_documents(words, parameters.topics.document_length),
        "bags": make_bags(words),
        "statistics": clip_statistics(mfcc, known),
        "all_statistics": codebook_statistics(fold.features, parameters.codebook),
    }


def _take(views: Views, rows: np.ndarray) -> Views:
    return {name: view[rows] for name, view in views.items()}


def _discover(fold: Fold) -> dict[str, Any]:
    """Return the `cluster` and the precision of every tested clip by model, and the scores of each."""
    views, labels = _views(fold), fold.table["label"].to_numpy(dtype=object)
    models = discovery_models(fold.features)
    clusters = {model: np.zeros(len(fold.test), dtype=np.int64) for model in models}
    precision = {f"{model}/precision": np.full(len(fold.test), np.nan) for model in models}
    scores: list[dict[str, Any]] = []
    for emotion, train, test in fold.emotions():
        rows, known, unseen = np.searchsorted(fold.test, test), _take(views, train), _take(views, test)
        number = fold.parameters.evaluation.n_themes
        if number is None:
            clips = EmotionClips(emotion, known["documents"], tuple(fold.table["group"].iloc[train]))
            fitted, _ = select_topics([clips], fold.parameters.topics, IN_PROCESS)
            number = fitted[emotion].n_topics
        number = min(number, len(train))
        for model in models:
            found, row = _cluster(model, known, unseen, number, fold.parameters.topics.passes)
            clusters[model][rows] = found.found
            precision[f"{model}/precision"][rows] = retrieval_precision(
                found.known_places, labels[train], found.found_places, labels[test]
            )
            scores.append({"emotion": emotion, "model": model, "clips": len(test), "n_themes": number, **row})
    return {**clusters, **precision, "scores": scores}


def _cluster(model: str, train: Views, test: Views, number: int, passes: int) -> tuple[Clusters, Scores]:
    """Return the clusters of the first seed, their coherence, and how stable they are over seeds."""
    if number == 1:
        alone = Clusters.of_shares(np.ones((len(train["bags"]), 1)), np.ones((len(test["bags"]), 1)))
        return alone, {"coherence_npmi": float("nan"), "stability_ari": 1.0}
    runs = [cluster(model, train, test, number, seed, passes) for seed in range(N_SEEDS)]
    members = np.eye(number)[runs[0].known]
    heavy = top_words((members.T @ train["documents"])[members.any(axis=0)], COHERENCE_WORDS)
    return runs[0], {
        "coherence_npmi": npmi_coherence(heavy, train["documents"] > 0),
        "stability_ari": seed_stability([run.found for run in runs]),
    }


def _discriminate(fold: Fold) -> dict[str, Any]:
    """Return the scores of every class for every tested clip by model, and the classes."""
    views, labels, parameters = _views(fold), fold.table["label"], fold.parameters
    labelled, classes = labels.notna().to_numpy(), sorted(set(labels.dropna()))
    models = classifiers(fold.features)
    scores = {model: np.zeros((len(fold.test), len(classes))) for model in models}
    for _, everything, tested in fold.emotions():
        train, test = everything[labelled[everything]], tested[labelled[tested]]
        if len(train) == 0 or len(test) == 0:
            continue
        rows = np.searchsorted(fold.test, test)
        for model, (view, kind) in models.items():
            # What needs no labels (topics) learns from all training clips of the emotion.
            known, unseen = classifier_views(view, _take(views, everything), _take(views, test), parameters)
            names, found = classify(
                known[labelled[everything]],
                list(labels.iloc[train]),
                list(fold.table["group"].iloc[train]),
                unseen,
                kind=kind,
                gammas=parameters.evaluation.gammas,
            )
            scores[model][np.ix_(rows, [classes.index(name) for name in names])] = found
    return {**scores, "classes": classes}


def _predictions(fold: Fold, result: Mapping[str, Any], model: str) -> pd.DataFrame:
    classes, scores = np.array(result["classes"], dtype=object), result[model]
    told = fold.table["label"].iloc[fold.test].notna().to_numpy() & (scores.sum(axis=1) > 0)
    predicted = classes[scores[told].argmax(axis=1)]
    rows = fold.tested(fold.test[told]).assign(seed=0, predicted=predicted)
    probabilities = pd.DataFrame(scores[told], columns=[f"p_{name}" for name in classes])
    return pd.concat([rows[list(DISCRIMINATION_COLUMNS)], probabilities], axis=1)
