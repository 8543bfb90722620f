"""What all models on one vector a clip share: their vectors, their search, and standardisation."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import AfterValidator, Field, PositiveFloat

from affetto.features.clip_features import FeatureSet
from affetto.features.table import FeatureName
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


OneOrMore = PositiveFloat | tuple[PositiveFloat, ...]
"""A parameter that inner folds choose where there are several values."""
Features = Annotated[tuple[FeatureName, ...], Field(min_length=1), AfterValidator(_each_once)]
"""Features that a clip is described by: those that are a vector as they are, of frames some statistics."""
Statistics = Annotated[
    tuple[Literal["mean", "std", "percentiles"], ...], Field(min_length=1), AfterValidator(_each_once)
]
"""Statistics over the frames; percentiles are 5, 25, 50, 75, 95."""


class Verdict(NamedTuple):
    """How good a candidate's predictions are (more is better), as `history_` tells it, and a temperature."""

    score: float
    told: dict[str, float]
    temperature: float


class VectorEstimator(Estimator):
    """A model of one vector a clip, whose parameters are chosen on inner folds that keep groups whole.

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

    def _vectors(self, x: FeatureSet) -> np.ndarray:
        """Return a vector a clip, [n_clips, n_dimensions]."""
        return clip_vectors(x, self.features)

    @abc.abstractmethod
    def _answers(self, candidates: list[Any], known: Clips, unseen: np.ndarray) -> Iterable[np.ndarray]:
        """Fit each candidate to known clips alone, scaling too; return its predictions for unseen vectors.

        Candidates are parameters with one value each.
        """

    @abc.abstractmethod
    def _fit_vectors(self, parameters: Any, known: Clips, temperature: float) -> None:
        """Fit with one value for each parameter, and calibrate."""

    @abc.abstractmethod
    def _answer(self, vectors: np.ndarray) -> np.ndarray:
        """Return predictions for vectors, such as probabilities [n_clips, n_classes]."""

    def _judge(self, predicted: np.ndarray, truth: np.ndarray) -> Verdict:
        """Score predictions for clips of all inner folds."""
        from sklearn.metrics import balanced_accuracy_score

        temperature = fit_temperature(predicted, truth)
        of_truth = apply_temperature(predicted, temperature)[np.arange(len(truth)), truth]
        uar = float(balanced_accuracy_score(truth, predicted.argmax(axis=1)))
        loss = float(-np.log(np.maximum(of_truth, _LEAST)).mean())
        score = uar if self.chosen_by == "inner_uar" else -loss
        return Verdict(score, {"inner_uar": uar, "inner_log_loss": loss}, temperature)

    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        from sklearn.model_selection import ParameterGrid

        vectors = self._vectors(x)
        given = {name: getattr(self.parameters, name) for name in self.tuned}
        searched = {name: each for name, each in given.items() if isinstance(each, tuple)}
        rows = [{name: row[name] for name in searched} for row in ParameterGrid(searched)]
        candidates = [self.parameters.model_copy(update=row) for row in rows]
        tested, predicted = [], []
        best, temperature = 0, 1.0
        if searched or self.always_calibrated:
            classes = labels if labels.ndim == 1 else np.zeros(len(labels))  # ratings have none
            for train, test in inner_folds(classes, groups, 4, self.seed):
                tested.append(labels[test])
                known = vectors[train], labels[train], groups[train]
                predicted.append(list(self._answers(candidates, known, vectors[test])))
        if tested:
            truth = np.concatenate(tested)
            pooled = map(np.concatenate, zip(*predicted, strict=True))
            verdicts = [self._judge(each, truth) for each in pooled]
            best = int(np.argmax([verdict.score for verdict in verdicts]))
            temperature = verdicts[best].temperature
            if searched:
                self.history_ = [
                    {**row, **verdict.told, "chosen": place == best}
                    for place, (row, verdict) in enumerate(zip(rows, verdicts, strict=True))
                ]
        self._fit_vectors(candidates[best], (vectors, labels, groups), temperature)

    def _predict(self, x: FeatureSet, enrolment: FeatureSet | None) -> np.ndarray:
        return self._answer(self._vectors(x))


def clip_vectors(
    x: FeatureSet, features: Sequence[str], statistics: Sequence[str] = ("mean", "std")
) -> np.ndarray:
    """Describe each clip by features that are a vector, and by statistics over the frames of others.

    What comes back is float32 [n_clips, n_numbers], feature by feature and statistic by statistic; zeros for
    a clip without frames. `percentiles` are the 5th, 25th, 50th, 75th and 95th.
    """
    blocks = []
    for name in features:
        if x[name].hop_s is None:
            blocks.append(x[name].stack())
            continue
        rows = []
        for clip in x[name]:
            frames = clip.astype(np.float64) if len(clip) else np.zeros((1, clip.shape[1]))
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
