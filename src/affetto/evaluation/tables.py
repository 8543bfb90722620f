"""The tables of the report as texts: the comparison, groups, themes, and what the probes have found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd

from affetto.evaluation.metrics import per_class_recall
from affetto.evaluation.wording import MISSING, interval, number, p_value, points, score, tested

Writer = Callable[[Any], str]
"""Writes a cell, from a row of a table of results."""
_MANY_GROUPS = 30
PLAYLIST_MEASURES = {
    "ndcg_at_10": "nDCG@10",
    "hit_at_1": "Hit at 1",
    "hit_at_3": "Hit at 3",
    "theme_coverage": "Theme coverage",
    "diversity": "Diversity",
    "calibration": "Calibration",
}
"""Measure of playlists → its heading."""


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
    roles
        Role of the model of each row, where a row is a model.
    """

    name: str
    title: str
    note: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sentences: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


def comparison_table(comparison: pd.DataFrame) -> ReportTable | None:
    """Write a comparison without the columns in which no model has anything; None when it is empty."""
    if comparison.empty:
        return None
    columns: dict[str, Writer] = {
        "Model": _text("model"),
        "Role": _text("role"),
        "UAR [interval]": _score("uar"),
        "WA": _number("wa"),
        "Macro F1": _number("macro_f1"),
        "ECE [interval]": _score("ece"),
        "UAR, random folds": _number("uar_random"),
        "Leakage gap": _number("leakage_gap", signed=True),
        "Proposed − this [interval]": _score("difference", signed=True),
        "p permutation (Holm)": tested,
    }
    known = {
        head: write
        for head, write in columns.items()
        if any(write(row) != MISSING for row in _rows(comparison))
    }
    return _written("comparison", "Comparison", "", known, comparison)


def discovery_table(discovery: pd.DataFrame | None) -> ReportTable | None:
    """Write measures of themes that never saw a label: `model, role` and the measures, a row for each model.

    Ends of intervals and numbers of units stand in the cell of their measure.
    """
    if discovery is None or discovery.empty:
        return None
    inside = ("_ci_low", "_ci_high", "_units")
    measures = [str(name) for name in discovery if not str(name).endswith(inside)]
    shown = ["model", "role", *(name for name in measures if name not in ("model", "role"))]
    columns = {_discovery_head(name): partial(_discovered, name=name) for name in shown}
    return _written("discovery", "Discovery", "", columns, discovery)


def _discovery_head(name: str) -> str:
    if name.endswith("_difference"):
        name = f"{name.removesuffix('_difference')}: proposed − this"
    return name.replace("_p_holm", ": p (Holm)").replace("_", " ")


def _discovered(row: pd.Series[Any], name: str) -> str:
    value = row[name]
    if isinstance(value, str):
        return value
    if name.endswith("_p_holm"):
        unit = "folds" if name.startswith("theme_ami") else "groups"
        return p_value(value, n_groups=row.get(name.replace("_p_holm", "_units")), unit=unit)
    if pd.isna(value):
        return MISSING
    if name.startswith("n_"):
        return f"{value:.3g}"
    return score(row, name, signed=name.endswith("_difference"))


def recall_tables(comparison: pd.DataFrame, predictions: Mapping[str, pd.DataFrame]) -> list[ReportTable]:
    """Write the recall of each class by each model of the comparison; nothing when that is empty."""
    models = list(comparison["model"])
    if not models:
        return []
    table = pd.DataFrame({model: per_class_recall(predictions[model]) for model in models})
    rows = tuple((str(name), *map(number, values)) for name, values in table.iterrows())
    return [ReportTable("recall", "Recall of each class", "", ("Class", *models), rows)]


