"""The figures of one model that are tracked and compared."""

from __future__ import annotations

import math
import re
from dataclasses import asdict

import pandas as pd

from affetto.evaluation.metrics import summarise
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.significance import bootstrap_ece, bootstrap_interval


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
        `uar, wa, macro_f1, uar_ci_low, uar_ci_high, log_loss, ece, ece_ci_low, ece_ci_high, n_clips,
        n_groups, n_seeds, recall_<class>…`, and `uar_sd` with several seeds. What cannot be known (the
        intervals of a single group) is left out.
    """
    summary = asdict(summarise(predictions, n_bins=parameters.n_bins))
    recall = {f"recall_{_plain(name)}": value for name, value in summary.pop("recall").items()}
    scores = {**summary, **intervals(predictions, parameters), **recall}
    return {name: float(value) for name, value in scores.items() if math.isfinite(value)}


def intervals(predictions: pd.DataFrame, parameters: EvaluationParameters) -> dict[str, float]:
    """Compute `uar_ci_low, uar_ci_high, ece_ci_low, ece_ci_high` over groups; NaN for a single group."""
    n_resamples, confidence, seed = parameters.n_resamples, parameters.confidence, parameters.seed
    score = bootstrap_interval(predictions, n_resamples=n_resamples, confidence=confidence, seed=seed)
    error = bootstrap_ece(
        predictions, n_bins=parameters.n_bins, n_resamples=n_resamples, confidence=confidence, seed=seed
    )
    return {
        "uar_ci_low": score.low,
        "uar_ci_high": score.high,
        "ece_ci_low": error.low,
        "ece_ci_high": error.high,
    }


def _plain(name: str) -> str:
    return re.sub(r"\W+", "_", name)
