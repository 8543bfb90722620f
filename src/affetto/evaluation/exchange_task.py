"""Questions to the kept model of a fold: what it says of its test clips when columns are exchanged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from affetto.evaluation.exchange import Columns, exchange
from affetto.features.clip_features import FeatureSet
from affetto.results import ResultStore, source_fingerprint

AS_IS = "as_is"
"""Name of the answers to clips of which nothing was exchanged."""
_CLIPS_AT_ONCE = 1024  # 6,373 functionals of so many clips are 26 MB


class Classifier(Protocol):
    """What is asked of a model."""

    @property
    def classes_(self) -> tuple[str, ...]:
        """Names of the classes."""
        ...

    def predict_proba(self, x: FeatureSet) -> np.ndarray:
        """Return the probability of each class, [n_clips, n_classes]."""
        ...


@dataclass(frozen=True)
class Answers:
    """What the model of a fold said.

    Attributes
    ----------
    fold, seed
        Which model it was.
    clip_ids, classes
        Its test clips and its classes.
    told
        `as_is` → int64 [1, n_clips], position of the class told; name of what was exchanged →
        [n_repeats, n_clips].
    """

    fold: int
    seed: int
    clip_ids: tuple[str, ...]
    classes: tuple[str, ...]
    told: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class ExchangeTask:
    """All questions to one model; cheap to send to a worker as features are memory-mapped.

    Attributes
    ----------
    directory
        Folder of the model; its name stands for all that the model was made of.
    load
        Reads it.
    fold, seed
        Which model it is.
    features
        Its test clips.
    columns
        Name → what is exchanged under it.
    n_repeats, exchange_seed
        How often clips are dealt other donors, and the seed of that: the same for every name, fold and model,
        so that models with the same test clips are asked the same questions.
    store
        Where the answers are kept.
    """

    directory: Path
    load: Callable[[Path], Classifier]
    fold: int
    seed: int
    features: FeatureSet
    columns: Mapping[str, Columns]
    n_repeats: int
    exchange_seed: int
    store: ResultStore

    def key(self) -> dict[str, Any]:
        """Return all that the answers depend on."""
        return {
            "what": "exchanged columns",
            "method": source_fingerprint(Path(__file__).parent),
            "model": self.directory.name,
            "features": self.features.fingerprint,
            "names": list(self.columns),
            "n_repeats": self.n_repeats,
            "seed": self.exchange_seed,
        }

    def answers(self) -> Answers | None:
        """Return what was said earlier; None when the model was not asked yet."""
        found = self.store.get(self.key())
        if found is None:
            return None
        told = {name: found[name] for name in (AS_IS, *self.columns)}
        return Answers(self.fold, self.seed, self.features.clip_ids, tuple(found["classes"]), told)

    def run(self) -> None:
        """Ask the model and keep its answers."""
        model = self.load(self.directory)
        told = ask(
            model.predict_proba,
            self.features,
            self.columns,
            n_repeats=self.n_repeats,
            seed=self.exchange_seed,
        )
        self.store.put(self.key(), {"classes": list(model.classes_), **told})


def ask(
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
        As `told` of `Answers`.
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
