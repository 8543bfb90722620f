"""What a source declares of itself, and what a folder holds beside what a complete copy holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import pandas as pd

from affetto.corpora.audit import lone_emotions
from affetto.corpora.audit_report import count_values
from affetto.corpora.index import check_root, make_clips, read_rows
from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources import SOURCES, Source
from affetto.corpora.sources.files import is_recording, relative, walk_files
from affetto.corpora.taxonomy import map_labels, source_labels
from affetto.errors import AffettoError

_NOT_DESCRIBED = {"index", "is_made", "labels", "options", "people_of", "speech"}


def choose_side(source: Source, side: str | None) -> str:
    """Return the side that a source is used for: the one asked for, else (None) the only one that it serves.

    Raises
    ------
    AffettoError
        When the source does not serve that side, or serves both and none was asked for.
    """
    if side is None and len(source.sides) > 1:
        raise AffettoError(f"{source.name} serves {' and '.join(source.sides)}: choose one with --side.")
    if side not in (None, *source.sides):
        raise AffettoError(
            f"{source.name} is a corpus of {source.sides[0]}, not of {side}: leave --side out."
        )
    return side or source.sides[0]


def list_sources(side: str | None = None) -> list[dict[str, Any]]:
    """Return `name, sides, title, licence, clips, fetchable` of every source, or of those that serve a side.

    `clips` is the number in a complete copy, None where that is not known.
    """
    return [
        {
            "name": source.name,
            "sides": list(source.sides),
            "title": source.title,
            "licence": source.licence,
            "clips": source.expected and source.expected.clips,
            "fetchable": bool(source.downloads),
        }
        for source in SOURCES.values()
        if side in (None, *source.sides)
    ]


def describe_source(source: Source, taxonomy: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a source declares that concerns a user, as JSON values.

    Parameters
    ----------
    source
        The source.
    taxonomy
        What labels mean; None: unknown, `labels` is None then.

    Returns
    -------
    dict
        Attributes of the source, `labels` (side → label → emotion, None: unlabelled) and `downloads`
        (addresses).
    """
    labels = None
    if taxonomy is not None:
        labels = {side: source_labels(taxonomy, source.labels_key(side), side) for side in source.sides}
    said = {each.name: getattr(source, each.name) for each in fields(source)}
    return {
        **{name: value for name, value in said.items() if name not in _NOT_DESCRIBED},
        "sides": list(source.sides),
        "expected": source.expected and asdict(source.expected),
        "labels": labels,
        "downloads": [download.url for download in source.downloads],
    }


@dataclass(frozen=True)
class Count:
    """How many were found, and how many a complete copy holds (None: that is not known)."""

    found: int
    expected: int | None

    @property
    def agrees(self) -> bool:
        """Whether nothing else was expected."""
        return self.expected is None or self.found == self.expected


@dataclass(frozen=True)
class LabelCount(Count):
    """How many clips have a label (None: no label), and its emotion (None: such clips stay unlabelled)."""

    label: str | None
    emotion: str | None


@dataclass(frozen=True)
class CorpusCheck:
    """What was found below a root.

    Attributes
    ----------
    side
        `music` or `voice`: which emotions the labels were understood as.
    clips, groups
        Their numbers.
    labels
        One entry a label, those that were expected and not found included.
    official_split
        Part of the published split → number of clips; None for sources without one.
    without_split
        Number of clips that the published split does not name; 0 for sources without one.
    unmatched
        Recordings below the root that belong to no clip, relative to it.
    missing
        Files of clips that are not there, relative to the root.
    emotions
        Emotion → number of its clips whose recording is there: what models can be fitted on.
    lone
        Emotions of one such clip, which a run sets aside.
    labelled_groups
        Number of groups of the clips of the other emotions.
    fewest_emotions
        How many emotions are left to train on when the group is tested whose absence leaves fewest.
    mixed_groups
        Number of groups that have clips of several emotions.
    """

    side: str
    clips: Count
    groups: Count
    labels: tuple[LabelCount, ...]
    official_split: dict[str, int] | None
    without_split: int
    unmatched: tuple[str, ...]
    missing: tuple[str, ...]
    emotions: dict[str, int]
    lone: tuple[str, ...]
    labelled_groups: int
    fewest_emotions: int
    mixed_groups: int

    @property
    def agrees(self) -> bool:
        """Whether all numbers are as expected and no recording is missing."""
        return not self.missing and all(count.agrees for count in (self.clips, self.groups, *self.labels))


