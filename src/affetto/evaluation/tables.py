"""The tables of the report as texts: the comparison, groups, and what the probes have found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from affetto.evaluation.figures import MANY_GROUPS
from affetto.evaluation.metrics import per_class_recall
from affetto.evaluation.wording import MISSING, interval, number, p_value, points, score, tested

Row = pd.Series  # of a table of results
Columns = Mapping[str, Callable[[Any], str]]
"""Head of a column → what is written into it of a row."""
_MEASURES = ("novelty", "doubt")
_COMPARISON: Columns = {
    "Model": lambda row: str(row["model"]),
    "Role": lambda row: str(row["role"]),
    "UAR [interval]": lambda row: score(row, "uar"),
    "WA": lambda row: number(row["wa"]),
    "Macro F1": lambda row: number(row["macro_f1"]),
    "ECE [interval]": lambda row: score(row, "ece"),
    "UAR, random folds": lambda row: number(row["uar_random"]),
    "Leakage gap": lambda row: number(row["leakage_gap"], signed=True),
    "Proposed − this [interval]": lambda row: score(row, "difference", signed=True),
    "p permutation (Holm)": tested,
}
_SURE: Columns = {
    "Model": lambda row: str(row["model"]),
    "UAR, surest half": lambda row: number(row["selective_uar"]),
    "UAR, all": lambda row: number(row["uar"]),
    "WA, surest half": lambda row: number(row["selective_wa"]),
    "WA, all": lambda row: number(row["wa"]),
}
_ENROLMENT: Columns = {
    "Model": lambda row: str(row["model"]),
    "Enrolled clips": lambda row: str(int(row["n_enrolled"])),
    "UAR as anyone": lambda row: number(row["uar_anyone"]),
    "UAR enrolled": lambda row: number(row["uar_enrolled"]),
    "Gain, points": lambda row: _difference(row, "gain"),
    "Clips": lambda row: str(int(row["n_clips"])),
    "Speakers": lambda row: str(int(row["n_speakers"])),
}
_HIGHLIGHTS: Columns = {
    "Model": lambda row: str(row["model"]),
    "Excerpt": lambda row: f"{row['length_s']:g} s",
    "UAR of whole clips": lambda row: number(row["uar_whole"]),
    "UAR of highlights": lambda row: number(row["uar_highlight"]),
    "UAR of random excerpts": lambda row: number(row["uar_random"]),
    "Gain, points": lambda row: _difference(row, "gain"),
    "p": lambda row: p_value(row["p_value"], n_groups=row["n_groups"]),
    "Clips": lambda row: str(int(row["n_clips"])),
}


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
    sentences
        What is said below the table.
    """

    name: str
    title: str
    note: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sentences: tuple[str, ...] = ()


def _written(name: str, title: str, note: str, columns: Columns, table: pd.DataFrame) -> ReportTable:
    rows = tuple(tuple(write(row) for write in columns.values()) for _, row in table.iterrows())
    return ReportTable(name, title, note, tuple(columns), rows)


def comparison_cells(comparison: pd.DataFrame) -> pd.DataFrame:
    """Write a comparison: a row for each model, without the columns in which no model has anything."""
    rows = [[write(row) for write in _COMPARISON.values()] for _, row in comparison.iterrows()]
    texts = pd.DataFrame(rows, columns=list(_COMPARISON))
    return texts.loc[:, (texts != MISSING).any()]


def recall_tables(comparison: pd.DataFrame, predictions: Mapping[str, pd.DataFrame]) -> list[ReportTable]:
    """Write the recall of each class by each model of the comparison; nothing when that is empty."""
    models = list(comparison["model"])
    if not models:
        return []
    table = pd.DataFrame({model: per_class_recall(predictions[model]) for model in models})
    rows = tuple((str(name), *(number(value) for value in row)) for name, row in table.iterrows())
    return [ReportTable("recall", "Recall of each class", "", ("Class", *models), rows)]


def discovery_cells(discovery: pd.DataFrame) -> pd.DataFrame:
    """Write measures of themes that never saw a label: `model, role` and the measures, a row for each model.

    Ends of intervals and numbers of units stand in the cell of their measure.
    """
    ends = tuple(name for name in discovery.columns if name.endswith(("_ci_low", "_ci_high", "_units")))
    shown = ["model", "role", *(str(name) for name in discovery if name not in ("model", "role", *ends))]
    rows = [[_discovered(name, row) for name in shown] for _, row in discovery.iterrows()]
    return pd.DataFrame(rows, columns=[_head(name) for name in shown])


def _head(name: str) -> str:
    measure, _, tested_one = name.rpartition("_difference")
    is_difference = measure and not tested_one
    words = f"{measure}: proposed − this" if is_difference else name.replace("_p_holm", ": p (Holm)")
    return words.replace("_", " ")


