"""The clip table: its columns, and the rules every row obeys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from affetto.errors import AffettoError, name_some

CLIP_COLUMNS = (
    *("clip_id", "corpus", "side", "path", "start_s", "end_s", "emotion", "theme", "tags"),
    *("group", "second_group", "official_split", "title", "valence", "arousal"),
)
AUDIT_COLUMNS = (
    *("duration_s", "sample_rate_hz", "channels", "peak_dbfs"),
    *("clipped_share", "content_hash", "note", "take"),
)
"""What the audit adds; `take` is the `clip_id` of the first of the clips that are copies of one another."""
FEWEST_EMOTIONS = 2
"""A model needs as many to tell apart."""
OFFICIAL_SPLITS = ("train", "validation", "test")
OFFICIAL_FOLD = r"^fold (\d+)$"
"""What the parts of a corpus match that was published with folds instead, each of which is tested once."""
DIMENSIONS = ("valence", "arousal")
"""Columns of the ratings, each from -1 (unpleasant, calm) over 0 (the middle of the scale) to 1."""
_NUMBERS = ["start_s", "end_s", *DIMENSIONS]
_TEXT = [name for name in CLIP_COLUMNS if name not in (*_NUMBERS, "tags")]


def clip_table(rows: pd.DataFrame, *, corpus: str, side: str) -> pd.DataFrame:
    """Give the rows of a source the columns, order and types of the clip table.

    Parameters
    ----------
    rows
        At least `clip_id, path, emotion, group`; other columns of the table where the source has them.
    corpus, side
        The same for all rows.

    Returns
    -------
    pandas.DataFrame
        Columns `CLIP_COLUMNS`, sorted by `clip_id`; text is `str` with missing values, `tags` are lists of
        `str`.
    """
    table = rows.assign(corpus=corpus, side=side).reindex(columns=list(CLIP_COLUMNS))
    table[_TEXT] = table[_TEXT].astype("str")
    table[_NUMBERS] = table[_NUMBERS].astype("float64")
    table["tags"] = [tags if isinstance(tags, list) else [] for tags in table["tags"]]
    return table.sort_values("clip_id", ignore_index=True)


def without_suffix(paths: pd.Series[Any]) -> pd.Series[Any]:
    """Return paths without their extension: what the group of a recording that was given none ends with."""
    return pd.Series([PurePosixPath(path).with_suffix("").as_posix() for path in paths], index=paths.index)


def own_groups(clips: pd.DataFrame) -> set[str]:
    """Return how groups are called that a source did not give: after a clip or a recording."""
    names = pd.concat([clips["clip_id"], clips["corpus"] + "/" + without_suffix(clips["path"])])
    # With training corpora the name of the corpus goes before that of the group.
    return {*names, *(pd.concat([clips["corpus"]] * 2) + "/" + names)}


def validate_clips(clips: pd.DataFrame, emotions: Sequence[str]) -> pd.DataFrame:
    """Check a clip table against the rules, and return it.

    Parameters
    ----------
    clips
        The table of `clip_table`.
    emotions
        Canonical emotions of the side.

    Raises
    ------
    AffettoError
        When ids repeat, or a row breaks a rule: one sentence naming corpus, clip and rule.
    """
    import pandera.pandas as pandera

    _check_unique(clips)
    try:
        _schema(emotions).validate(clips, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        raise AffettoError(_broken_rule(clips, errors.failure_cases)) from errors
    return clips


def _schema(emotions: Sequence[str]) -> Any:
    from pandera.pandas import Check, Column, DataFrameSchema

    filled = Check.str_length(min_value=1, error="must not be empty")
    known = Check.isin(list(emotions), error="must be an emotion of the taxonomy")
    published = Check.str_matches(
        rf"^({'|'.join(OFFICIAL_SPLITS)})$|{OFFICIAL_FOLD}",
        error="must be train, validation or test, or a fold such as fold 1",
    )
    ordered = Check(
        lambda table: ~(table["end_s"] <= table["start_s"].fillna(0.0)), error="end_s must be after start_s"
    )
    optional = Column("str", nullable=True)
    rating = Check.in_range(-1, 1, error="must lie between -1 and 1")
    return DataFrameSchema(
        {
            "clip_id": Column("str", filled),
            "corpus": Column("str", filled),
            "side": Column("str", Check.isin(["music", "voice"], error="must be music or voice")),
            "path": Column("str", filled),
            "start_s": Column("float64", Check.ge(0, error="must not be negative"), nullable=True),
            "end_s": Column("float64", Check.gt(0, error="must be above 0"), nullable=True),
            "emotion": Column("str", known, nullable=True),
            "theme": optional,
            "tags": Column(object),
            "group": Column("str", filled),
            "second_group": Column("str", filled, nullable=True),
            "official_split": Column("str", published, nullable=True),
            "title": optional,
            **{name: Column("float64", rating, nullable=True) for name in DIMENSIONS},
        },
        checks=ordered,
    )


def _check_unique(clips: pd.DataFrame) -> None:
    repeated = clips.loc[clips["clip_id"].duplicated(), "clip_id"].unique().tolist()
    if not repeated:
        return
    paths = clips.loc[clips["clip_id"] == repeated[0], "path"].tolist()
    where = "keep one file of each"
    if len(set(paths)) == 1:
        where = f"{len(paths)} rows of the table are of {paths[0]}: delete all but one"
    raise AffettoError(
        f"{len(repeated)} clip ids occur more than once: {name_some(repeated)} (the first in "
        f"{' and '.join(paths[:2])}); {where}."
    )


def _broken_rule(clips: pd.DataFrame, failures: pd.DataFrame) -> str:
    """Say the first failure in a sentence, rules of a column before those between columns."""
    failure = failures.sort_values("schema_context", kind="stable").iloc[0]
    rule = "must not be missing" if failure["check"] == "not_nullable" else str(failure["check"])
    clip, value = "the table", failure["failure_case"]
    if not pd.isna(failure["index"]):
        clip = f"clip {clips['clip_id'].iloc[int(failure['index'])]}"
    if failure["schema_context"] == "Column":
        rule = f"{failure['column']} {rule}" + ("" if pd.isna(value) else f" (it is {value})")
    return f"Corpus {clips['corpus'].iloc[0]}, {clip}: {rule}; correct the corpus's table or files."
