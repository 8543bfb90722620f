"""Nodes of the reports: the figures of a task, and its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from affetto.evaluation.comparison import proposed_model
from affetto.evaluation.dimensions import dimensions_figure
from affetto.evaluation.figures import (
    attention_figure,
    comparison_figure,
    confusion_figure,
    draw_png,
    groups_figure,
    probe_figure,
    reliability_figure,
    training_figure,
)
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.report import render_recommendation, render_report
from affetto.evaluation.tables import PROBE_TABLES, group_tables, kind_tables, measure_tables
from affetto.features.clip_features import ClipFeatures
from affetto.recommendation.evaluation import compare_playlists
from affetto.recommendation.parameters import RecommendParameters

_DRAWN = ("importance", "enrolment", "robustness")
_TABLES = ("comparison", "groups", "kinds", "discovery", *PROBE_TABLES)


def draw_task(
    results: Mapping[str, Any],
    evaluation: EvaluationParameters,
    features: Mapping[str, ClipFeatures],
) -> tuple[dict[str, bytes], dict[str, pd.DataFrame]]:
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
        Figures as PNG images, none where nothing was scored, and tables by name.
    """
    comparison, predictions = results["comparison"], _by_model(results["predictions"])
    tables = {name: results[name] for name in _TABLES if name in results}
    if comparison.empty:
        return {}, tables
    drawn = {
        "comparison": comparison_figure(comparison),
        "confusion": confusion_figure(predictions),
        "reliability": reliability_figure(predictions, n_bins=evaluation.n_bins),
        "groups": groups_figure(results["groups"]),
    }
    histories = _by_model(results.get("histories", pd.DataFrame()))
    if histories:
        drawn["training"] = training_figure(histories)
    proposed = proposed_model(dict(zip(comparison["model"], comparison["role"], strict=True)))
    attention = results.get("attention", pd.DataFrame())
    if len(attention) and proposed is not None:
        drawn["attention"] = attention_figure(attention, predictions[proposed], features.get("log_mel"))
    ratings = results.get("dimensions", pd.DataFrame())
    if len(ratings):
        told = results["dimension_predictions"]
        drawn["dimensions"] = dimensions_figure(told[told["model"] == ratings["model"].iloc[0]])
    for name in _DRAWN:
        table = results.get(name, pd.DataFrame())
        if len(table) and not _reason(table):
            drawn[name] = probe_figure(name, table)
    return {name: draw_png(figure) for name, figure in drawn.items()}, tables


def measure_playlists(
    library: Mapping[str, Any],
    clips: pd.DataFrame,
    music: Mapping[str, Any],
    voice: Mapping[str, Any],
    taxonomy: dict[str, Any],
    recommend: RecommendParameters,
    evaluation: EvaluationParameters,
    **about: Any,
) -> dict[str, pd.DataFrame]:
    """Compare playlists for held-out voices with those of simpler recommenders.

    Parameters
    ----------
    library, clips, music, voice, taxonomy, recommend, evaluation
        As for `compare_playlists`.
    about
        The parameters `corpus__<side>` and `split__<side>`.

    Returns
    -------
    dict
        `comparison`, a row a bridge and recommender.
    """
    table = compare_playlists(library, clips, music, voice, taxonomy, recommend, evaluation)
    told = {}
    for name, what in {"corpus": "corpus", "protocol": "split"}.items():
        titles = [about[f"{what}__{side}"].title for side in ("voice", "music")]
        told[name] = " → ".join(dict.fromkeys(titles))
    return {"comparison": table.assign(**told)}


def write_reports(
    evaluation: EvaluationParameters,
    recommendation: Mapping[str, pd.DataFrame] | None = None,
    *,
    tasks: Sequence[str],
    **inputs: Any,
) -> dict[str, str]:
    """Write one HTML page a task.

    Parameters
    ----------
    evaluation
        How intervals and tests were made.
    recommendation
        Tables of `measure_playlists`.
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
        probed = {name: tables[name] for name in PROBE_TABLES if len(tables.get(name, ()))}
        reasons = {name: reason for name, table in probed.items() if (reason := _reason(table))}
        written = {name: PROBE_TABLES[name](table) for name, table in probed.items() if name not in reasons}
        robustness = written.pop("robustness", None)
        comparison, groups = tables["comparison"], tables["groups"]
        kinds = kind_tables(tables.get("kinds", pd.DataFrame()))
        pages[f"{task}/report"] = render_report(
            comparison,
            _by_model(inputs[f"results__{task}"]["predictions"]),
            inputs[f"figures__{task}"],
            task=task,
            corpus=inputs[f"corpus__{task}"].title,
            protocol=inputs[f"split__{task}"].title,
            parameters=evaluation,
            discovery=tables.get("discovery"),
            first_tables=[] if robustness is None else [robustness],
            tables=[*measure_tables(comparison), *group_tables(groups), *kinds, *written.values()],
            unmeasured=list(reasons.values()),
        )
    playlists = (recommendation or {}).get("comparison", pd.DataFrame())
    if len(playlists):
        demo = "demo" in playlists["corpus"].iloc[0].split()
        page = render_recommendation(playlists, demo=demo, parameters=evaluation)
        pages["recommendation/report"] = page
    return pages


def _reason(table: pd.DataFrame) -> str:
    """Return why a table was not measured; nothing where it has a row of a model."""
    return str(table["note"].iloc[0]) if table["model"].isna().all() else ""


def _by_model(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Take the table of all models apart; columns that a model lacks are left out."""
    return {
        str(model): rows.drop(columns="model").dropna(axis=1, how="all").reset_index(drop=True)
        for model, rows in (table.groupby("model", sort=False) if len(table) else ())
    }
