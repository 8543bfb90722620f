"""What the attention of a music model is worth: its highlights against excerpts drawn at random.

Attention weights need not explain a decision (Jain & Wallace, NAACL 2019). Here they are put to a test: the
model of each fold is asked about the stretch of its test clips that it attends to most, and about stretches
of the same length drawn at random. Where the first are not recognised better, the weights say nothing about
where a track's emotion is heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from affetto.evaluation.excerpt_task import ExcerptAnswers
from affetto.evaluation.importance import Truth
from affetto.evaluation.metrics import per_seed, uar
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.significance import bootstrap_difference, permutation_test

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
    "n_random",
)
"""Columns of the table; `gain` and its interval are points: hundredths of UAR."""
_POINTS = 100.0


def worth_of(
    model: str, answers: Sequence[ExcerptAnswers], truth: Truth, parameters: EvaluationParameters
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
        permutation test.
    """
    if not any(len(answer.clip_ids) for answer in answers):
        return pd.DataFrame(columns=list(HIGHLIGHT_COLUMNS))
    told = {name: _rows(answers, name, truth) for name in ("whole", "highlight", "random")}
    scores = {f"uar_{name}": float(per_seed(table, uar).mean()) for name, table in told.items()}
    first, second = told["highlight"], told["random"]
    low, high = bootstrap_difference(
        first,
        second,
        n_resamples=parameters.n_resamples,
        confidence=parameters.confidence,
        seed=parameters.seed,
    )
    p_value = permutation_test(
        first,
        second,
        unit=parameters.permutation_unit,
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
        "n_random": parameters.highlights.n_random,
    }
    return pd.DataFrame([row], columns=list(HIGHLIGHT_COLUMNS))


def _rows(answers: Sequence[ExcerptAnswers], name: str, truth: Truth) -> pd.DataFrame:
    """Make a row a clip, seed and draw; a draw stands for a seed, as the same model was asked again."""
    tables: list[dict[str, Any]] = []
    for answer in answers:
        n_random = len(answer.random)
        told = answer.random if name == "random" else np.tile(getattr(answer, name), (n_random, 1))
        for draw, row in enumerate(told):
            tables.append(
                {
                    "clip_id": answer.clip_ids,
                    "group": [truth.groups[clip] for clip in answer.clip_ids],
                    "fold": answer.fold,
                    "seed": answer.seed * n_random + draw,
                    "label": [truth.labels[clip] for clip in answer.clip_ids],
                    "predicted": np.array(answer.classes, dtype=object)[row],
                }
            )
    return pd.concat([pd.DataFrame(table) for table in tables], ignore_index=True)