def _discovered(name: str, row: Row) -> str:
    value = row[name]
    if isinstance(value, str):
        return value
    if name.endswith("_p_holm"):
        units = row.get(name.replace("_p_holm", "_units"))
        return p_value(value, n_groups=units, unit="folds" if name.startswith("theme_ami") else "groups")
    if pd.isna(value):
        return MISSING
    if name.startswith("n_"):
        return f"{value:.3g}"
    return score(row, name, signed=name.endswith("_difference"))


def measure_tables(comparison: pd.DataFrame) -> list[ReportTable]:
    """Write accuracy and macro F1, tested as the UAR is, and scores on the surest half of the clips.

    Nothing is written when the comparison is empty.
    """
    if comparison.empty:
        return []
    columns: dict[str, Callable[[Any], str]] = {"Model": lambda row: str(row["model"])}
    for measure, title in {"wa": "WA", "macro_f1": "Macro F1"}.items():
        columns |= {
            f"{title} [interval]": partial(score, name=measure),
            f"{title} proposed − this [interval]": partial(score, name=f"{measure}_difference", signed=True),
            f"{title} p permutation (Holm)": partial(tested, prefix=f"{measure}_"),
        }
    note = "Tested like the UAR, to stand beside what others publish; what is claimed above rests on the UAR."
    sure = (
        "Scores on the half of the clips that get the largest probabilities (selective accuracy at 50 % "
        "coverage): a model that knows when it errs gains much. The UAR is over the classes in that half."
    )
    return [
        _written("measures", "Accuracy and macro F1", note, columns, comparison),
        _written("selective", "The surest half", sure, _SURE, comparison),
    ]


def group_tables(scores: pd.DataFrame) -> list[ReportTable]:
    """Write the spread over groups, and each group where they are few.

    Parameters
    ----------
    scores
        What `affetto.evaluation.metrics.score_groups` returned, models in the order of the columns; nothing
        is written when it is empty.
    """
    if scores.empty:
        return []
    each = [] if scores["group"].nunique() > MANY_GROUPS else [_each_group(scores)]
    return [_spread(scores), *each]


def _spread(scores: pd.DataFrame) -> ReportTable:
    """Write how scores differ between groups, each counted once however many clips it has."""
    rows = []
    for model, table in scores.groupby("model", sort=False):
        cells = []
        for values in (table["uar"], table["wa"]):
            deviation = "" if len(values) == 1 else f" ± {number(values.std(ddof=1))}"
            cells += [
                f"{number(values.mean())}{deviation}",
                f"{number(values.min())} – {number(values.max())}",
            ]
        weakest = table.sort_values(["uar", "group"], kind="stable").iloc[0]
        rows.append((str(model), *cells, f"{weakest['group']} ({number(weakest['uar'])})"))
    note = (
        "Each group is scored alone over the classes that it has, and every group counts the same: the mean "
        "differs from the pooled score above."
    )
    header = [f"{score} {what}" for score in ("UAR", "WA") for what in ("mean ± SD", "lowest – highest")]
    head = ("Model", *header, "Weakest group (UAR)")
    return ReportTable("spread", "Spread over groups", note, head, tuple(rows))


def _each_group(scores: pd.DataFrame) -> ReportTable:
    models = list(scores["model"].unique())
    cells = {
        (row["group"], row["model"]): f"{number(row['uar'])} / {number(row['wa'])}"
        for _, row in scores.iterrows()
    }
    rows = []
    for _, row in scores.drop_duplicates("group").sort_values("group").iterrows():
        sizes = (str(int(row["n_clips"])), str(int(row["n_classes"])))
        rows.append(
            (str(row["group"]), *sizes, *(cells.get((row["group"], name), MISSING) for name in models))
        )
    head = ("Group", "Clips", "Classes", *models)
    return ReportTable("groups", "Each group", "UAR / WA of each model.", head, tuple(rows))


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


def _lost(row: Row) -> str:
    def plain(name: str) -> str:
        return f"{row[name]:.1f}".replace("-", "−")

    spread = "" if pd.isna(row["loss_sd"]) else f" ± {plain('loss_sd')}"
    known = interval(row["loss_ci_low"], row["loss_ci_high"])
    ends = f" [{plain('loss_ci_low')}, {plain('loss_ci_high')}]" if known else ""
    return f"{plain('loss')}{spread}{ends}"


