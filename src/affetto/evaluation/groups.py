"""How models fare group by group (speaker, artist, song), and how far the groups lie apart."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd

from affetto.evaluation.counts import Array, check_predictions, class_names, count_by_group, uar, wa

GROUP_COLUMNS = ("model", "group", "n_clips", "n_classes", "wa", "uar")
SPREAD_COLUMNS = ("model", "n_groups", "mean", "sd", "min", "max", "weakest")


def score_groups(predictions: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Score every model on the clips of each group.

    Parameters
    ----------
    predictions
        Model → out-of-fold predictions; may be empty.

    Returns
    -------
    DataFrame
        A row a model and group: `n_clips`, `n_classes` that the group has clips of, and `wa` and `uar` over
        these classes, means over seeds.
    """
    tables = [_scores(table).assign(model=model) for model, table in predictions.items()]
    if not tables:
        return pd.DataFrame(columns=list(GROUP_COLUMNS))
    return pd.concat(tables, ignore_index=True)[list(GROUP_COLUMNS)]


def spread_over_groups(scores: pd.DataFrame, *, score: str = "uar") -> pd.DataFrame:
    """Sum up how a score differs between groups.

    Parameters
    ----------
    scores
        What `score_groups` returned.
    score
        `uar` or `wa`.

    Returns
    -------
    DataFrame
        A row a model, in the order of `scores`: `n_groups`; `mean`, `sd` (n - 1 in the denominator, NaN for
        one group), `min` and `max` over the groups, each counted once however many clips it has; `weakest`,
        the group with the lowest score, the first by name of several.
    """
    rows = []
    for model, table in scores.groupby("model", sort=False):
        values = table[score]
        lowest = table.sort_values([score, "group"], kind="stable").iloc[0]
        rows.append(
            {
                "model": model,
                "n_groups": len(table),
                "mean": float(values.mean()),
                "sd": float(values.std(ddof=1)),
                "min": float(values.min()),
                "max": float(values.max()),
                "weakest": str(lowest["group"]),
            }
        )
    return pd.DataFrame(rows, columns=list(SPREAD_COLUMNS))


def _scores(predictions: pd.DataFrame) -> pd.DataFrame:
    counts = count_by_group(check_predictions(predictions), class_names(predictions))
    by_class = counts.matrices.sum(axis=-1)  # [n_groups, n_seeds, n_classes]
    return pd.DataFrame(
        {
            "group": counts.groups,
            "n_clips": by_class.sum(axis=-1).max(axis=1).astype(np.int64),
            "n_classes": (by_class > 0).any(axis=1).sum(axis=-1),
            "wa": _mean_of_known(wa(counts.matrices)),
            "uar": _mean_of_known(uar(counts.matrices)),
        }
    )


def _mean_of_known(scores: Array) -> Array:
    """Mean over the seeds that tested the group, shape [n_groups]."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a mean over nothing is NaN, as it should be
        return np.asarray(np.nanmean(scores, axis=1))
