"""A comparison in words: numbers as text, and sentences on the tests."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

MISSING = "–"
TASKS = {"music_emotion": "Music emotion", "voice_emotion": "Voice emotion", "theme": "Themes"}
_MEASURES = {"ndcg_at_10": "an nDCG@10", "uar": "a UAR"}
"""Column of the measure that a comparison is about → its name with an article."""


def number(value: Any, *, signed: bool = False) -> str:
    """Write a score with three decimals; a dash where it is missing."""
    if pd.isna(value):
        return MISSING
    return f"{value:+.3f}".replace("-", "−") if signed else f"{value:.3f}"


def p_value(value: Any, *, n_groups: Any = None, unit: str = "groups") -> str:
    """Write a p with three decimals, `< 0.001` below.

    Where it is missing: that so many groups allow no test, where their number is known, else a dash.
    """
    if pd.isna(value):
        if pd.isna(n_groups):
            return MISSING
        return f"cannot be tested with {int(n_groups)} {unit if n_groups > 1 else unit[:-1]}"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"  # noqa: PLR2004


def interval(low: Any, high: Any, *, signed: bool = False) -> str:
    """Write an interval as `[low, high]`; nothing where it is missing."""
    if pd.isna(low) or pd.isna(high):
        return ""
    return f"[{number(low, signed=signed)}, {number(high, signed=signed)}]"


def score(row: pd.Series[Any], name: str, *, signed: bool = False) -> str:
    """Write `name` of a row with its deviation over seeds (`_sd`) and its interval, where they are known."""
    deviation = row.get(f"{name}_sd", math.nan)
    spread = "" if pd.isna(deviation) else f" ± {number(deviation)}"
    ends = interval(row.get(f"{name}_ci_low"), row.get(f"{name}_ci_high"), signed=signed)
    return f"{number(row[name], signed=signed)}{spread} {ends}".strip()


def tested(row: pd.Series[Any], prefix: str = "") -> str:
    """Write the corrected p of a row, or that it could not be tested; a dash where nothing was compared."""
    compared = not pd.isna(row[f"{prefix}difference"])
    return p_value(row[f"{prefix}p_permutation_holm"], n_groups=row["n_groups"] if compared else None)


def points(value: float, low: float, high: float) -> str:
    """Write a difference in points and its interval with one decimal: `+4.9 [+0.8, +9.2]`."""
    reach = "" if pd.isna(low) or pd.isna(high) else f" [{_signed(low)}, {_signed(high)}]"
    return f"{_signed(value)}{reach}"


def _signed(value: float) -> str:
    return f"{round(value, 1) + 0.0:+.1f}".replace("-", "−")  # + 0.0: no negative zero


def task_title(task: str) -> str:
    """Return the readable name of a task."""
    return TASKS.get(task, task.replace("_", " ").capitalize())


def comparison_text(table: pd.DataFrame, task: str) -> str:
    """Write the main columns of a comparison for a terminal, with a head line and what the tests say.

    Parameters
    ----------
    table
        What `compare` returned, or `compare_playlists`, of whose bridges the first is told.
    task
        Name of the task.
    """
    bridge = ""
    if len(table.get("bridge", ())):
        name = table["bridge"].iloc[0]
        table, bridge = table[table["bridge"] == name], f", bridge {name}"
    if table.empty:
        return f"{task_title(task)}: {summary_sentence(table)}"
    first = table.iloc[0]
    groups, clips = int(first["n_groups"]), int(first["n_clips"])
    size = f"{clips} clips" + (", each its own group" if groups == clips else f" of {groups} groups")
    head = f"{task_title(task)}: {size} ({first['corpus']}, {first['protocol']}{bridge})"
    measure, title = _measure(table), _title(table)
    rows = [("model", "role", f"{title} [interval]", "p (Holm)")]
    for _, row in table.iterrows():
        rows.append((str(row["model"]), str(row["role"]), score(row, measure), tested(row)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join((head, *(f"  {line}" for line in lines), summary_sentence(table)))


def sentences_on_tests(table: pd.DataFrame) -> list[str]:
    """Say of each model that the proposed one was tested against what the tests allow to be said.

    `beats` is said only of a permutation test whose Holm-corrected p is below the level of the comparison.
    """
    proposed = _proposed(table)
    if proposed.empty:
        return []
    others = table[table["difference"].notna()]
    about = _measure(table), _title(table)
    return [_sentence(proposed.iloc[0], row, *about) for _, row in others.iterrows()]


def summary_sentence(table: pd.DataFrame) -> str:
    """Sum up in one sentence how the proposed model fares against its baselines.

    A baseline is every model that is no part of the proposed one; `pretrained` ones stand apart.
    """
    if table.empty:
        return "No clip with a label was scored."
    proposed = _proposed(table)
    baselines = table[~table["role"].isin(["ablation", "pretrained"])].drop(index=proposed.index)
    measure = _measure(table)
    if proposed.empty or baselines.empty:
        best = table.sort_values(measure).iloc[-1]
        return f"The best {_title(table)} is {number(best[measure])} ({best['model']})."
    name, score = proposed["model"].iloc[0], number(proposed[measure].iloc[0])
    beaten = list(baselines.loc[baselines["verdict"] == "better", "model"])
    start = f"The proposed model {name} reaches {_MEASURES[measure]} of {score}"
    if len(beaten) == len(baselines):
        return f"{start} and beats {'its only baseline' if len(beaten) == 1 else 'all its baselines'}."
    if beaten:
        return f"{start} and beats {', '.join(beaten)}, but not every baseline."
    if (baselines["verdict"] == "untestable").all():
        untestable = p_value(None, n_groups=baselines["n_groups"].max())
        return f"{start}; whether it beats a baseline {untestable}."
    return f"{start}; the tests do not show that it beats a baseline."


def _proposed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the row of the model that the others were compared with, which has no difference; or none."""
    return table[(table["role"] == "proposed") & table["difference"].isna()].iloc[:1]


def _measure(table: pd.DataFrame) -> str:
    """Return the column of the measure that a comparison is about."""
    return next(name for name in _MEASURES if name in table)


def _title(table: pd.DataFrame) -> str:
    return _MEASURES[_measure(table)].split()[-1]


def _sentence(proposed: pd.Series[Any], row: pd.Series[Any], measure: str, title: str) -> str:
    ours, theirs = proposed["model"], row["model"]
    claim = {
        "better": f"{ours} beats {theirs}",
        "worse": f"{ours} is worse than {theirs}",
        "untestable": f"Whether {ours} beats {theirs} {p_value(None, n_groups=row['n_groups'])}",
    }.get(str(row["verdict"]), f"No difference between {ours} and {theirs} is shown")
    reach = interval(row["difference_ci_low"], row["difference_ci_high"], signed=True)
    over = f", interval over groups {reach}" if reach else ""
    p = p_value(row["p_permutation"])
    test = f"; permutation test p {p if p.startswith('<') else f'= {p}'} ({tested(row)} after Holm)"
    return (
        f"{claim}: {title} {number(proposed[measure])} against {number(row[measure])}, "
        f"difference {number(row['difference'], signed=True)}{over}"
        f"{'' if row['verdict'] == 'untestable' else test}."
    )
