"""The figures of one model that are tracked and compared."""

from __future__ import annotations

import math

import pandas as pd

from affetto.evaluation.counts import COUNT_METRICS
from affetto.evaluation.metrics import summarise
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.significance import Interval, ece_interval, score_interval


def score_predictions(predictions: pd.DataFrame, parameters: EvaluationParameters) -> dict[str, float]:
    """Compute the scores that all models of a task share.

    Parameters
    ----------
    predictions
        A row a clip and seed: `clip_id, group, fold, seed, label, predicted, p_<class>…`.
    parameters
        How the interval is computed.

    Returns
    -------
    dict
        What `summarise` and `intervals` return, without what cannot be known: intervals of a single group,
        deviations over a single seed.
    """
    scores = {**summarise(predictions, n_bins=parameters.n_bins), **intervals(predictions, parameters)}
    return {name: float(value) for name, value in scores.items() if math.isfinite(value)}


def intervals(predictions: pd.DataFrame, parameters: EvaluationParameters) -> dict[str, float]:
    """Compute `<score>_ci_low, <score>_ci_high` of `COUNT_METRICS` and `ece` over groups.

    NaN for a single group.
    """
    found: dict[str, Interval] = {
        metric: score_interval(predictions, metric=metric, confidence=parameters.confidence)
        for metric in COUNT_METRICS
    }
    found["ece"] = ece_interval(predictions, n_bins=parameters.n_bins, confidence=parameters.confidence)
    return {
        f"{name}_ci_{end}": value for name, ends in found.items() for end, value in ends._asdict().items()
    }
