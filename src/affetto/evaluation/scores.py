"""The figures of one model that are tracked and compared."""

from __future__ import annotations

import math
import re
from dataclasses import asdict

import pandas as pd

from affetto.evaluation.metrics import summarise
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.significance import bootstrap_interval


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
        `uar, wa, macro_f1, uar_ci_low, uar_ci_high, log_loss, ece, n_clips, n_groups, n_seeds,
        recall_<class>…`, and `uar_sd` with several seeds. What cannot be known (the interval of a single
        group) is left out.
    """
    summary = asdict(summarise(predictions, n_bins=parameters.n_bins))
    recall = {f"recall_{_plain(name)}": value for name, value in summary.pop("recall").items()}
    interval = bootstrap_interval(
        predictions,
        n_resamples=parameters.n_resamples,
        confidence=parameters.confidence,
        seed=parameters.seed,
    )
    scores = {**summary, "uar_ci_low": interval.low, "uar_ci_high": interval.high, **recall}
    return {name: float(value) for name, value in scores.items() if math.isfinite(value)}


def _plain(name: str) -> str:
    return re.sub(r"\W+", "_", name)
