"""Asking a model about its test clips when columns are exchanged between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from affetto.evaluation.exchange import Columns, exchange
from affetto.features.clip_features import FeatureSet

AS_IS = "as_is"
"""Name of the answers to clips of which nothing was exchanged."""
_CLIPS_AT_ONCE = 1024  # 6,373 functionals of so many clips are 26 MB


class Classifier(Protocol):
    """What is asked of a model."""

    def predict_proba(self, x: FeatureSet) -> np.ndarray:
        """Return the probability of each class, [n_clips, n_classes]."""
        ...


@dataclass(frozen=True)
class ExchangeInquiry:
    """What a model says of clips that have columns of other clips.

    Attributes
    ----------
    columns
        Name → what is exchanged under it.
    n_repeats, seed
        How often clips are dealt other donors, and the seed of that: the same for every name, fold and model,
        so that models with the same test clips are asked the same questions.
    """

    columns: Mapping[str, Columns]
    n_repeats: int
    seed: int

    def description(self) -> dict[str, Any]:
        """Return names, number of repeats and seed; where the columns lie follows from the features."""
        return {
            "what": "exchanged columns",
            "names": list(self.columns),
            "n_repeats": self.n_repeats,
            "seed": self.seed,
        }

    def ask(self, model: Classifier, features: FeatureSet) -> dict[str, np.ndarray]:
        """Ask about the clips as they are, `as_is` [1, n_clips], and by name [n_repeats, n_clips]."""
        return ask_exchanged(
            model.predict_proba, features, self.columns, n_repeats=self.n_repeats, seed=self.seed
        )


def ask_exchanged(
    predict: Callable[[FeatureSet], np.ndarray],
    features: FeatureSet,
    columns: Mapping[str, Columns],
    *,
    n_repeats: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Ask a model about clips as they are, and with columns exchanged between them.

    Parameters
    ----------
    predict
        Returns the probability of each class, [n_clips, n_classes].
    features
        The clips.
    columns
        Name → columns that are exchanged together.
    n_repeats, seed
        How often the clips are dealt other donors, and the seed of it.

    Returns
    -------
    dict
        `as_is` → int64 [1, n_clips], position of the class told; name of what was exchanged →
        [n_repeats, n_clips].
    """
    donors = deal(features.n_clips, n_repeats, seed)
    told = {AS_IS: predict(features).argmax(axis=1)[None]}
    return told | {name: _told(predict, features, chosen, donors) for name, chosen in columns.items()}


def deal(n_clips: int, n_repeats: int, seed: int) -> np.ndarray:
    """Deal every clip a donor among the clips, int64 [n_repeats, n_clips]; each row is a permutation."""
    order = [np.random.default_rng([seed, repeat]).permutation(n_clips) for repeat in range(n_repeats)]
    return np.array(order, dtype=np.int64).reshape(n_repeats, n_clips)


def _told(
    predict: Callable[[FeatureSet], np.ndarray], features: FeatureSet, columns: Columns, donors: np.ndarray
) -> np.ndarray:
    """Ask about several repeats in one go, as far as memory allows: each call has its overhead."""
    n_repeats, n_clips = donors.shape
    at_once, told = max(1, _CLIPS_AT_ONCE // n_clips), []
    for start in range(0, n_repeats, at_once):
        part = donors[start : start + at_once]
        copies = features.take(np.tile(np.arange(n_clips), len(part)))
        told.append(predict(exchange(copies, columns, part.ravel())).argmax(axis=1).reshape(part.shape))
    return np.concatenate(told)
