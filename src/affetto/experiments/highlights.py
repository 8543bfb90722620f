"""Highlights: what the attention of a music model is worth, against excerpts drawn at random.

Attention weights need not explain a decision (Jain & Wallace, NAACL 2019). Here they are put to a test: the
model of each fold predicts the stretch of its test clips that it attends to most, and stretches of the same
length drawn at random. Where the first are not recognised better, the weights say nothing about where a
track's emotion is heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from affetto.evaluation.metrics import mean_score
from affetto.evaluation.parameters import EvaluationParameters, HighlightTestParameters
from affetto.evaluation.uncertainty import permutation_test
from affetto.experiments.probes import (
    NOT_PREDICTED,
    Experiment,
    FoldModel,
    Outcome,
    Row,
    difference_in_points,
    rows_of_draws,
)
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.highlight import find_highlight
from affetto.models.estimator import estimator_class

_FRAMES = "mfcc"  # the feature whose frames say how long a clip is


def measure_highlights(experiment: Experiment, evaluation: EvaluationParameters) -> list[Row] | str:
    """Cut highlights and random excerpts out of the test clips.

    Returns what `highlight_rows` says of each model that attends, or why nothing was measured.
    """
    if evaluation.highlights.length_s is None:
        return "evaluation.highlights.length_s is null"
    able = [
        name
        for name, each in experiment.models.items()
        if estimator_class(each.estimator).attends and _FRAMES in each.features
    ]
    if not able:
        return "no model of the table attends"

    def make(fold: FoldModel, _: FeatureSet) -> Excerpts:
        return Excerpts(evaluation.highlights, fold.fold)

    return experiment.probe(able, make, highlight_rows, evaluation, "highlights")


@dataclass(frozen=True)
class Excerpts:
    """The probe: whole clips, their highlights, and excerpts drawn at random, anew for each fold."""

    parameters: HighlightTestParameters
    fold: int

    def description(self) -> dict[str, Any]:
        """Return parameters and fold."""
        parameters = self.parameters.model_dump(mode="json")
        return {"what": "highlights", "fold": self.fold, "parameters": parameters}

    def predict(self, model: Any, features: FeatureSet) -> dict[str, np.ndarray]:
        """Predict whole clips and excerpts of them.

        Returns
        -------
        dict
            Positions of the predicted classes, int64: `whole` and `highlight` [n_clips], `random` [n_random,
            n_clips]. `NOT_PREDICTED` for clips hardly longer than an excerpt, which leave no choice, and for
            all clips of a model without attention.
        """
        n_random, length_s = self.parameters.n_random, float(self.parameters.length_s or 0.0)
        frames = features[_FRAMES]
        seconds = np.asarray(frames.n_frames) * float(frames.hop_s or 0.0)
        chosen = np.flatnonzero(seconds >= self.parameters.least_ratio * length_s)
        long, seconds = features.take(chosen), seconds[chosen]
        attention = model.attention(long)
        found = np.full((2 + n_random, features.n_clips), NOT_PREDICTED, dtype=np.int64)
        if len(chosen) and attention is not None:
            highlights = [
                find_highlight(*clip, highlight_s=length_s).start_s
                for clip in zip(*attention, seconds, strict=True)
            ]
            rng = np.random.default_rng([self.parameters.seed, self.fold])
            draws = rng.uniform(0.0, seconds - length_s, (n_random, len(seconds)))
            excerpts = [cut_excerpts(long, starts, length_s) for starts in (highlights, *draws)]
            for place, clips in enumerate([long, *excerpts]):
                found[place, chosen] = model.predict_proba(clips).argmax(axis=1)
        return {"whole": found[0], "highlight": found[1], "random": found[2:]}


def cut_excerpts(features: FeatureSet, starts_s: Sequence[float] | np.ndarray, length_s: float) -> FeatureSet:
    """Cut a stretch out of each clip, in all its features.

    Frames that start inside the stretch are kept, at least one. They were computed on the whole clip: what
    looks further than a frame (deltas, mid-term windows) knows a little of what surrounds the stretch.
    """
    cut = {}
    for name, feature in features.items():
        hop_s = float(feature.hop_s or 1.0)
        parts = []
        for clip, start_s in zip(feature, starts_s, strict=True):
            first = min(int(np.ceil(start_s / hop_s)), len(clip) - 1)
            parts.append(clip[first : max(first + 1, int((start_s + length_s) / hop_s))])
        cut[name] = ClipFeatures.from_arrays(
            name,
            feature.clip_ids,
            parts,
            dimensions=feature.dimensions,
            hop_s=feature.hop_s,
            parameters=feature.parameters,
        )
    return FeatureSet(cut)


def highlight_rows(
    model: str, outcomes: Sequence[Outcome], labels: pd.DataFrame, evaluation: EvaluationParameters
) -> list[Row]:
    """Say how much better highlights are recognised than random excerpts.

    Returns
    -------
    list of dict
        One row, or none when no clip was long enough. UAR is pooled over the folds, mean over seeds and
        draws; the gain is in points, its interval is paired and over groups, `p_value` that of the paired
        permutation test; NaN where there are too few groups for one.
    """
    found = {}
    for name in ("whole", "highlight", "random"):
        draws = [np.broadcast_to(one.values[name], one.values["random"].shape) for one in outcomes]
        found[name] = rows_of_draws(outcomes, labels, draws)
    first, second = found["highlight"], found["random"]
    if first.empty:
        return []
    p_value = permutation_test(
        first,
        second,
        alpha=evaluation.alpha,
        n_permutations=evaluation.n_permutations,
        seed=evaluation.seed,
    )
    row = {
        "model": model,
        "length_s": evaluation.highlights.length_s,
        **{f"uar_{name}": mean_score(table) for name, table in found.items()},
        **difference_in_points("gain", first, second, evaluation),
        "p_value": p_value,
        "n_clips": first["clip_id"].nunique(),
        "n_groups": first["group"].nunique(),
        "n_random": evaluation.highlights.n_random,
    }
    return [row]
