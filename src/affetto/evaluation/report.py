"""The report of a task: one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from affetto.evaluation.figures import Illustration
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.tables import ReportTable, comparison_cells, discovery_cells, recall_tables
from affetto.evaluation.wording import (
    number,
    protocol_sentence,
    sentences_on_tests,
    summary_sentence,
    task_notes,
    task_title,
)
from affetto.io.pages import page_template

DEMO = "demo"
_LARGE_GAP = 0.02


def render_report(
    comparison: pd.DataFrame,
    predictions: Mapping[str, pd.DataFrame],
    illustrations: Mapping[str, Illustration],
    *,
    task: str,
    corpus: str,
    protocol: str,
    parameters: EvaluationParameters | None = None,
    discovery: pd.DataFrame | None = None,
    tables: Sequence[ReportTable] = (),
    first_tables: Sequence[ReportTable] = (),
    unmeasured: Sequence[str] = (),
) -> str:
    """Write the report of one task.

    Parameters
    ----------
    comparison
        What `affetto.evaluation.comparison.compare` returned; may be empty when nothing was labelled.
    predictions
        Model → out-of-fold predictions, for the recall of each class.
    illustrations
        Name → figure; embedded as PNG. The name becomes the anchor of its section.
    task, corpus, protocol
        What was compared, on what, and how it was split.
    parameters
        Those of the comparison, to say how intervals and tests were made.
    discovery
        Themes only: `model, role` and measures of themes that never saw a label, a row a model.
    tables, first_tables
        Further tables, below and above the figures.
    unmeasured
        What there is no table of, and why: a sentence each.

    Returns
    -------
    str
        An HTML page without scripts and without anything loaded from elsewhere.
    """
    chosen = parameters or EvaluationParameters()
    n_folds = max((table["fold"].nunique() for table in predictions.values()), default=0)
    return page_template("affetto.evaluation", "report.html.j2", stacked).render(
        title=task_title(task),
        corpus=corpus,
        is_demo=corpus.split(maxsplit=1)[0] == DEMO,
        protocol=" ".join([protocol_sentence(protocol, n_folds=n_folds), *task_notes(task)]),
        size=_size_sentence(comparison),
        summary=summary_sentence(comparison),
        comparison=_comparison_table(comparison),
        tests=sentences_on_tests(comparison),
        leakage=_leakage_sentence(comparison),
        discovery=_discovery_table(discovery),
        tables=[*recall_tables(comparison, predictions), *tables],
        first_tables=first_tables,
        unmeasured=unmeasured,
        illustrations=[_embedded(name, illustration) for name, illustration in illustrations.items()],
        parameters=chosen,
    )


def stacked(cell: str) -> str:
    """Put the interval of a score, which is not to be broken, on a line of its own."""
    return cell.replace(", ", ",\N{NO-BREAK SPACE}").replace(" [", "\n[")


def _comparison_table(comparison: pd.DataFrame) -> dict[str, Any] | None:
    if comparison.empty:
        return None
    shown = comparison_cells(comparison)
    rows = [
        {"role": role, "cells": list(row)}
        for role, row in zip(comparison["role"], shown.to_numpy(dtype=object), strict=True)
    ]
    return {"header": list(shown.columns), "rows": rows}


def _size_sentence(comparison: pd.DataFrame) -> str:
    if comparison.empty:
        return "No clip with a label was scored."
    first = comparison.iloc[0]
    seeds = int(comparison["n_seeds"].max())
    repeated = "once" if seeds == 1 else f"with up to {seeds} seeds"
    return f"{int(first['n_clips'])} clips of {int(first['n_groups'])} groups were scored, {repeated}."


def _leakage_sentence(comparison: pd.DataFrame) -> str | None:
    known = comparison.dropna(subset=["leakage_gap"])
    if known.empty:
        return None
    widest = known.sort_values("leakage_gap").iloc[-1]
    gap = number(widest["leakage_gap"], signed=True)
    if widest["leakage_gap"] < _LARGE_GAP:
        return f"Random folds flatter no model by more than {_LARGE_GAP} (widest gap: {gap})."
    return (
        f"Random folds, which let a group be on both sides, flatter {widest['model']} most: UAR "
        f"{number(widest['uar_random'])}, {gap} above the grouped folds. Only the grouped figures say how "
        "the model fares on groups it never met."
    )


def _discovery_table(discovery: pd.DataFrame | None) -> dict[str, Any] | None:
    if discovery is None or discovery.empty:
        return None
    shown = discovery_cells(discovery)
    rows = [
        {"role": str(role), "cells": list(row)}
        for role, row in zip(discovery["role"], shown.to_numpy(dtype=object), strict=True)
    ]
    return {"header": list(shown.columns), "rows": rows}


def _embedded(name: str, illustration: Illustration) -> dict[str, str]:
    return {
        "name": name,
        "width": str(illustration.width_px),
        "title": illustration.title,
        "caption": illustration.caption,
        "data": base64.b64encode(illustration.png).decode("ascii"),
    }
