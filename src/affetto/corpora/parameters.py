"""Parameters of corpora: where the clips are, which of them are fit for use, how they are split."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from affetto.io.configuration import Parameters
from affetto.io.paths import StoragePath, absolute

Side = Literal["music", "voice"]
Protocol = Literal[
    "holdout", "kfold", "leave_one_group_out", "official", "cross_corpus", "leave_one_corpus_out"
]
SECOND = "_and_second_group"
"""What the name of a protocol ends with that keeps second groups apart, too."""
_READ_BY_ALL = frozenset(
    {"source", "root", "name", "label_map", "limit", "seed", "segment_s", "segment_hop_s", "training_corpora"}
)
_CorpusName = Annotated[str, Field(pattern=r"^[^/]+$")]


class CorpusParameters(Parameters):
    """Which corpus, and where it lies. What only some sources read is said with each parameter."""

    source: str = "folders"
    """How the corpus is laid out: a name in `SOURCES`."""
    root: StoragePath = Path("data/01_raw/corpus")
    """Folder of the corpus: relative to the project folder, absolute, or an address such as
    s3://bucket/folder.
    """
    name: _CorpusName | None = None
    """Name of the corpus; null: that of the source."""
    label_map: dict[str, str | None] = Field(default={})
    """Label of the source → emotion, before the taxonomy; null leaves the clips unlabelled; the label `*`
    stands for all that are not named.
    """
    limit: int | None = Field(default=None, ge=1)
    """Keep at most this many clips, drawn in proportion to the emotions."""
    seed: int = Field(default=0, ge=0)
    """Seed of the draw of `limit`."""
    segment_s: float | None = Field(default=None, gt=0)
    """Cut longer recordings into segments of this length, s; null: no cuts."""
    segment_hop_s: float | None = Field(default=None, gt=0)
    """From the start of a segment to the next, s; null: `segment_s`."""
    middle: float = Field(default=0.0, ge=0, lt=1)
    """Corpora rated on valence and arousal: clips whose rating lies nearer than this to the centre on either
    axis stay unlabelled; 0: none, 1 would be the end of the scale.
    """
    database: str | None = None
    """audb, mirdata: name of the database or loader."""
    version: str | None = None
    """audb, mirdata: version; null: the latest."""
    group_pattern: str | None = None
    """folders: regular expression searched in a clip's path, or in the file's name where paths do not have
    it, or have it in the class alone; its first bracket (else the whole match) is the group; null: every clip
    is its own group.
    """
    second_group_pattern: str | None = None
    """folders: as group_pattern, for what `split.second_folds` keeps apart as well, such as the sentence;
    null: nothing.
    """
    table: str | None = None
    """table: CSV, Excel or Parquet file inside root; null: the only one there. audb: table of the database,
    or several by `*`; null: the only one with an emotion.
    """
    path_column: str = "path"
    """table: column of the path, relative to root."""
    path_prefix: str | None = None
    r"""table: beginning that is cut off the paths of another machine, such as C:\data; null: what need be,
    where the rest is a file below root.
    """
    emotion_column: str | None = None
    """table, audb, mirdata: column, scheme or attribute of the label; null: `emotion` or a similar one."""
    group_column: str | None = None
    """table: null: `group`, where there is one. audb, mirdata: null: the speaker or artist. meld: Speaker
    (null) or Dialogue_ID.
    """
    second_group_column: str | None = None
    """table: what `split.second_folds` keeps apart; null: `second_group`, where there."""
    theme_column: str | None = None
    """table: null: `theme`, where there is one. panda_4q: genres (null) or moods."""
    tags_column: str | None = None
    """table: tags joined by `;`; null: `tags`, where there is one. mirdata: null: tags and genre."""
    title_column: str | None = None
    """table, mirdata: null: `title`, where there is one."""
    split_column: str | None = None
    """table, audb: official split (train, validation, test); null: `split`, where there."""
    start_column: str | None = None
    """table: start in s; null: `start_s`, where there."""
    end_column: str | None = None
    """table: end in s; null: `end_s`, where there is one."""
    valence_column: str | None = None
    """table: rating of how pleasant it is; null: `valence`, where there is one."""
    arousal_column: str | None = None
    """table: rating of how aroused it is; null: `arousal`, where there is one."""
    rating_scale: tuple[float, float] | None = None
    """table: ends of the scale of valence and arousal, such as [1, 9]; null: the narrowest usual one that
    holds all ratings, which the log tells.
    """
    training_corpora: dict[_CorpusName, CorpusParameters] = Field(default={})
    """Other corpora by the name that they are to have, for the protocols cross_corpus and
    leave_one_corpus_out.
    """

    @property
    def known_as(self) -> str:
        """Name in the clip table."""
        return self.name or self.source

    @property
    def others(self) -> tuple[CorpusParameters, ...]:
        """The training corpora, each with its name."""
        named = self.training_corpora.items()
        return tuple(other.model_copy(update={"name": name}) for name, other in named)

    @property
    def other_roots(self) -> dict[str, Path]:
        """Folder of each training corpus by its name."""
        return {name: other.root for name, other in self.training_corpora.items()}

    @property
    def title(self) -> str:
        """Source and name of each corpus in words, this one first."""
        return " + ".join(
            each.source if each.known_as == each.source else f"{each.source} ({each.known_as})"
            for each in (self, *self.others)
        )

    @property
    def options(self) -> tuple[str, ...]:
        """Parameters that were given and that only some sources read."""
        return tuple(name for name in self.model_dump(exclude_defaults=True) if name not in _READ_BY_ALL)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.segment_hop_s is not None and self.segment_s is None:
            raise ValueError("segment_hop_s needs segment_s")
        seen: dict[tuple[str | None, ...], str] = {}
        corpora: dict[str, CorpusParameters] = {self.known_as: self, **self.training_corpora}
        for name, each in corpora.items():
            place = (each.source, str(absolute(each.root)), each.database, each.version, each.table)
            if place in seen:
                raise ValueError(f"training_corpora.{name} is the same corpus as {seen[place]}: remove it")
            seen[place] = name
        for name, other in self.training_corpora.items():
            if other.training_corpora or other.name not in (None, name):
                raise ValueError(
                    f"training_corpora.{name} takes neither training_corpora nor a name of its own"
                )
            if name == self.known_as:
                raise ValueError(f"training_corpora.{name} has the name of the corpus itself")
        return self

    @field_validator("group_pattern", "second_group_pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return pattern


class AuditParameters(Parameters):
    """When a clip is fit for use."""

    min_duration_s: float = Field(default=0.1, ge=0)
    """Shorter clips are rejected, s."""
    max_duration_s: float = Field(default=3600, gt=0)
    """Longer clips are rejected before they are decoded, s."""
    silence_dbfs: float = Field(default=-60, le=0)
    """Clips whose peak is below this are rejected, dB re full scale."""
    max_clipped_share: float = Field(default=0.1, ge=0, le=1)
    """Clips of which a larger share lies in runs at full scale are rejected; 1: none."""
    time_limit_s: float = Field(default=300, gt=0)
    """A clip whose decoding takes longer is rejected, s."""
    level_outlier_db: float = Field(default=20, gt=0)
    """Clips whose peak is further from the corpus's median are reported, dB."""


