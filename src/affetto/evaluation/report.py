"""The report of a task: one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from affetto.evaluation.figures import PNG_DPI
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.tables import (
    ReportTable,
    comparison_table,
    discovery_table,
    playlist_table,
    playlist_tests,
    recall_tables,
)
from affetto.evaluation.wording import number, sentences_on_tests, summary_sentence, task_title
from affetto.io.pages import page_template

_DEMO = "demo"
_PIXELS_PER_INCH = 62  # the narrowest at which the small print of a figure is legible


def render_report(
    comparison: pd.DataFrame,
    predictions: Mapping[str, pd.DataFrame],
    figures: Mapping[str, bytes],
    *,
    task: str,
    corpus: str,
    protocol: str,
    parameters: EvaluationParameters,
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
    figures
        Name → figure of `affetto.evaluation.figures.draw_png`.
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
    sizes = comparison[["n_clips", "n_groups", "n_seeds"]].max()
    return page_template("affetto.evaluation", "report.html.j2", stacked, embedded, shown_width).render(
        title=task_title(task),
        task=task,
        corpus=corpus,
        is_demo=corpus.split(maxsplit=1)[0] == _DEMO,
        protocol=protocol,
        n_folds=max((table["fold"].nunique() for table in predictions.values()), default=0),
        **sizes,
        summary=summary_sentence(comparison),
        comparison=comparison_table(comparison),
        tests=sentences_on_tests(comparison),
        leakage=_widest_gap(comparison),
        discovery=discovery_table(discovery),
        tables=[*recall_tables(comparison, predictions), *tables],
        first_tables=first_tables,
        unmeasured=unmeasured,
        figures=figures,
        parameters=parameters,
    )


def render_recommendation(comparison: pd.DataFrame, *, demo: bool, parameters: EvaluationParameters) -> str:
    """Write the report of the recommendation.

    Parameters
    ----------
    comparison
        What `affetto.recommendation.evaluation.compare_playlists` returned, with `corpus` and `protocol`.
    demo
        Whether one of the corpora is that of the demo.
    parameters
        Those of the comparison.

    Returns
    -------
    str
        A page as that of `render_report`.
    """
    bridges = [rows for _, rows in comparison.groupby("bridge", sort=False)]
    chosen, first = bridges[0], comparison.iloc[0]
    others = [playlist_table(rows, sentences_on_tests(rows)) for rows in bridges[1:]]
    told = [f"Bridge {rows['bridge'].iloc[0]}: {summary_sentence(rows)}" for rows in bridges]
    return page_template("affetto.evaluation", "report.html.j2", stacked, embedded, shown_width).render(
        title=task_title("recommendation"),
        task="recommendation",
        **{name: first[name] for name in ("corpus", "protocol", "bridge", "n_clips", "n_groups", "n_tracks")},
        is_demo=demo,
        summary=" ".join(told),
        comparison=playlist_table(chosen),
        tests=sentences_on_tests(chosen),
        leakage=None,
        discovery=None,
        tables=[*others, *map(playlist_tests, bridges)],
        first_tables=[],
        unmeasured=[],
        figures={},
        parameters=parameters,
    )


def _widest_gap(comparison: pd.DataFrame) -> dict[str, Any] | None:
    """Find the model that random folds flatter most; None where none was scored on random folds."""
    known = comparison.dropna(subset=["leakage_gap"])
    if known.empty:
        return None
    widest = known.sort_values("leakage_gap").iloc[-1]
    gap = widest["leakage_gap"]
    return {
        "model": widest["model"],
        "uar": number(widest["uar_random"]),
        "gap": gap,
        "written": number(gap, signed=True),
    }


def stacked(cell: str) -> str:
    """Put the interval of a score, which is not to be broken, on a line of its own."""
    return cell.replace(", ", ",\N{NO-BREAK SPACE}").replace(" [", "\n[")


def embedded(png: bytes) -> str:
    """Write an image as the address of itself."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def shown_width(png: bytes) -> int:
    """Return the least width at which an image is shown, pixels, from its header."""
    return round(int.from_bytes(png[16:20], "big") * _PIXELS_PER_INCH / PNG_DPI)