def check_corpus(corpus: CorpusParameters, taxonomy: Mapping[str, Any], *, side: str | None) -> CorpusCheck:
    """Index a corpus and compare what is there with what a complete copy holds; no recording is opened.

    Parameters
    ----------
    corpus
        Which source, and where.
    taxonomy
        What labels mean.
    side
        `music` or `voice`; None: `voice`, or `music` where only its emotions explain the labels.

    Raises
    ------
    AffettoError
        When the folder is missing or empty, cannot be indexed, or indexing it would make or fetch clips.
    """
    source = SOURCES[corpus.source]
    check_root(corpus.root, source, setting="ROOT")
    guessed, side = side is None, side or "voice"
    if source.is_made is not None and not source.is_made(corpus.root, side):
        raise AffettoError(
            f"ROOT is {str(corpus.root)!r}, where {source.title} is missing or out of date: a run makes or "
            "fetches it, a check only looks."
        )
    rows = read_rows(corpus, side=side)
    if guessed and not _explains(side, rows, corpus, taxonomy) and _explains("music", rows, corpus, taxonomy):
        side = "music"
    clips = make_clips(rows, corpus, taxonomy, side=side)
    expected = source.expected
    has_split = source.official_split is not None and "official_split" in rows
    recordings = [relative(path, corpus.root) for path in walk_files(corpus.root) if is_recording(path)]
    there, used = set(recordings), dict.fromkeys(clips["path"])
    missing = tuple(path for path in used if path not in there and not (corpus.root / path).is_file())
    usable = clips[clips["emotion"].notna() & ~clips["path"].isin(missing)]
    emotions = count_values(usable["emotion"])
    lone = tuple(lone_emotions(usable))
    usable = usable[~usable["emotion"].isin(lone)]
    groups_of = usable.groupby("group")["emotion"].agg(set)
    homes = usable.groupby("emotion")["group"].nunique()
    left = [len(homes) - sum(int(homes[emotion]) == 1 for emotion in group) for group in groups_of]
    return CorpusCheck(
        side=side,
        clips=Count(len(clips), expected.clips if expected else None),
        groups=Count(clips["group"].nunique(), expected.groups if expected else None),
        labels=_count_labels(rows, corpus, taxonomy, side),
        official_split=count_values(clips["official_split"]) if has_split else None,
        without_split=int(clips["official_split"].isna().sum()) if has_split else 0,
        unmatched=tuple(path for path in recordings if path not in used),
        missing=missing,
        emotions=dict(sorted(emotions.items())),
        lone=lone,
        labelled_groups=len(groups_of),
        fewest_emotions=min(left, default=0),
        mixed_groups=sum(len(group) > 1 for group in groups_of),
    )


def _explains(side: str, rows: pd.DataFrame, corpus: CorpusParameters, taxonomy: Mapping[str, Any]) -> bool:
    """Tell whether all labels are known to the taxonomy of a side."""
    key = SOURCES[corpus.source].labels_key(side)
    labels = rows.reindex(columns=["label"])["label"]
    try:
        map_labels(labels, taxonomy=taxonomy, key=key, side=side, label_map=corpus.label_map)
    except AffettoError:
        return False
    return True


def _count_labels(
    rows: pd.DataFrame, corpus: CorpusParameters, taxonomy: Mapping[str, Any], side: str
) -> tuple[LabelCount, ...]:
    """Count the labels as the source writes them, each of a clip that has more than one; no label is last."""
    source = SOURCES[corpus.source]
    expected = source.expected.labels if source.expected else {}
    written = rows.reindex(columns=["label"])["label"].explode().astype("str")
    found = count_values(written)
    labels = pd.Series(sorted({*found, *expected}), dtype="str")
    key = source.labels_key(side)
    emotions = map_labels(labels, taxonomy=taxonomy, key=key, side=side, label_map=corpus.label_map)
    counts = [
        LabelCount(found.get(label, 0), expected.get(label), label, None if pd.isna(emotion) else emotion)
        for label, emotion in zip(labels, emotions, strict=True)
    ]
    unlabelled = int(written.isna().sum())
    return (*counts, *([LabelCount(unlabelled, None, None, None)] if unlabelled else []))
