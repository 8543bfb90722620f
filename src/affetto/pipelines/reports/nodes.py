"""Nodes of the reports: the figures of a task, and its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from affetto.evaluation import tables as report_tables
from affetto.evaluation.comparison import proposed_model
from affetto.evaluation.figures import (
    Illustration,
    comparison_figure,
    confusion_figure,
    illustrate,
    reliability_figure,
    training_figure,
)
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.probe_figures import (
    attention_examples_figure,
    enrolment_figure,
    groups_figure,
    importance_figure,
    robustness_figure,
)
from affetto.evaluation.report import render_report
from affetto.features.clip_features import ClipFeatures

_DRAWN = {"importance": importance_figure, "enrolment": enrolment_figure, "robustness": robustness_figure}
_PROBES = ("importance", "enrolment", "highlights", "strangers", "robustness")
_TABLES = ("comparison", "groups", "discovery", *_PROBES)


def draw_task(
    results: Mapping[str, Any],
    evaluation: EvaluationParameters,
    features: Mapping[str, ClipFeatures],
) -> tuple[dict[str, Illustration], dict[str, pd.DataFrame]]:
    """Draw the figures of a task, and choose the tables that people read.

    Parameters
    ----------
    results
        What was scored: of `score_models` or `score_themes`.
    evaluation
        How intervals are made.
    features
        Of the clips; spectrograms, where there are some, are drawn beside the attention.

    Returns
    -------
    tuple
        Figures and tables by name.
    """
    comparison, predictions = results["comparison"], _by_model(results["predictions"])
    drawn = {
        "comparison": comparison_figure(comparison),
        "confusion": confusion_figure(predictions),
        "reliability": reliability_figure(predictions, n_bins=evaluation.n_bins),
        "groups": groups_figure(results["groups"]),
    }
    histories = _by_model(results.get("histories", pd.DataFrame()))
    if histories:
        drawn["training"] = training_figure(histories)
    attention, spectrograms = results.get("attention", pd.DataFrame()), features.get("log_mel")
    proposed = proposed_model(dict(zip(comparison["model"], comparison["role"], strict=True)))
    if len(attention) and proposed is not None:
        drawn["attention"] = attention_examples_figure(attention, predictions[proposed], spectrograms)
    for name, draw in _DRAWN.items():
        table = results.get(name, pd.DataFrame())
        if len(table) and not _reason(table):
            drawn[name] = draw(table)
    under = "" if spectrograms is None else " Under it the log-mel spectrogram of the clip."
    figures = {name: illustrate(name, figure, under=under) for name, figure in drawn.items()}
    return figures, {name: results[name] for name in _TABLES if name in results}


def write_reports(evaluation: EvaluationParameters, *, tasks: Sequence[str], **inputs: Any) -> dict[str, str]:
    """Write one HTML page a task.

    Parameters
    ----------
    evaluation
        How intervals and tests were made.
    tasks
        Names of the tasks.
    inputs
        `results__<task>`, `tables__<task>` and `figures__<task>`, and the parameters `corpus__<task>` and
        `split__<task>`.

    Returns
    -------
    dict
        `<task>/report` → HTML.
    """
    pages = {}
    for task in tasks:
        tables: Mapping[str, pd.DataFrame] = inputs[f"tables__{task}"]
        probed = {name: tables.get(name, pd.DataFrame()) for name in _PROBES}
        reasons = {name: reason for name, table in probed.items() if (reason := _reason(table))}
        probed |= dict.fromkeys(reasons, pd.DataFrame())
        pages[f"{task}/report"] = render_report(
            tables["comparison"],
            _by_model(inputs[f"results__{task}"]["predictions"]),
            inputs[f"figures__{task}"],
            task=task,
            corpus=inputs[f"corpus__{task}"].title,
            protocol=inputs[f"split__{task}"].title,
            parameters=evaluation,
            discovery=tables.get("discovery"),
            first_tables=report_tables.robustness_tables(probed["robustness"]),
            tables=[
                *report_tables.measure_tables(tables["comparison"]),
                *report_tables.group_tables(tables["groups"]),
                *report_tables.importance_tables(probed["importance"]),
                *report_tables.enrolment_tables(probed["enrolment"]),
                *report_tables.highlight_tables(probed["highlights"]),
                *report_tables.stranger_tables(probed["strangers"]),
            ],
            unmeasured=list(reasons.values()),
        )
    return pages


def _reason(table: pd.DataFrame) -> str:
    """Return why a table was not measured; nothing where it has a row of a model."""
    return str(table["note"].iloc[0]) if len(table) and table["model"].isna().all() else ""


def _by_model(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Take the table of all models apart; columns that a model lacks are left out."""
    return {
        str(model): rows.drop(columns="model").dropna(axis=1, how="all").reset_index(drop=True)
        for model, rows in (table.groupby("model", sort=False) if len(table) else ())
    }