def enrolment_tables(table: pd.DataFrame) -> list[ReportTable]:
    """Write the gain of each model and number of enrolled clips; nothing when it was not measured."""
    if table.empty:
        return []
    draws = int(table["n_repeats"].max())
    mean = ", of one draw" if draws == 1 else f", mean over {draws} draws"
    note = (
        "The models of the folds are asked about the clips that a speaker has left after some were enrolled, "
        "drawn at random without their labels, and about the same clips as those of anyone. UAR is pooled "
        f"over all speakers{mean}; the interval of the gain is paired and over speakers."
    )
    return [_written("enrolment", "Enrolment of speakers", note, _ENROLMENT, table)]


def highlight_tables(table: pd.DataFrame) -> list[ReportTable]:
    """Write how highlights are recognised; nothing when it was not measured."""
    if table.empty:
        return []
    note = (
        "The models of the folds are asked about the stretch of each test clip that they attend to most, and "
        f"about stretches of the same length drawn at random ({int(table['n_random'].max())} a clip). Where "
        "the gain is not above chance, attention does not say where a track's emotion is heard. The interval "
        "is paired and over groups, p that of the paired permutation test."
    )
    return [_written("highlights", "Highlights against random excerpts", note, _HIGHLIGHTS, table)]


def stranger_tables(table: pd.DataFrame) -> list[ReportTable]:
    """Write how well models tell strangers; nothing when it was not measured."""
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
        cells = (
            score(by_model[model], f"auroc_{measure}") if model in by_model else MISSING
            for model, measure in columns
        )
        rows.append((_words(kind), str(of_kind["n_strangers"].max()), *cells))
    note = (
        "AUROC of what a model cannot know against the clips that its folds held out: by its novelty, where "
        "it learnt one, and by its doubt (1 − its largest probability). 1: every stranger is told, 0.5: "
        "chance. Intervals are over groups of held-out clips and over strange recordings."
    )
    missing = _notes(table[table["n_strangers"] == 0], "strangers")
    header = ("Strangers", "Clips", *(f"{model}: {measure}" for model, measure in columns))
    return [ReportTable("strangers", "Strangers", " ".join([note, *missing]), header, tuple(rows))]


def robustness_tables(table: pd.DataFrame) -> list[ReportTable]:
    """Write the change of each model in each condition, and where it is shown to be small enough."""
    if table.empty:
        return []
    models = list(dict.fromkeys(table["model"]))
    rows = []
    for condition, of_condition in table.groupby("condition", sort=False):
        by_model = of_condition.set_index("model")
        tolerance = f"±{by_model['tolerance'].iloc[0]:g}"
        cells = (_change(by_model.loc[model]) for model in models)
        rows.append((_words(condition), tolerance, *cells))
    note = (
        f"The model of every fold heard up to {int(table['n_clips'].max())} of the clips it was tested with "
        "once more, in other packaging, in noise and through a telephone. Change of its UAR in points, with "
        "the paired interval over groups; ✗: not shown to lie within the tolerance, which takes the whole "
        "interval; †: the model has learnt from copies of its training clips in this condition."
    )
    known = table[table["change"].notna()]
    within = (_within(str(model), rows) for model, rows in known.groupby("model", sort=False))
    sentences = (*within, *_notes(table[table["change"].isna()], "condition"))
    header = ("Condition", "Tolerance", *models)
    return [ReportTable("robustness", "Robustness", note, header, tuple(rows), sentences)]


def _change(row: Row) -> str:
    if pd.isna(row["change"]):
        return MISSING
    beyond = " ✗" if row["within_tolerance"] == "no" else ""
    return f"{_difference(row, 'change')}{beyond}{' †' if row['trained_on'] == 'yes' else ''}"


def _within(model: str, rows: pd.DataFrame) -> str:
    """Say in how many conditions a model is shown to stay within the tolerance, and in which it is not."""
    inside, trained = rows["within_tolerance"] == "yes", rows["trained_on"] == "yes"
    start = f"{model} is shown to stay within the tolerance in {inside.sum()} of {len(rows)} conditions"
    if trained.any():
        start += f" ({(inside & trained).sum()} of the {trained.sum()} that it was trained on)"
    if inside.all():
        return f"{start}."
    named = (
        f"{_words(row['condition'])} ({_difference(row, 'change')})" for _, row in rows[~inside].iterrows()
    )
    return f"{start}, but not in {', '.join(named)}."


def _difference(row: Row, name: str) -> str:
    return points(row[name], row[f"{name}_ci_low"], row[f"{name}_ci_high"])


def _notes(table: pd.DataFrame, name: str) -> Iterable[str]:
    """Say once for each kind of clips why there were none."""
    for _, row in table[[name, "note"]].drop_duplicates().iterrows():
        yield f"{_words(row[name])}: {row['note']}."


def _words(name: object) -> str:
    return str(name).replace("_", " ")
