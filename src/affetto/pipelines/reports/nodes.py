"""Nodes of the reports: the figures of a task, and its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from affetto.corpora.parameters import CorpusParameters, SplitParameters
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
from affetto.evaluation.tables import (
    enrolment_tables,
    group_tables,
    highlight_tables,
    importance_tables,
    measure_tables,
    robustness_tables,
    stranger_tables,
)
from affetto.features.clip_features import ClipFeatures

_DRAWN = {"importance": importance_figure, "enrolment": enrolment_figure, "robustness": robustness_figure}
_PROBES = ("importance", "enrolment", "highlights", "strangers", "robustness")
_TABLES = ("comparison", "groups", "discovery", *_PROBES)


def draw_task(
    results: Mapping[str, Any],
    evaluation: EvaluationParameters,
    features: Mapping[str, ClipFeatures],
) -> tuple[dict[str, Illustration], dict[str, pd.DataFrame]]:
    """Draw the figures of a task, and lay out its tables.

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
        Figures, and tables by name; models are in the order of the comparison.
    """
    comparison, groups = results["comparison"], _groups(results)
    predictions = _by_model(results["predictions"])
    ordered = _ordered(predictions, comparison)
    drawn = {
        "comparison": comparison_figure(comparison),
        "confusion": confusion_figure(ordered),
        "reliability": reliability_figure(ordered, n_bins=evaluation.n_bins),
        "groups": groups_figure(groups),
    }
    histories = _by_model(results.get("histories", pd.DataFrame()))
    if histories:
        drawn["training"] = training_figure(histories)
    roles = dict(zip(comparison["model"], comparison["role"], strict=True))
    attention, proposed = results.get("attention", pd.DataFrame()), proposed_model(roles)
    spectrograms = features.get("log_mel")
    if len(attention) and proposed in predictions:
        drawn["attention"] = attention_examples_figure(attention, predictions[str(proposed)], spectrograms)
    for name, draw in _DRAWN.items():
        table = results.get(name, pd.DataFrame())
        if len(table) and not _reason(table):
            drawn[name] = draw(table)
    under = "" if spectrograms is None else " Under it the log-mel spectrogram of the clip."
    figures = {name: illustrate(name, figure, under=under) for name, figure in drawn.items()}
    tables = {name: results[name] for name in _TABLES if name in results}
    return figures, tables | {"groups": groups}


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
    kinds = ("results", "tables", "figures", "corpus", "split")
    return {
        f"{task}/report": _report(task, evaluation, **{kind: inputs[f"{kind}__{task}"] for kind in kinds})
        for task in tasks
    }


def _report(
    task: str,
    evaluation: EvaluationParameters,
    *,
    results: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    figures: Mapping[str, Illustration],
    corpus: CorpusParameters,
    split: SplitParameters,
) -> str:
    comparison = tables["comparison"]
    probed = {name: tables.get(name, pd.DataFrame()) for name in _PROBES}
    reasons = {name: reason for name, table in probed.items() if (reason := _reason(table))}
    probed |= dict.fromkeys(reasons, pd.DataFrame())
    return render_report(
        comparison,
        _ordered(_by_model(results["predictions"]), comparison),
        figures,
        task=task,
        corpus=corpus.title,
        protocol=split.title,
        parameters=evaluation,
        discovery=tables.get("discovery"),
        first_tables=robustness_tables(probed["robustness"]),
        tables=[
            *measure_tables(comparison),
            *group_tables(tables["groups"]),
            *importance_tables(probed["importance"]),
            *enrolment_tables(probed["enrolment"]),
            *highlight_tables(probed["highlights"]),
            *stranger_tables(probed["strangers"]),
        ],
        unmeasured=list(reasons.values()),
    )


def _reason(table: pd.DataFrame) -> str:
    """Return why a table was not measured; nothing where it has a row of a model."""
    return str(table["note"].iloc[0]) if len(table) and table["model"].isna().all() else ""


def _by_model(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Take the table of all models apart; columns that a model lacks are left out."""
    if table.empty:
        return {}
    parts = table.groupby("model", sort=False)
    return {
        str(model): rows.drop(columns="model").dropna(axis=1, how="all").reset_index(drop=True)
        for model, rows in parts
    }


def _ordered(predictions: Mapping[str, pd.DataFrame], comparison: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {model: predictions[model] for model in comparison["model"]}


def _groups(results: Mapping[str, Any]) -> pd.DataFrame:
    """Return the scores of the groups, models in the order of the comparison."""
    order = {model: place for place, model in enumerate(results["comparison"]["model"])}
    groups: pd.DataFrame = results["groups"]
    return groups.sort_values("model", key=lambda names: names.map(order), kind="stable").reset_index(
        drop=True
    )