def measure_tables(comparison: pd.DataFrame) -> list[ReportTable]:
    """Write accuracy and macro F1, tested as the UAR is, and scores on the surest half of the clips.

    Nothing is written when the comparison is empty.
    """
    if comparison.empty:
        return []
    tests: dict[str, Writer] = {"Model": _text("model")}
    for measure, title in {"wa": "WA", "macro_f1": "Macro F1"}.items():
        difference = f"{measure}_difference"
        tests[f"{title} [interval]"] = _score(measure)
        tests[f"{title} proposed − this [interval]"] = _score(difference, signed=True)
        tests[f"{title} p permutation (Holm)"] = partial(tested, prefix=f"{measure}_")
    surest: dict[str, Writer] = {
        "Model": _text("model"),
        "UAR, surest half": _number("selective_uar"),
        "UAR, all": _number("uar"),
        "WA, surest half": _number("selective_wa"),
        "WA, all": _number("wa"),
    }
    note = "Tested like the UAR, to stand beside what others publish; what is claimed above rests on the UAR."
    sure = (
        "Scores on the half of the clips that get the largest probabilities (selective accuracy at 50 % "
        "coverage): a model that knows when it errs gains much. The UAR is over the classes in that half."
    )
    return [
        _written("measures", "Accuracy and macro F1", note, tests, comparison),
        _written("selective", "The surest half", sure, surest, comparison),
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
    spread = _spread_over_groups(scores)
    if scores["group"].nunique() > _MANY_GROUPS:
        return [spread]
    cells = _crossed(scores, "group", "model", lambda row: f"{number(row['uar'])} / {number(row['wa'])}")
    groups = scores.drop_duplicates("group").sort_values("group")
    rows = tuple(
        (str(row["group"]), _count("n_clips")(row), _count("n_classes")(row), *cells.loc[row["group"]])
        for row in _rows(groups)
    )
    head = ("Group", "Clips", "Classes", *cells)
    return [spread, ReportTable("groups", "Each group", "UAR / WA of each model.", head, rows)]


def kind_tables(scores: pd.DataFrame) -> list[ReportTable]:
    """Write the UAR of each model on each kind of speaker, of `affetto.evaluation.comparison.score_kinds`."""
    if scores.empty:
        return []
    cells = _crossed(scores, "kind", "model", _score("uar"))
    kinds = scores.drop_duplicates("kind")
    rows = tuple(
        (str(row["kind"]), _count("n_clips")(row), _count("n_groups")(row), *cells.loc[row["kind"]])
        for row in _rows(kinds)
    )
    note = "UAR of each model on the speakers of a kind, with its interval: is it fair to all of them?"
    return [ReportTable("kinds", "Kinds of speakers", note, ("Kind", "Clips", "Speakers", *cells), rows)]


def _spread_over_groups(scores: pd.DataFrame) -> ReportTable:
    """Write how scores differ between groups, each counted once however many clips it has."""
    rows = []
    for model, table in scores.groupby("model", sort=False):
        cells = []
        for values in (table["uar"], table["wa"]):
            deviation = "" if len(values) == 1 else f" ± {number(values.std(ddof=1))}"
            cells.append(f"{number(values.mean())}{deviation}")
            cells.append(f"{number(values.min())} – {number(values.max())}")
        weakest = table.sort_values(["uar", "group"], kind="stable").iloc[0]
        rows.append((str(model), *cells, f"{weakest['group']} ({number(weakest['uar'])})"))
    note = (
        "Each group is scored alone over the classes that it has, and every group counts the same: the mean "
        "differs from the pooled score above."
    )
    ends = ("mean ± SD", "lowest – highest")
    head = ("Model", *(f"{name} {end}" for name in ("UAR", "WA") for end in ends), "Weakest group (UAR)")
    return ReportTable("spread", "Spread over groups", note, head, tuple(rows))


def playlist_table(playlists: pd.DataFrame, sentences: Sequence[str] = ()) -> ReportTable:
    """Write the measures of the recommenders over one bridge, and sentences below them.

    Parameters
    ----------
    playlists
        Rows of one bridge of `affetto.recommendation.evaluation.compare_playlists`.
    sentences
        What is said below the table.
    """
    name = str(playlists["bridge"].iloc[0])
    columns = {"Recommender": _text("model"), "Role": _text("role"), "Models": _models}
    columns |= {title: _score(measure) for measure, title in PLAYLIST_MEASURES.items()}
    table = _written(f"bridge_{name}", f"Bridge: {name}", "", columns, playlists)
    return replace(table, sentences=tuple(sentences))


def playlist_tests(playlists: pd.DataFrame) -> ReportTable:
    """Write how the proposed recommender differs from the others by each measure, of the same rows."""
    name = str(playlists["bridge"].iloc[0])
    columns: dict[str, Writer] = {"Recommender": _text("model")}
    for measure, title in PLAYLIST_MEASURES.items():
        prefix = "" if measure == "ndcg_at_10" else f"{measure}_"
        columns[title] = partial(_difference_and_p, prefix=prefix)
    others = playlists[playlists["difference"].notna()]
    note = (
        "Proposed − this with its interval over groups of voices and tracks, and p of the paired permutation "
        "test after Holm. It swaps voices, for these tracks: read it together with the interval."
    )
    return _written(f"tests_{name}", f"Tests of each measure: {name}", note, columns, others)


def _difference_and_p(row: pd.Series[Any], prefix: str) -> str:
    p = tested(row, prefix)
    return f"{score(row, f'{prefix}difference', signed=True)}\n{p if p.startswith('cannot') else f'p {p}'}"


def _models(row: pd.Series[Any]) -> str:
    names = [str(row[name]) for name in ("voice_model", "music_model") if row[name] and pd.notna(row[name])]
    return " → ".join(names) or MISSING


def importance_table(importance: pd.DataFrame) -> ReportTable:
    """Write what the models lose without each group of descriptors."""
    cells = _crossed(importance, "model", "descriptors", _lost)
    repeats = int(importance["n_repeats"].max())
    note = (
        "Points of UAR lost when these descriptors are exchanged between the test clips of a fold: mean and "
        f"standard deviation over {repeats} {'repeat' if repeats == 1 else 'repeats'}, interval over groups."
    )
    rows = tuple((str(model), *texts) for model, texts in cells.iterrows())
    return ReportTable("importance", "Importance of descriptors", note, ("Model", *cells), rows)


def _lost(row: pd.Series[Any]) -> str:
    names = ("loss", "loss_sd", "loss_ci_low", "loss_ci_high")
    loss, deviation, low, high = (f"{row[name]:.1f}".replace("-", "−") for name in names)
    spread = "" if pd.isna(row["loss_sd"]) else f" ± {deviation}"
    ends = f" [{low}, {high}]" if interval(row["loss_ci_low"], row["loss_ci_high"]) else ""
    return f"{loss}{spread}{ends}"


def enrolment_table(table: pd.DataFrame) -> ReportTable:
    """Write the gain of each model and number of enrolled clips."""
    columns: dict[str, Writer] = {
        "Model": _text("model"),
        "Enrolled clips": _count("n_enrolled"),
        "UAR as anyone": _number("uar_anyone"),
        "UAR enrolled": _number("uar_enrolled"),
        "Gain, points": lambda row: _difference(row, "gain"),
        "Clips": _count("n_clips"),
        "Speakers": _count("n_speakers"),
    }
    draws = int(table["n_repeats"].max())
    mean = ", of one draw" if draws == 1 else f", mean over {draws} draws"
    note = (
        "The models of the folds are asked about the clips that a speaker has left after some were enrolled, "
        "drawn at random without their labels, and about the same clips as those of anyone. UAR is pooled "
        f"over all speakers{mean}; the interval of the gain is paired and over speakers."
    )
    return _written("enrolment", "Enrolment of speakers", note, columns, table)


def highlight_table(table: pd.DataFrame) -> ReportTable:
    """Write how highlights are recognised."""
    columns: dict[str, Writer] = {
        "Model": _text("model"),
        "Excerpt": lambda row: f"{row['length_s']:g} s",
        "UAR of whole clips": _number("uar_whole"),
        "UAR of highlights": _number("uar_highlight"),
        "UAR of random excerpts": _number("uar_random"),
        "Gain, points": lambda row: _difference(row, "gain"),
        "p": lambda row: p_value(row["p_value"], n_groups=row["n_groups"]),
        "Clips": _count("n_clips"),
    }
    note = (
        "The models of the folds are asked about the stretch of each test clip that they attend to most, and "
        f"about stretches of the same length drawn at random ({int(table['n_random'].max())} a clip). Where "
        "the gain is not above chance, attention does not say where a track's emotion is heard. The interval "
        "is paired and over groups, p that of the paired permutation test."
    )
    return _written("highlights", "Highlights against random excerpts", note, columns, table)


def stranger_table(table: pd.DataFrame) -> ReportTable:
    """Write how well models tell strangers."""
    texts = {
        f"{model}: {measure}": {row["strangers"]: score(row, f"auroc_{measure}") for row in _rows(rows)}
        for model, rows in table.groupby("model", sort=False)
        for measure in ("novelty", "doubt")
        if rows[f"auroc_{measure}"].notna().any()
    }
    sizes = table.groupby("strangers", sort=False)["n_strangers"].max()
    cells = pd.DataFrame({"Clips": sizes.astype(str), **texts}, index=sizes.index).fillna(MISSING)
    note = (
        "AUROC of what a model cannot know against the clips that its folds held out: by its novelty, where "
        "it learnt one, and by its doubt (1 − its largest probability). 1: every stranger is told, 0.5: "
        "chance. Intervals are over groups of held-out clips and over strange recordings."
    )
    missing = _notes(table[table["n_strangers"] == 0], "strangers")
    rows = tuple((_words(kind), *row) for kind, row in cells.iterrows())
    header = ("Strangers", *cells)
    return ReportTable("strangers", "Strangers", " ".join([note, *missing]), header, rows)


def robustness_table(table: pd.DataFrame) -> ReportTable:
    """Write the change of each model in each condition, and where it is shown to be small enough."""
    cells = _crossed(table, "condition", "model", _change)
    tolerances = dict(zip(table["condition"], table["tolerance"], strict=True))
    rows = tuple(
        (_words(condition), f"±{tolerances[condition]:g}", *texts) for condition, texts in cells.iterrows()
    )
    note = (
        f"The model of every fold heard up to {int(table['n_clips'].max())} of the clips it was tested with "
        "once more, in other packaging, in noise and through a telephone. Change of its UAR in points, with "
        "the paired interval over groups; ✗: not shown to lie within the tolerance, which takes the whole "
        "interval; †: the model has learnt from copies of its training clips in this condition."
    )
    unknown = table["change"].isna()
    within = [_within(str(model), of) for model, of in table[~unknown].groupby("model", sort=False)]
    sentences = (*within, *_notes(table[unknown], "condition"))
    header = ("Condition", "Tolerance", *cells)
    return ReportTable("robustness", "Robustness", note, header, rows, sentences)


def _change(row: pd.Series[Any]) -> str:
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
    named = [f"{_words(row['condition'])} ({_difference(row, 'change')})" for row in _rows(rows[~inside])]
    return f"{start}, but not in {', '.join(named)}."


def dimension_table(table: pd.DataFrame) -> ReportTable:
    """Write how regressors tell valence and arousal, of `affetto.evaluation.dimensions`."""
    columns: dict[str, Writer] = {
        "Dimension": _text("dimension"),
        "Model": _text("model"),
        "Role": _text("role"),
        "CCC [interval]": _score("ccc"),
        "R² [interval]": _score("r2"),
        "Proposed − this, CCC [interval]": _score("difference", signed=True),
        "p permutation (Holm)": tested,
    }
    clips, groups = int(table["n_clips"].max()), int(table["n_groups"].max())
    note = (
        f"Regressors of the ratings of {clips} clips of {groups} groups, on the folds of the emotion models. "
        "CCC: concordance correlation coefficient, the correlation of prediction and rating, reduced where "
        "mean or spread differ; 1 is best, 0 is chance. R²: explained variance, 0 for the mean of the tested "
        "clips. Intervals and tests are over groups, as those of the UAR."
    )
    return _written("dimensions", "Valence and arousal", note, columns, table)


PROBE_TABLES: Mapping[str, Callable[[pd.DataFrame], ReportTable]] = {
    "robustness": robustness_table,
    "importance": importance_table,
    "enrolment": enrolment_table,
    "highlights": highlight_table,
    "strangers": stranger_table,
    "dimensions": dimension_table,
}
"""Probe → what writes its table, which has at least one row of a model."""


def _written(
    name: str, title: str, note: str, columns: Mapping[str, Writer], table: pd.DataFrame
) -> ReportTable:
    rows = tuple(tuple(write(row) for write in columns.values()) for row in _rows(table))
    roles = tuple(table["role"].astype(str)) if "role" in table else ()
    return ReportTable(name, title, note, tuple(columns), rows, roles=roles)


def _crossed(table: pd.DataFrame, row: str, column: str, write: Writer) -> pd.DataFrame:
    """Write a cell for each value of one column and each value of another, in order of appearance."""
    cells = {
        of: {each[row]: write(each) for each in _rows(table[table[column] == of])}
        for of in table[column].unique()
    }
    return pd.DataFrame(cells, index=table[row].unique()).fillna(MISSING)


def _rows(table: pd.DataFrame) -> list[pd.Series[Any]]:
    return [row for _, row in table.iterrows()]


def _text(name: str) -> Writer:
    return lambda row: str(row[name])


def _count(name: str) -> Writer:
    return lambda row: str(int(row[name]))


def _number(name: str, *, signed: bool = False) -> Writer:
    return lambda row: number(row[name], signed=signed)


def _score(name: str, *, signed: bool = False) -> Writer:
    return lambda row: score(row, name, signed=signed)


def _difference(row: pd.Series[Any], name: str) -> str:
    return points(row[name], row[f"{name}_ci_low"], row[f"{name}_ci_high"])


def _notes(table: pd.DataFrame, name: str) -> list[str]:
    """Say once for each kind of clips why there were none."""
    return [f"{_words(row[name])}: {row['note']}." for row in _rows(table[[name, "note"]].drop_duplicates())]


def _words(name: object) -> str:
    return str(name).replace("_", " ")
