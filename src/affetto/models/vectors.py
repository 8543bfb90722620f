"""What all models on one vector a clip share: their search, statistics of frames, standardisation."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import AfterValidator, Field, PositiveFloat

from affetto.features.clip_features import FeatureSet
from affetto.models.calibration import apply_temperature, fit_temperature, inner_folds
from affetto.models.estimator import Estimator

Clips = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Vectors, labels and groups."""
_RELATIVE_TINY = 1e-6
_LEAST = np.finfo(np.float64).tiny


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError(f"something is named twice: {list(names)}")
    return names


EachOnce = AfterValidator(_each_once)
"""Of a tuple of names in parameters: refuses one that names something twice."""
OneOrMore = PositiveFloat | tuple[PositiveFloat, ...]
"""A parameter that inner folds choose where there are several values."""
FrameFeatures = Annotated[tuple[Literal["mfcc", "midterm", "encoder"], ...], Field(min_length=1), EachOnce]
Statistics = Annotated[tuple[Literal["mean", "std", "percentiles"], ...], Field(min_length=1), EachOnce]
"""Statistics over the frames; percentiles are 5, 25, 50, 75, 95."""


class VectorEstimator(Estimator):
    """A classifier of one vector a clip, whose parameters are chosen on inner folds that keep groups whole.

    Of what the parameters list several values of, every combination is tried, and `history_` has a row for
    each: the values, `inner_uar`, `inner_log_loss` (nats, calibrated) and `chosen`. Predictions for the clips
    of all inner folds are pooled for that. Of equals the first is taken, and the first of all where no inner
    fold can be made. The same predictions give a temperature that calibrates the probabilities.
    """

    tuned: ClassVar[tuple[str, ...]]
    """Parameters of which several values may be given."""
    chosen_by: ClassVar[Literal["inner_uar", "inner_log_loss"]] = "inner_log_loss"
    """What decides: the highest UAR, or the lowest log loss."""
    always_calibrated: ClassVar[bool] = False
    """Whether a temperature is wanted also where there is nothing to choose."""

    @abc.abstractmethod
    def _vectors(self, x: FeatureSet) -> np.ndarray:
        """Return a vector a clip, [n_clips, n_dimensions]."""

    @abc.abstractmethod
    def _answers(self, candidates: list[Any], known: Clips, unseen: np.ndarray) -> Iterable[np.ndarray]:
        """Fit each candidate to known clips alone, scaling too; return its probabilities for unseen vectors.

        Candidates are parameters with one value each.
        """

    @abc.abstractmethod
    def _fit_vectors(self, parameters: Any, known: Clips, temperature: float) -> None:
        """Fit with one value for each parameter, and calibrate."""

    @abc.abstractmethod
    def _answer(self, vectors: np.ndarray) -> np.ndarray:
        """Return probabilities [n_clips, n_classes] for vectors."""

    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        from sklearn.metrics import balanced_accuracy_score
        from sklearn.model_selection import ParameterGrid

        vectors = self._vectors(x)
        given = {name: getattr(self.parameters, name) for name in self.tuned}
        searched = {name: each for name, each in given.items() if isinstance(each, tuple)}
        rows = []
        for values in ParameterGrid(searched):
            rows.append({name: values[name] for name in searched})
        candidates = [self.parameters.model_copy(update=row) for row in rows]
        answers: list[list[np.ndarray]] = [[] for _ in candidates]
        tested, best, temperatures = [], 0, [1.0]
        if searched or self.always_calibrated:
            for train, test in inner_folds(labels, groups, 4, self.seed):
                tested.append(labels[test])
                known = vectors[train], labels[train], groups[train]
                found = self._answers(candidates, known, vectors[test])
                for kept, probabilities in zip(answers, found, strict=True):
                    kept.append(probabilities)
        if tested:
            truth, temperatures = np.concatenate(tested), []
            for row, parts in zip(rows, answers, strict=True):
                pooled = np.concatenate(parts)
                temperature = fit_temperature(pooled, truth)
                calibrated = apply_temperature(pooled, temperature)
                told = calibrated[np.arange(len(truth)), truth]
                uar = balanced_accuracy_score(truth, pooled.argmax(axis=1))
                row["inner_uar"] = float(uar)
                row["inner_log_loss"] = float(-np.log(np.maximum(told, _LEAST)).mean())
                temperatures.append(temperature)
            scores = [row[self.chosen_by] for row in rows]
            wanted = max(scores) if self.chosen_by == "inner_uar" else min(scores)
            best = scores.index(wanted)
            if searched:
                self.history_ = [{**row, "chosen": False} for row in rows]
                self.history_[best]["chosen"] = True
        self._fit_vectors(candidates[best], (vectors, labels, groups), temperatures[best])

    def _predict(self, x: FeatureSet, enrolment: FeatureSet | None) -> np.ndarray:
        return self._answer(self._vectors(x))


def clip_statistics(x: FeatureSet, features: Sequence[str], statistics: Sequence[str]) -> np.ndarray:
    """Describe clips by statistics of every dimension of some features over the frames, by their names.

    What comes back is float32 [n_clips, n_numbers], feature by feature and statistic by statistic; zeros for
    a clip without frames. `percentiles` are the 5th, 25th, 50th, 75th and 95th.
    """
    blocks = []
    for name in features:
        rows = []
        for clip in x[name]:
            frames = clip.astype(np.float64)
            if not len(clip):
                frames = np.zeros((1, clip.shape[1]))
            found = []
            for each in statistics:
                if each == "percentiles":
                    ranks = np.percentile(frames, (5, 25, 50, 75, 95), axis=0)
                    found.append(ranks.ravel())
                else:
                    found.append(getattr(np, each)(frames, axis=0))
            rows.append(np.concatenate(found))
        blocks.append(np.stack(rows))
    return np.concatenate(blocks, axis=1).astype(np.float32)


@dataclass(frozen=True)
class Standardiser:
    """Brings every dimension to mean 0 and deviation 1 on the training clips, then clips it.

    Functionals have heavy tails: a single extreme percentile of one recording would otherwise rule a linear
    model.

    Parameters
    ----------
    mean, scale
        float64 [n_dimensions]; a dimension that never changed in training has the scale infinity and
        becomes 0.
    limit
        Standardised values stay within ± this.
    """

    mean: np.ndarray
    scale: np.ndarray
    limit: float

    @classmethod
    def learn(cls, vectors: np.ndarray, *, limit: float) -> Self:
        """Measure training vectors [n_clips, n_dimensions]; numbers that are not finite count as zeros."""
        values = _finite(vectors)
        mean, deviation = values.mean(axis=0), values.std(axis=0)
        constant = deviation <= _RELATIVE_TINY * np.maximum(np.abs(mean), _RELATIVE_TINY)
        return cls(mean, np.where(constant, np.inf, deviation), limit)

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Standardise vectors, float64 [n_clips, n_dimensions]."""
        standardised = (_finite(vectors) - self.mean) / self.scale
        return np.asarray(np.clip(standardised, -self.limit, self.limit))

    def save(self, directory: Path) -> None:
        """Write the statistics into the folder of a model."""
        np.savez(directory / "standardiser.npz", **vars(self))

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(directory / "standardiser.npz", allow_pickle=False) as stored:
            return cls(stored["mean"], stored["scale"], float(stored["limit"]))


def _finite(vectors: np.ndarray) -> np.ndarray:
    values = np.asarray(vectors, dtype=np.float64)
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
