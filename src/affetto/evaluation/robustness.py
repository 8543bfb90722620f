"""How far degraded copies of the tested clips move the UAR of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from affetto.evaluation.metrics import per_seed, uar
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.significance import difference_interval
from affetto.evaluation.wording import MISSING, points

ROBUSTNESS_COLUMNS = (
    "condition",
    "family",
    "model",
    "role",
    "uar",
    "uar_clean",
    "change",
    "change_ci_low",
    "change_ci_high",
    "tolerance",
    "within_tolerance",
    "trained_on",
    "n_clips",
    "note",
)
"""Columns of the table; `change`, its interval and `tolerance` are points: hundredths of UAR. `trained_on` is
yes where the model has learnt from copies of its training clips in this condition, else no."""
_POINTS = 100.0
_DIGITS = 6
_TIE = 1e-9


def robustness_row(
    answers: pd.DataFrame, predictions: pd.DataFrame, parameters: EvaluationParameters
) -> dict[str, Any]:
    """Score the answers of a model to copies beside its answers to the clips themselves.

    Parameters
    ----------
    answers
        A row a clip and seed: `clip_id, fold, seed, predicted`, all that was told of the copies.
    predictions
        Out-of-fold predictions of the same model; only clips and seeds that both have are scored.
    parameters
        How the interval is made.

    Returns
    -------
    dict
        `uar, uar_clean, change, change_ci_low, change_ci_high, n_clips, note`; the change and its interval
        (paired, over groups) in points.
    """
    key = ["clip_id", "seed"]
    clean = predictions.merge(answers[key], on=key, validate="one_to_one")
    told = clean.drop(columns="predicted").merge(answers[[*key, "predicted"]], on=key, validate="one_to_one")
    interval = difference_interval(told, clean, confidence=parameters.confidence)
    scores = [float(per_seed(table, uar).mean()) for table in (told, clean)]
    return {
        "uar": scores[0],
        "uar_clean": scores[1],
        "change": round(_POINTS * (scores[0] - scores[1]), _DIGITS),
        "change_ci_low": _POINTS * interval.low,
        "change_ci_high": _POINTS * interval.high,
        "n_clips": clean["clip_id"].nunique(),
        "note": "",
    }


def unknown_row(note: str) -> dict[str, Any]:
    """Return the scores of a condition that could not be made, with the reason."""
    unknown = ("uar", "uar_clean", "change", "change_ci_low", "change_ci_high")
    return {**dict.fromkeys(unknown, float("nan")), "n_clips": 0, "note": note}


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """Say in `within_tolerance` whether each change is shown to be small enough: with its whole interval.

    It is yes, no (also where so few groups have no interval), or empty where nothing was measured.
    """
    farthest = table[["change_ci_low", "change_ci_high"]].abs().max(axis=1, skipna=False)
    small = farthest <= table["tolerance"] + _TIE
    verdict = small.map({True: "yes", False: "no"}).where(table["change"].notna(), "")
    return table.assign(within_tolerance=verdict)[list(ROBUSTNESS_COLUMNS)]


def robustness_metrics(table: pd.DataFrame, model: str) -> dict[str, float]:
    """Return what is tracked of a model.

    Parameters
    ----------
    table
        The robustness table of the task.
    model
        Name of the model.

    Returns
    -------
    dict
        `robustness_<condition>_change` in points, and `robustness_within`: the share of conditions in which
        it is shown to stay within the tolerance. Nothing for a table without rows.
    """
    known = table[(table["model"] == model) & table["change"].notna()]
    if known.empty:
        return {}
    changes = {
        f"robustness_{condition}_change": float(change)
        for condition, change in zip(known["condition"], known["change"], strict=True)
    }
    return {**changes, "robustness_within": float((known["within_tolerance"] == "yes").mean())}


def robustness_sentences(table: pd.DataFrame) -> list[str]:
    """Say of each model in how many conditions it is shown to stay within the tolerance, and where not."""
    known = table[table["change"].notna()]
    return [_sentence(str(model), rows) for model, rows in known.groupby("model", sort=False)]


def robustness_cells(table: pd.DataFrame) -> dict[str, Any] | None:
    """Lay the table out for the report: a row a condition, a column a model; None without rows."""
    if table.empty:
        return None
    models = list(dict.fromkeys(table["model"]))
    rows = []
    for condition, of_condition in table.groupby("condition", sort=False):
        by_model = of_condition.set_index("model")
        tolerance = f"±{by_model['tolerance'].iloc[0]:g}"
        rows.append([_words(str(condition)), tolerance, *(_cell(by_model.loc[model]) for model in models)])
    notes = table.loc[table["change"].isna(), ["condition", "note"]].drop_duplicates()
    return {
        "models": models,
        "rows": rows,
        "sentences": robustness_sentences(table),
        "notes": [f"{_words(str(row.condition))}: {row.note}." for row in notes.itertuples()],
        "n_clips": int(table["n_clips"].max()),
    }


def _sentence(model: str, rows: pd.DataFrame) -> str:
    inside, trained = rows["within_tolerance"] == "yes", rows["trained_on"] == "yes"
    start = f"{model} is shown to stay within the tolerance in {inside.sum()} of {len(rows)} conditions"
    if trained.any():
        start += f" ({(inside & trained).sum()} of the {trained.sum()} that it was trained on)"
    if inside.all():
        return f"{start}."
    named = ", ".join(
        f"{_words(str(row['condition']))} ({_change(row)})" for _, row in rows[~inside].iterrows()
    )
    return f"{start}, but not in {named}."


def _cell(row: pd.Series[Any] | Mapping[str, Any]) -> str:
    if pd.isna(row["change"]):
        return MISSING
    beyond = " ✗" if row["within_tolerance"] == "no" else ""
    return f"{_change(row)}{beyond}{' †' if row['trained_on'] == 'yes' else ''}"


def _change(row: pd.Series[Any] | Mapping[str, Any]) -> str:
    return points(row["change"], row["change_ci_low"], row["change_ci_high"])


def _words(condition: str) -> str:
    return condition.replace("_", " ")
