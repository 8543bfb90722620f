"""What the attention of a music model is worth: its highlights against excerpts drawn at random.

Attention weights need not explain a decision (Jain & Wallace, NAACL 2019). Here they are put to a test: the
model of each fold is asked about the stretch of its test clips that it attends to most, and about stretches
of the same length drawn at random. Where the first are not recognised better, the weights say nothing about
where a track's emotion is heard.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from affetto.evaluation.asking import Answers, Truth
from affetto.evaluation.metrics import per_seed, uar
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.significance import difference_interval, permutation_test

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
_POINTS = 100.0


def worth_of(
    model: str, answers: Sequence[Answers], truth: Truth, parameters: EvaluationParameters
) -> pd.DataFrame:
    """Say how much better highlights are recognised than random excerpts.

    Parameters
    ----------
    model
        Its name.
    answers
        What its models of all folds and seeds said.
    truth
        Emotions and groups of the clips.
    parameters
        How the interval and the test are computed, and how long the excerpts are.

    Returns
    -------
    DataFrame
        `HIGHLIGHT_COLUMNS`, one row, or none when no clip was long enough. UAR is pooled over the folds, mean
        over seeds and draws; the interval of the gain is paired and over groups, `p_value` that of the paired
        permutation test; NaN where there are too few groups for one.
    """
    told = {name: _rows(answers, name, truth) for name in ("whole", "highlight", "random")}
    if told["whole"].empty:
        return pd.DataFrame(columns=list(HIGHLIGHT_COLUMNS))
    scores = {f"uar_{name}": float(per_seed(table, uar).mean()) for name, table in told.items()}
    first, second = told["highlight"], told["random"]
    low, high = difference_interval(first, second, confidence=parameters.confidence)
    p_value = permutation_test(
        first,
        second,
        alpha=parameters.alpha,
        n_permutations=parameters.n_permutations,
        seed=parameters.seed,
    )
    row = {
        "model": model,
        "length_s": parameters.highlights.length_s,
        **scores,
        "gain": _POINTS * (scores["uar_highlight"] - scores["uar_random"]),
        "gain_ci_low": _POINTS * low,
        "gain_ci_high": _POINTS * high,
        "p_value": p_value,
        "n_clips": first["clip_id"].nunique(),
        "n_groups": first["group"].nunique(),
        "n_random": parameters.highlights.n_random,
    }
    return pd.DataFrame([row], columns=list(HIGHLIGHT_COLUMNS))


def _rows(answers: Sequence[Answers], name: str, truth: Truth) -> pd.DataFrame:
    """Make a row a clip, seed and draw; a draw stands for a seed, as the same model was asked again."""
    tables = []
    for answer in answers:
        shape = answer.told["random"].shape
        for draw, row in enumerate(np.broadcast_to(answer.told[name], shape)):
            tables.append(answer.rows(row, truth, answer.seed * shape[0] + draw))
    return pd.concat(tables, ignore_index=True)
