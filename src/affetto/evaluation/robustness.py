"""The robustness table in the report: cells and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from affetto.evaluation.wording import MISSING, points


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
