"""Nodes of the evaluation: one comparison and one report a task."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pandas as pd

from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.evaluation.comparison import COMPARISON_COLUMNS, compare, proposed_model
from affetto.evaluation.enrolment_report import enrolment_figure, enrolment_illustration, enrolment_tables
from affetto.evaluation.group_figures import importance_figure
from affetto.evaluation.groups import score_groups
from affetto.evaluation.highlight_report import highlight_tables
from affetto.evaluation.illustrations import (
    attention_illustration,
    group_illustration,
    importance_illustration,
    score_illustrations,
    training_illustration,
)
from affetto.evaluation.interactive import interactive_comparison
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.report import Illustration, render_report
from affetto.evaluation.report_tables import group_tables, importance_tables, measure_tables
from affetto.evaluation.robustness import robustness_cells
from affetto.evaluation.robustness_figure import robustness_figure, robustness_illustration
from affetto.evaluation.strangers import stranger_tables

SEPARATOR = "__"
_MEASUREMENTS = {
    "importance": (importance_illustration, importance_figure),
    "enrolment": (enrolment_illustration, enrolment_figure),
    "robustness": (robustness_illustration, robustness_figure),
}
"""Table → how it is shown in the report, and how its figure is drawn where it has no rows."""
_LOGGER = logging.getLogger(__name__)


def compare_models(
    evaluation: EvaluationParameters,
    corpus: CorpusParameters,
    split: SplitParameters,
    *,
    task: str,
    roles: Mapping[str, str],
    **tables: pd.DataFrame,
) -> pd.DataFrame:
    """Score all models of a task and test the proposed one against the others.

    Parameters
    ----------
    evaluation, corpus, split
        How to test, and what the models were scored on.
    task, roles
        Name of the task; model → role.
    tables
        `predictions__<model>` and, where the leakage gap is wanted, `random_predictions__<model>`. Models
        without a scored clip are left out.
    """
    predictions = _scored(tables)
    if not predictions:
        return pd.DataFrame(columns=list(COMPARISON_COLUMNS))
    return compare(
        predictions,
        roles,
        protocol=split.title,
        corpus=corpus.title,
        task=task,
        random_predictions=by_model(tables, "random_predictions"),
        parameters=evaluation,
    )


def compare_groups(**tables: pd.DataFrame) -> pd.DataFrame:
    """Score all models of a task on each group; `tables` as for `compare_models`."""
    return score_groups(_scored(tables))


def report_task(
    comparison: pd.DataFrame,
    groups: pd.DataFrame,
    evaluation: EvaluationParameters,
    corpus: CorpusParameters,
    split: SplitParameters,
    *,
    task: str,
    roles: Mapping[str, str],
    **tables: Any,
) -> dict[str, Any]:
    """Draw the figures of a task and write its report.

    Parameters
    ----------
    comparison, groups
        The tables of `compare_models` and `compare_groups`.
    evaluation, corpus, split, task, roles
        As for `compare_models`.
    tables
        `predictions__<model>`, and what the task has of `histories__<model>`, `attention` and `spectrograms`
        (of the proposed model), `discovery` (of themes), `importance` (of descriptors), `enrolment`,
        `highlights`, `robustness` and `strangers`.

    Returns
    -------
    dict
        `report` (HTML), `comparison_figure` (Plotly) and the Matplotlib figures by name.
    """
    predictions = _scored(tables, order=list(comparison["model"]))
    in_order = groups.set_index("model").loc[list(predictions)].reset_index()
    illustrations = {
        **score_illustrations(comparison, predictions, n_bins=evaluation.n_bins),
        "groups_figure": group_illustration(in_order),
        **_illustrations_of_networks(tables, predictions, proposed_model(roles)),
    }
    further = (*_MEASUREMENTS, "highlights", "strangers")
    measured = {name: tables.get(name, pd.DataFrame()) for name in further}
    reasons = {name: reason for name, table in measured.items() if (reason := _reason(table))}
    measured |= dict.fromkeys(reasons, pd.DataFrame())
    illustrations |= {
        f"{name}_figure": illustrate(measured[name])
        for name, (illustrate, _) in _MEASUREMENTS.items()
        if len(measured[name])
    }
    report = render_report(
        comparison,
        predictions,
        illustrations,
        task=task,
        corpus=corpus.title,
        protocol=split.title,
        parameters=evaluation,
        discovery=tables.get("discovery"),
        tables=[
            *measure_tables(comparison),
            *group_tables(in_order),
            *importance_tables(measured["importance"]),
            *enrolment_tables(measured["enrolment"]),
            *highlight_tables(measured["highlights"]),
            *stranger_tables(measured["strangers"]),
        ],
        robustness=robustness_cells(measured["robustness"]),
        unmeasured=list(reasons.values()),
    )
    without_rows = {
        f"{name}_figure": draw(measured[name])
        for name, (_, draw) in _MEASUREMENTS.items()
        if name in tables and not len(measured[name])
    }
    figures = {name: illustration.figure for name, illustration in illustrations.items()} | without_rows
    return {"report": report, "comparison_figure": interactive_comparison(comparison, task=task), **figures}


def _reason(table: pd.DataFrame) -> str:
    """Return why a table was not measured; nothing where it has a row of a model."""
    return str(table["note"].iloc[0]) if len(table) and table["model"].isna().all() else ""


def by_model(tables: Mapping[str, Any], kind: str) -> dict[str, pd.DataFrame]:
    """Return the tables named `<kind>__<model>` by model."""
    prefix = f"{kind}{SEPARATOR}"
    return {name.removeprefix(prefix): table for name, table in tables.items() if name.startswith(prefix)}


def _scored(tables: Mapping[str, Any], order: list[str] | None = None) -> dict[str, pd.DataFrame]:
    known = {model: table for model, table in by_model(tables, "predictions").items() if len(table)}
    known = _on_common_clips(known)
    return known if order is None else {model: known[model] for model in order}


def _on_common_clips(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Keep the clips that all models have scored: a feature may have failed for some."""
    if not tables:
        return {}
    common = set.intersection(*(set(table["clip_id"]) for table in tables.values()))
    dropped = max(table["clip_id"].nunique() for table in tables.values()) - len(common)
    if dropped:
        _LOGGER.warning("%d clips are left out of the comparison: not every model could score them.", dropped)
    return {model: table[table["clip_id"].isin(common)] for model, table in tables.items()}


def _illustrations_of_networks(
    tables: Mapping[str, Any], predictions: Mapping[str, pd.DataFrame], proposed: str | None
) -> dict[str, Illustration]:
    found = {}
    histories = by_model(tables, "histories")
    if histories:
        found["training_figure"] = training_illustration(histories)
    if "attention" in tables and proposed in predictions:
        found["attention_figure"] = attention_illustration(
            tables["attention"], predictions[str(proposed)], tables.get("spectrograms")
        )
    return found
