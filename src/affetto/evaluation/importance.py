"""What a model loses when a group of descriptors says nothing: permutation importance, without a new fit.

Breiman, "Random forests", Machine Learning 45, 2001, sect. 10, for groups of columns: those of a clip are
exchanged for another clip's, which breaks their tie to the emotion and keeps how they are distributed. The
model of each fold is asked about its own test clips, none of which it was fitted on. What two groups say
alike neither loses alone: small figures for all of them do not mean that none matters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from affetto.evaluation.asking import Answers, Truth
from affetto.evaluation.counts import class_names, count_by_group, uar
from affetto.evaluation.exchange import Columns
from affetto.evaluation.exchange_inquiry import AS_IS
from affetto.evaluation.lld_groups import columns_by_group
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.significance import difference_interval
from affetto.features.clip_features import FeatureSet

IMPORTANCE_COLUMNS = (
    "model",
    "descriptors",
    "uar",
    "loss",
    "loss_sd",
    "loss_ci_low",
    "loss_ci_high",
    "n_clips",
    "n_repeats",
)
SPECTROGRAM = "spectrogram"
_POINTS = 100.0


def descriptor_columns(features: FeatureSet) -> dict[str, Columns]:
    """Find what can be exchanged: the groups of the LLD, over all features of openSMILE, and the spectrogram.

    Returns
    -------
    dict
        `energy`, `voicing`, `spectral`, `cepstral` and `spectrogram`, as far as the features have them →
        feature → positions of its columns.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, feature in features.items():
        if feature.parameters.get("extractor") == "opensmile":
            for group, columns in columns_by_group(feature.dimensions).items():
                found.setdefault(group, {})[name] = columns
    for name, feature in features.items():
        if feature.parameters.get("extractor") == "log_mel":
            found.setdefault(SPECTROGRAM, {})[name] = np.arange(len(feature.dimensions))
    return dict(found)


def importance_of(
    model: str, answers: Sequence[Answers], truth: Truth, parameters: EvaluationParameters
) -> pd.DataFrame:
    """Say what a model loses without each group of descriptors.

    Parameters
    ----------
    model
        Its name, written into every row.
    answers
        What its models of all folds and seeds said.
    truth
        Emotions and speakers of the clips.
    parameters
        How the interval is computed.

    Returns
    -------
    DataFrame
        A row a group of descriptors: `loss` in points of UAR, pooled over the folds, mean over seeds and
        repeats; `loss_sd`, its deviation over repeats (NaN for one); `loss_ci_low` and `loss_ci_high`, its
        interval over speakers; `uar` of the model as it is.
    """
    whole = _rows(answers, AS_IS, truth)
    rows = [
        {"model": model, "descriptors": name, **_loss(whole, _rows(answers, name, truth), parameters)}
        for name in answers[0].told
        if name != AS_IS
    ]
    return pd.DataFrame(rows, columns=list(IMPORTANCE_COLUMNS))


def _loss(whole: pd.DataFrame, exchanged: pd.DataFrame, parameters: EvaluationParameters) -> dict[str, Any]:
    n_repeats = exchanged["repeat"].nunique()
    # Each repeat of each seed stands for a seed of its own: the same model, asked again.
    alone = pd.concat([whole.assign(repeat=repeat) for repeat in range(n_repeats)], ignore_index=True)
    first, second = (_as_seeds(table, n_repeats) for table in (alone, exchanged))
    losses = _POINTS * (_pooled(first) - _pooled(second)).reshape(-1, n_repeats)
    by_repeat = losses.mean(axis=0)
    interval = difference_interval(first, second, confidence=parameters.confidence)
    return {
        "uar": float(_pooled(whole).mean()),
        "loss": float(by_repeat.mean()),
        "loss_sd": float(by_repeat.std(ddof=1)) if n_repeats > 1 else math.nan,
        "loss_ci_low": _POINTS * interval.low,
        "loss_ci_high": _POINTS * interval.high,
        "n_clips": whole["clip_id"].nunique(),
        "n_repeats": n_repeats,
    }


def _pooled(table: pd.DataFrame) -> np.ndarray:
    """UAR of the pooled folds of each seed, shape [n_seeds]."""
    return uar(count_by_group(table, class_names(table)).matrices.sum(axis=0))


def _as_seeds(table: pd.DataFrame, n_repeats: int) -> pd.DataFrame:
    return table.assign(seed=table["seed"] * n_repeats + table["repeat"])


def _rows(answers: Sequence[Answers], name: str, truth: Truth) -> pd.DataFrame:
    """Make a row a clip, seed and repeat of what was said with `name` exchanged."""
    return pd.concat(
        [
            answer.rows(told, truth, answer.seed).assign(repeat=repeat)
            for answer in answers
            for repeat, told in enumerate(answer.told[name])
        ],
        ignore_index=True,
    )
