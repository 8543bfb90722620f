"""Tables of the report beside the comparison: other measures, groups and their spread, importance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from affetto.evaluation.group_figures import MANY_GROUPS
from affetto.evaluation.groups import spread_over_groups
from affetto.evaluation.wording import MISSING, interval, number, score, tested

_SELECTIVE_HEADER = ("Model", "UAR, surest half", "UAR, all", "WA, surest half", "WA, all")
_SELECTIVE = (
    "Scores on the half of the clips that get the largest probabilities (selective accuracy at 50 % "
    "coverage): a model that knows when it errs gains much. The UAR is over the classes in that half."
)

_MEASURES = ("novelty", "doubt")
_STRANGERS = (
    "AUROC of what a model cannot know against the clips that its folds held out: by its novelty, where it "
    "learnt one, and by its doubt (1 − its largest probability). 1: every stranger is told, 0.5: chance. "
    "Intervals are over groups of held-out clips and over strange recordings."
)


@dataclass(frozen=True)
class ReportTable:
    """A table of the report as texts.

    Attributes
    ----------
    name
        Anchor of its section.
    title
        Heading over it.
    note
        How to read it.
    header
        Heads of the columns.
    rows
        Cells of each row; the first one is the row's head.
    """

    name: str
    title: str
    note: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def measure_tables(comparison: pd.DataFrame) -> list[ReportTable]:
    """Write accuracy and macro F1, tested as the UAR is, and scores on the surest half of the clips.

    Nothing is written when the comparison is empty.

    Parameters
    ----------
    comparison
        What `affetto.evaluation.comparison.compare` returned.
    """
    if comparison.empty:
        return []
    measures = {"wa": "WA", "macro_f1": "Macro F1"}
    columns = ("[interval]", "proposed − this [interval]", "p permutation (Holm)")
    header = ("Model", *(f"{title} {column}" for title in measures.values() for column in columns))
    rows = [
        (str(row["model"]), *(text for measure in measures for text in _measured(row, measure)))
        for _, row in comparison.iterrows()
    ]
    note = "Tested like the UAR, to stand beside what others publish; what is claimed above rests on the UAR."
    surest = [
        (str(row["model"]), *(number(row[name]) for name in ("selective_uar", "uar", "selective_wa", "wa")))
        for _, row in comparison.iterrows()
    ]
    return [
        ReportTable("measures", "Accuracy and macro F1", note, header, tuple(rows)),
        ReportTable("selective", "The surest half", _SELECTIVE, _SELECTIVE_HEADER, tuple(surest)),
    ]


def group_tables(scores: pd.DataFrame) -> list[ReportTable]:
    """Write the spread over groups, and each group where they are few.

    Parameters
    ----------
    scores
        What `affetto.evaluation.groups.score_groups` returned, models in the order of the columns; nothing is
        written when it is empty.
    """
    if scores.empty:
        return []
    each = [] if scores["group"].nunique() > MANY_GROUPS else [_each_group(scores)]
    return [_spread(scores), *each]


def importance_tables(importance: pd.DataFrame) -> list[ReportTable]:
    """Write what the models lose without each group of descriptors; nothing when it was not measured.

    Parameters
    ----------
    importance
        What `affetto.experiments.importance.importance_rows` returned, of all models.
    """
    if importance.empty:
        return []
    names, models = list(importance["descriptors"].unique()), list(importance["model"].unique())
    cells = {(row["model"], row["descriptors"]): _lost(row) for _, row in importance.iterrows()}
    rows = [(model, *(cells.get((model, name), MISSING) for name in names)) for model in models]
    repeats = int(importance["n_repeats"].max())
    note = (
        "Points of UAR lost when these descriptors are exchanged between the test clips of a fold: mean and "
        f"standard deviation over {repeats} {'repeat' if repeats == 1 else 'repeats'}, interval over groups."
    )
    return [ReportTable("importance", "Importance of descriptors", note, ("Model", *names), tuple(rows))]


def _measured(row: pd.Series[Any], measure: str) -> tuple[str, str, str]:
    lead = score(row, f"{measure}_difference", signed=True)
    return score(row, measure), lead, tested(row, f"{measure}_")


def _spread(scores: pd.DataFrame) -> ReportTable:
    both = (spread_over_groups(scores, score=score).iterrows() for score in ("uar", "wa"))
    rows = [
        (str(uar["model"]), *_summary(uar), *_summary(wa), f"{uar['weakest']} ({number(uar['min'])})")
        for (_, uar), (_, wa) in zip(*both, strict=True)
    ]
    header = [f"{score} {what}" for score in ("UAR", "WA") for what in ("mean ± SD", "lowest – highest")]
    note = (
        "Each group is scored alone over the classes that it has, and every group counts the same: the mean "
        "differs from the pooled score above."
    )
    head = ("Model", *header, "Weakest group (UAR)")
    return ReportTable("spread", "Spread over groups", note, head, tuple(rows))


def _summary(row: pd.Series[Any]) -> tuple[str, str]:
    deviation = "" if pd.isna(row["sd"]) else f" ± {number(row['sd'])}"
    return f"{number(row['mean'])}{deviation}", f"{number(row['min'])} – {number(row['max'])}"


def _each_group(scores: pd.DataFrame) -> ReportTable:
    models = list(scores["model"].unique())
    cells = {
        (row["group"], row["model"]): f"{number(row['uar'])} / {number(row['wa'])}"
        for _, row in scores.iterrows()
    }
    groups = scores.drop_duplicates("group").sort_values("group")
    rows = [
        (
            str(row["group"]),
            str(int(row["n_clips"])),
            str(int(row["n_classes"])),
            *_of_models(cells, str(row["group"]), models),
        )
        for _, row in groups.iterrows()
    ]
    head = ("Group", "Clips", "Classes", *models)
    return ReportTable("groups", "Each group", "UAR / WA of each model.", head, tuple(rows))


def _of_models(cells: dict[tuple[str, str], str], group: str, models: Sequence[str]) -> list[str]:
    return [cells.get((group, model), MISSING) for model in models]


def _lost(row: pd.Series[Any]) -> str:
    spread = "" if pd.isna(row["loss_sd"]) else f" ± {_points(row['loss_sd'])}"
    reach = interval(row["loss_ci_low"], row["loss_ci_high"])
    ends = f" [{_points(row['loss_ci_low'])}, {_points(row['loss_ci_high'])}]" if reach else ""
    return f"{_points(row['loss'])}{spread}{ends}"


def _points(value: float) -> str:
    return f"{value:.1f}".replace("-", "−")


def stranger_tables(table: pd.DataFrame) -> list[ReportTable]:
    """Write for the report how well models tell strangers; nothing when it was not measured."""
    if table.empty:
        return []
    columns = [
        (model, measure)
        for model in dict.fromkeys(table["model"])
        for measure in _MEASURES
        if table.loc[table["model"] == model, f"auroc_{measure}"].notna().any()
    ]
    rows = []
    for kind, of_kind in table.groupby("strangers", sort=False):
        by_model = {row["model"]: row for _, row in of_kind.iterrows()}
        cells = (_auroc_cell(by_model.get(model), measure) for model, measure in columns)
        rows.append((str(kind).replace("_", " "), str(of_kind["n_strangers"].max()), *cells))
    missing = table.loc[table["n_strangers"] == 0, ["strangers", "note"]].drop_duplicates()
    notes = [f"{str(row.strangers).replace('_', ' ')}: {row.note}." for row in missing.itertuples()]
    header = ("Strangers", "Clips", *(f"{model}: {measure}" for model, measure in columns))
    return [ReportTable("strangers", "Strangers", " ".join([_STRANGERS, *notes]), header, tuple(rows))]


def _auroc_cell(row: pd.Series[Any] | None, measure: str) -> str:
    return MISSING if row is None else score(row, f"auroc_{measure}")