class SplitParameters(Parameters):
    """How labelled clips are divided into training and test: by group, and stratified by emotion."""

    protocol: Protocol = "kfold"
    """holdout: one test part; kfold: every clip is tested once; leave_one_group_out: a fold a group (speaker,
    artist, song); official: the published split; cross_corpus: trained on `corpus.training_corpora`, tested
    on the corpus; leave_one_corpus_out: a fold a corpus.
    """
    n_folds: int = Field(default=5, ge=2)
    """kfold: number of folds."""
    test_fraction: float = Field(default=0.25, gt=0, le=0.5)
    """holdout: share of the clips in the test part, about."""
    seed: int = Field(default=0, ge=0)
    """Seed of the assignment of groups to folds."""
    test_groups: tuple[str, ...] = ()
    """kfold, leave_one_group_out: only these groups are tested, and all others are always in training; empty:
    every group is tested. For choices that the final figures must not know of. A number in YAML is no name:
    write "03" in quotes.
    """
    second_folds: int | Literal["each"] | None = None
    """kfold, leave_one_group_out: second groups, such as sentences, are dealt into as many folds (each: one a
    second group), and the clips of one fold of groups and one of second groups are tested by models that saw
    neither; null: second groups may straddle.
    """

    @property
    def title(self) -> str:
        """The protocol, and whether second groups are kept apart, too."""
        return self.protocol if self.second_folds is None else f"{self.protocol}{SECOND}"

    @field_validator("second_folds", mode="before")
    @classmethod
    def _are_two_or_more(cls, folds: Any) -> Any:
        if folds not in (None, "each") and (type(folds) is not int or folds < 2):  # noqa: PLR2004
            raise ValueError("must be a number from 2, each, or null")
        return folds

    @model_validator(mode="after")
    def _groups_have_folds(self) -> Self:
        for name in ("test_groups", "second_folds"):
            if getattr(self, name) and self.protocol not in ("kfold", "leave_one_group_out"):
                raise ValueError(
                    f"{name} needs the protocol kfold or leave_one_group_out, and it is {self.protocol}"
                )
        return self
