"""What a model gains from a few clips of the same person, of which nobody has told the emotion.

The model of each fold is asked about its test clips twice: as those of anyone, and after some other clips of
the same speaker, drawn at random and without their labels, were enrolled. Both answers are scored on the same
clips; clips that were enrolled are not among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from affetto.evaluation.asking import NOT_ASKED, Answers, Truth
from affetto.evaluation.metrics import per_seed, uar
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.significance import difference_interval

ENROLMENT_COLUMNS = (
    "model",
    "n_enrolled",
    "uar_anyone",
    "uar_enrolled",
    "gain",
    "gain_ci_low",
    "gain_ci_high",
    "n_clips",
    "n_speakers",
    "n_repeats",
)
"""Columns of the table; `gain` and its interval are points: hundredths of UAR."""
_POINTS = 100.0


def gain_of(
    model: str, answers: Sequence[Answers], truth: Truth, parameters: EvaluationParameters
) -> pd.DataFrame:
    """Say what a model gains from enrolled clips.

    Parameters
    ----------
    model
        Its name, written into every row.
    answers
        What its models of all folds and seeds said.
    truth
        Emotions and speakers of the clips.
    parameters
        How many clips were enrolled, and how the interval is computed.

    Returns
    -------
    DataFrame
        `ENROLMENT_COLUMNS`, a row a number of enrolled clips for which some speaker has enough clips. UAR is
        pooled over all speakers, mean over seeds and draws; the gain has its paired interval over speakers.
    """
    rows = []
    for place, size in enumerate(parameters.enrolment.sizes):
        anyone, enrolled = _scored(answers, place, truth)
        if len(enrolled):
            rows.append({"model": model, "n_enrolled": size, **_gain(anyone, enrolled, parameters)})
    return pd.DataFrame(rows, columns=list(ENROLMENT_COLUMNS))


def enrolment_metrics(table: pd.DataFrame, model: str) -> dict[str, float]:
    """Return what is tracked of a model: `enrolment_<n>_gain`, points, for each number of enrolled clips."""
    own = table[table["model"] == model]
    return {
        f"enrolment_{int(size)}_gain": float(gain)
        for size, gain in zip(own["n_enrolled"], own["gain"], strict=True)
    }


def _scored(answers: Sequence[Answers], place: int, truth: Truth) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make a row a scored clip, seed and draw: without, and with so many clips enrolled."""
    anyone, enrolled = [], []
    for answer in answers:
        draws = answer.told["enrolled"][place]
        for repeat, told in enumerate(draws):
            seed = answer.seed * len(draws) + repeat  # a draw stands for a seed: the same model, asked again
            before = np.where(told == NOT_ASKED, NOT_ASKED, answer.told["anyone"])
            anyone.append(answer.rows(before, truth, seed))
            enrolled.append(answer.rows(told, truth, seed))
    return pd.concat(anyone, ignore_index=True), pd.concat(enrolled, ignore_index=True)


def _gain(anyone: pd.DataFrame, enrolled: pd.DataFrame, parameters: EvaluationParameters) -> dict[str, Any]:
    before, after = (float(per_seed(table, uar).mean()) for table in (anyone, enrolled))
    interval = difference_interval(enrolled, anyone, confidence=parameters.confidence)
    return {
        "uar_anyone": before,
        "uar_enrolled": after,
        "gain": _POINTS * (after - before),
        "gain_ci_low": _POINTS * interval.low,
        "gain_ci_high": _POINTS * interval.high,
        "n_clips": enrolled["clip_id"].nunique(),
        "n_speakers": enrolled["group"].nunique(),
        "n_repeats": parameters.enrolment.repeats,
    }
