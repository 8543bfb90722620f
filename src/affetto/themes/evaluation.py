"""Themes on clips that no codebook, topic or classifier has seen: discovery and discrimination by fold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affetto.corpora.splits import trained_on
from affetto.errors import AffettoError
from affetto.experiments.folds import fold_parts, join_folds, run_missing
from affetto.parallel import ExecutorParameters
from affetto.results import ResultStore
from affetto.themes.bags import AudioWords, count_words, documents, inverse_document_frequency, weigh
from affetto.themes.clustering import ClipViews
from affetto.themes.codebook import fit_codebook
from affetto.themes.frames import matching_dimensions
from affetto.themes.parameters import ThemeParameters
from affetto.themes.statistics import clip_statistics, codebook_statistics

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet

VERSION = 2
"""Of what this package computes. Raise it with every change that finds other words, topics or themes."""
METHOD = [VERSION, *map(version, ("numpy", "scikit-learn", "gensim"))]
"""Stands for the method in the keys of stored results."""
IN_PROCESS = ExecutorParameters(n_jobs=1, progress=False)


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold: cheap to send to a worker, for the features stay on disk.

    Attributes
    ----------
    features
        Frames of all clips of `table`, in its order; `mfcc` among them.
    table
        `clip_id, emotion, theme, group` and the columns of `make_folds` of all clips with an emotion label.
    number
        Number of the fold in which `test` clips are tested.
    parameters, store
        What to fit, and where finished results are found again.
    """

    features: FeatureSet
    table: pd.DataFrame
    number: int
    parameters: ThemeParameters
    store: ResultStore

    @property
    def test(self) -> np.ndarray:
        """Rows of the tested clips."""
        return np.flatnonzero(self.table["fold"] == self.number)

    @property
    def train(self) -> np.ndarray:
        """Rows of the clips that the fold's models are fitted on."""
        return np.flatnonzero(trained_on(self.table, self.number))

    def key(self, what: str, **more: Any) -> dict[str, Any]:
        """Return the key of a result: everything the codebook and the emotions' models depend on."""
        return {
            "what": what,
            "method": METHOD,
            "train": self.features.take(self.train).fingerprint,
            "test": self.features.take(self.test).fingerprint,
            "codebook": self.parameters.codebook.model_dump(mode="json"),
            "emotions": self.table["emotion"].tolist(),
            "groups": self.table["group"].tolist(),
            **more,
        }

    def of_emotion(self, rows: np.ndarray, emotion: str) -> np.ndarray:
        """Return those of `rows` that have the emotion."""
        has_emotion = np.asarray(self.table["emotion"], dtype=object) == emotion
        chosen: np.ndarray = rows[has_emotion[rows]]
        return chosen

    @property
    def emotions(self) -> list[str]:
        """Emotions that occur, sorted."""
        return sorted(set(self.table["emotion"]))


def make_folds_to_run(
    features: FeatureSet,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    parameters: ThemeParameters,
    store: ResultStore,
) -> list[Fold]:
    """Return the folds with training and test clips, of clips with features and an emotion label.

    Raises
    ------
    AffettoError
        When there is none.
    """
    chosen, table = join_folds(features, clips, folds, columns=("theme",))
    made = [Fold(chosen, table, number, parameters, store) for number in fold_parts(table)]
    if not made:
        raise AffettoError("No fold has both training and test clips for themes: check the split's protocol.")
    return made


@dataclass(frozen=True, eq=False)
class _FoldWork:
    """What is computed of a fold, and the key that its result is cached under."""

    function: Callable[[Fold], Mapping[str, Any]]
    fold: Fold
    key: Mapping[str, Any]

    def result(self) -> dict[str, Any] | None:
        """Return the cached result, or None."""
        return self.fold.store.get(self.key)

    def run(self) -> None:
        """Compute and cache the result."""
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        with threadpool_limits(limits=1):
            self.fold.store.put(self.key, self.function(self.fold))


def run_folds(
    function: Callable[[Fold], Mapping[str, Any]],
    folds: list[Fold],
    key: Callable[[Fold], Mapping[str, Any]],
    executor: ExecutorParameters,
    description: str,
) -> list[dict[str, Any]]:
    """Run `function` on the folds whose result is not stored yet, in parallel, and return all results."""
    work = [_FoldWork(function, fold, key(fold)) for fold in folds]
    return run_missing(work, executor, description, units=[len(fold.test) for fold in folds])


def fold_words(fold: Fold) -> AudioWords:
    """Learn a codebook from the fold's training clips and count the words of all its clips."""

    def count() -> dict[str, Any]:
        codebook = fit_codebook(fold.features.take(fold.train), fold.parameters.codebook)
        return count_words(codebook, fold.features, IN_PROCESS).state()

    return AudioWords.from_state(fold.store.compute(fold.key("theme_words"), count))


def fold_views(fold: Fold, words: AudioWords) -> ClipViews:
    """Return what the models may know of the fold's clips; IDF comes from training clips."""
    parameters = fold.parameters
    idf = inverse_document_frequency(words.counts[fold.train]) if parameters.bags.idf else None
    mfcc = fold.features["mfcc"]
    known = matching_dimensions(mfcc.dimensions, parameters.evaluation.statistics)
    everything = codebook_statistics(fold.features, parameters.codebook)
    return ClipViews(
        documents(words, parameters.topics),
        weigh(words, parameters.bags, idf=idf),
        clip_statistics(mfcc, known) if known else everything,
        everything,
    )
