"""The report of a task: one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from affetto.evaluation.metrics import per_class_recall
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.report_tables import ReportTable
from affetto.evaluation.wording import (
    MISSING,
    cells,
    comparison_header,
    number,
    p_value,
    protocol_sentence,
    score,
    sentences_on_tests,
    summary_sentence,
    task_notes,
    task_title,
)
from affetto.page_template import page_template

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEMO = "demo"
_PNG_DPI = 130
_PIXELS_PER_INCH = 62  # the narrowest at which the small print of a figure is legible
_LARGE_GAP = 0.02


@dataclass(frozen=True)
class Illustration:
    """A figure of the report, drawn.

    Attributes
    ----------
    png
        The image, which carries title and caption as its metadata.
    title
        Heading over it.
    caption
        How to read it, in a sentence or two; also its text for readers who cannot see it.
    """

    png: bytes
    title: str
    caption: str

    @classmethod
    def of(cls, figure: Figure, title: str, caption: str) -> Self:
        """Draw a figure."""
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=_PNG_DPI, metadata={"Title": title, "Description": caption})
        return cls(image.getvalue(), title, caption)

    @classmethod
    def read(cls, png: bytes) -> Self:
        """Read what `of` drew."""
        from PIL import Image

        with Image.open(io.BytesIO(png)) as image:
            return cls(png, image.info.get("Title", ""), image.info.get("Description", ""))

    @property
    def width_px(self) -> int:
        """Width at which it is shown, pixels."""
        width: int = struct.unpack(">I", self.png[16:20])[0]  # of the header, which a PNG begins with
        return round(width * _PIXELS_PER_INCH / _PNG_DPI)


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
    robustness: Mapping[str, Any] | None = None,
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
    tables
        Further tables, below the figures.
    robustness
        What `affetto.evaluation.robustness.robustness_cells` laid out.
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
        recall=_recall_table(comparison, predictions),
        discovery=_discovery_table(discovery),
        tables=tables,
        robustness=robustness,
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
    texts = pd.DataFrame([cells(row) for _, row in comparison.iterrows()], columns=list(comparison_header()))
    shown = texts.loc[:, (texts != MISSING).any()]
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


def _recall_table(comparison: pd.DataFrame, predictions: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    models = list(comparison["model"])
    table = pd.DataFrame({model: per_class_recall(predictions[model]) for model in models})
    rows = [(str(name), [number(value) for value in row]) for name, row in table.iterrows()]
    return {"models": models, "rows": rows}


def _discovery_table(discovery: pd.DataFrame | None) -> dict[str, Any] | None:
    if discovery is None or discovery.empty:
        return None
    ends = tuple(name for name in discovery.columns if name.endswith(("_ci_low", "_ci_high", "_units")))
    shown = ["model", "role", *(n for n in discovery.columns if n not in ("model", "role", *ends))]
    rows = [
        {"role": str(row["role"]), "cells": [_cell(name, row) for name in shown]}
        for _, row in discovery.iterrows()
    ]
    return {"header": [_head(name) for name in shown], "rows": rows}


def _head(name: str) -> str:
    measure, _, tested = name.rpartition("_difference")
    words = f"{measure}: proposed − this" if measure and not tested else name.replace("_p_holm", ": p (Holm)")
    return words.replace("_", " ")


def _cell(name: str, row: pd.Series[Any]) -> str:
    value, is_difference = row[name], name.endswith("_difference")
    if isinstance(value, str):
        return value
    if name.endswith("_p_holm"):
        units = row.get(name.replace("_p_holm", "_units"))
        return p_value(value, n_groups=units, unit="folds" if name.startswith("theme_ami") else "groups")
    if pd.isna(value):
        return MISSING
    if name.startswith("n_"):
        return f"{value:.3g}"
    return score(row, name, signed=is_difference)


def _embedded(name: str, illustration: Illustration) -> dict[str, str]:
    return {
        "name": name,
        "width": str(illustration.width_px),
        "title": illustration.title,
        "caption": illustration.caption,
        "data": base64.b64encode(illustration.png).decode("ascii"),
    }
