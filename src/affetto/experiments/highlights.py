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

from affetto.evaluation.parameters import EvaluationParameters, HighlightTestParameters
from affetto.evaluation.significance import permutation_test
from affetto.experiments.cross_validate import FoldModel
from affetto.experiments.probes import NOT_PREDICTED, Experiment, Outcome, difference_in_points, mean_uar
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.highlight import find_highlight
from affetto.models.estimator import estimator_class

FRAMES = "mfcc"
"""The feature whose frames say how long a clip is."""
HIGHLIGHT_COLUMNS = (
    "model",
    "length_s",
    "uar_whole",
    "uar_highlight",
    "uar_random",
    "gain",
    "gain_ci_low",
    "gain_ci_high",
    "p_value",
    "n_clips",
    "n_groups",
    "n_random",
)
"""Columns of the table; `gain` and its interval are points: hundredths of UAR."""


def measure_highlights(experiment: Experiment, evaluation: EvaluationParameters) -> pd.DataFrame | str:
    """Cut highlights and random excerpts out of the test clips.

    Returns
    -------
    DataFrame
        `HIGHLIGHT_COLUMNS`, a row for each model that attends; or why nothing was measured.
    """
    if evaluation.highlights.length_s is None:
        return "evaluation.highlights.length_s is null"
    able = [
        name
        for name, each in experiment.models.items()
        if estimator_class(each.estimator).attends and FRAMES in each.features
    ]
    if not able:
        return "no model of the table attends"

    def make(fold: FoldModel, _: FeatureSet) -> Excerpts:
        return Excerpts(evaluation.highlights, fold.fold)

    return experiment.probe(able, make, highlight_rows, evaluation, "highlights")


@dataclass(frozen=True)
class Excerpts:
    """The probe: whole clips, their highlights, and excerpts drawn at random.

    Attributes
    ----------
    parameters
        Length of the excerpts, how many are drawn, and the seed of the draws.
    fold
        Of the model; part of the seed.
    """

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
        seconds = durations_s(features[FRAMES])
        chosen = np.flatnonzero(seconds >= self.parameters.least_ratio * length_s)
        long, seconds = features.take(chosen), seconds[chosen]
        weights, times = model.attention(long), model.attention_times(long)
        found = np.full((2 + n_random, features.n_clips), NOT_PREDICTED, dtype=np.int64)
        if len(chosen) and weights is not None and times is not None:
            highlights = [
                find_highlight(*clip, highlight_s=length_s).start_s
                for clip in zip(times, weights, seconds, strict=True)
            ]
            rng = np.random.default_rng([self.parameters.seed, self.fold])
            draws = rng.uniform(0.0, seconds - length_s, (n_random, len(seconds)))
            excerpts = [cut_excerpts(long, starts, length_s) for starts in (highlights, *draws)]
            for place, clips in enumerate([long, *excerpts]):
                found[place, chosen] = model.predict_proba(clips).argmax(axis=1)
        return {"whole": found[0], "highlight": found[1], "random": found[2:]}


def durations_s(clips: ClipFeatures) -> np.ndarray:
    """Return how long each clip is, s, from the number of its frames."""
    return np.asarray(clips.n_frames) * float(clips.hop_s or 0.0)


def cut_excerpts(features: FeatureSet, starts_s: Sequence[float] | np.ndarray, length_s: float) -> FeatureSet:
    """Cut a stretch out of each clip, in all its features.

    Frames that start inside the stretch are kept, at least one. They were computed on the whole clip: what
    looks further than a frame (deltas, mid-term windows) knows a little of what surrounds the stretch.

    Parameters
    ----------
    features
        Sequences.
    starts_s
        Start of the stretch in each clip, s.
    length_s
        Its length, s.
    """
    return FeatureSet({name: _cut(feature, starts_s, length_s) for name, feature in features.items()})


def _cut(feature: ClipFeatures, starts_s: Sequence[float] | np.ndarray, length_s: float) -> ClipFeatures:
    hop_s = float(feature.hop_s or 1.0)
    parts = []
    for i, start_s in enumerate(starts_s):
        first = min(int(np.ceil(start_s / hop_s)), int(feature.n_frames[i]) - 1)
        parts.append(feature[i][first : max(first + 1, int((start_s + length_s) / hop_s))])
    return ClipFeatures.from_arrays(
        feature.name,
        feature.clip_ids,
        parts,
        dimensions=feature.dimensions,
        hop_s=feature.hop_s,
        parameters=feature.parameters,
    )


def highlight_rows(
    model: str, outcomes: Sequence[Outcome], clips: pd.DataFrame, evaluation: EvaluationParameters
) -> pd.DataFrame:
    """Say how much better highlights are recognised than random excerpts.

    Parameters
    ----------
    model
        Its name.
    outcomes
        What its models of all folds and seeds predicted.
    clips
        `emotion, group`, indexed by `clip_id`.
    evaluation
        How the interval and the test are computed, and how long the excerpts are.

    Returns
    -------
    DataFrame
        `HIGHLIGHT_COLUMNS`, one row, or none when no clip was long enough. UAR is pooled over the folds, mean
        over seeds and draws; the interval of the gain is paired and over groups, `p_value` that of the paired
        permutation test; NaN where there are too few groups for one.
    """
    found = {name: _rows(outcomes, name, clips) for name in ("whole", "highlight", "random")}
    if found["whole"].empty:
        return pd.DataFrame(columns=list(HIGHLIGHT_COLUMNS))
    first, second = found["highlight"], found["random"]
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
        **{f"uar_{name}": mean_uar(table) for name, table in found.items()},
        **difference_in_points("gain", first, second, evaluation),
        "p_value": p_value,
        "n_clips": first["clip_id"].nunique(),
        "n_groups": first["group"].nunique(),
        "n_random": evaluation.highlights.n_random,
    }
    return pd.DataFrame([row], columns=list(HIGHLIGHT_COLUMNS))


def _rows(outcomes: Sequence[Outcome], name: str, clips: pd.DataFrame) -> pd.DataFrame:
    """Make a row for each clip, seed and draw; a draw stands for a seed, as the model predicts again."""
    tables = []
    for outcome in outcomes:
        shape = outcome.values["random"].shape
        for draw, row in enumerate(np.broadcast_to(outcome.values[name], shape)):
            tables.append(outcome.rows(row, clips, outcome.seed * shape[0] + draw))
    return pd.concat(tables, ignore_index=True)
