"""What a folder holds of a corpus, beside what a complete copy holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from affetto.corpora.index import check_root, make_clips, read_rows
from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources import SOURCES
from affetto.corpora.sources.files import is_recording, relative, walk_files
from affetto.corpora.sources.source import Expected
from affetto.corpora.taxonomy import map_labels
from affetto.errors import AffettoError

_UNKNOWN = Expected(clips=0)


@dataclass(frozen=True)
class Count:
    """How many were found, and how many there should be.

    Attributes
    ----------
    found
        Number found.
    expected
        Number in a complete copy; None where that is not known.
    """

    found: int
    expected: int | None

    @property
    def agrees(self) -> bool:
        """Whether nothing else was expected."""
        return self.expected is None or self.found == self.expected


@dataclass(frozen=True)
class LabelCount(Count):
    """How many clips have a label.

    Attributes
    ----------
    label
        As the source writes it; None: no label.
    emotion
        The canonical emotion; None: such clips stay unlabelled.
    """

    label: str | None
    emotion: str | None


@dataclass(frozen=True)
class CorpusCheck:
    """What was found below a root.

    Attributes
    ----------
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
    """

    clips: Count
    groups: Count
    labels: tuple[LabelCount, ...]
    official_split: dict[str, int] | None
    without_split: int
    unmatched: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether all numbers are as expected and no recording is missing."""
        return not self.missing and all(count.agrees for count in (self.clips, self.groups, *self.labels))


def check_corpus(corpus: CorpusParameters, taxonomy: Mapping[str, Any], *, side: str) -> CorpusCheck:
    """Index a corpus and compare what is there with what a complete copy holds; no recording is opened.

    Parameters
    ----------
    corpus
        Which source, and where.
    taxonomy
        What labels mean.
    side
        `music` or `voice`.

    Returns
    -------
    CorpusCheck
        The comparison.

    Raises
    ------
    AffettoError
        When the folder is missing or empty, cannot be indexed, or indexing it would make or fetch clips.
    """
    source = SOURCES[corpus.source]
    check_root(corpus.root, source, setting="ROOT")
    if source.is_made is not None and not source.is_made(corpus.root, side):
        raise AffettoError(
            f"ROOT is {str(corpus.root)!r}, where {source.title} is missing or out of date: a run makes or "
            "fetches it, a check only looks."
        )
    rows = read_rows(corpus, side=side)
    clips = make_clips(rows, corpus, taxonomy, side=side)
    expected = source.expected or _UNKNOWN
    known = source.expected is not None
    parts = clips["official_split"] if source.official_split and "official_split" in rows else None
    recordings = [relative(path, corpus.root) for path in walk_files(corpus.root) if is_recording(path)]
    there, used = set(recordings), dict.fromkeys(clips["path"])
    return CorpusCheck(
        clips=Count(len(clips), expected.clips if known else None),
        groups=Count(clips["group"].nunique(), expected.groups),
        labels=_count_labels(rows, corpus, taxonomy, side, expected.labels),
        official_split=None if parts is None else _counts(parts),
        without_split=0 if parts is None else int(parts.isna().sum()),
        unmatched=tuple(path for path in recordings if path not in used),
        missing=tuple(path for path in used if path not in there and not (corpus.root / path).is_file()),
    )


def _count_labels(
    rows: pd.DataFrame,
    corpus: CorpusParameters,
    taxonomy: Mapping[str, Any],
    side: str,
    expected: Mapping[str, int],
) -> tuple[LabelCount, ...]:
    """Count the labels as the source writes them, all of a clip that has several; no label comes last."""
    written = rows.reindex(columns=["label"])["label"].explode().astype("str")
    found = _counts(written)
    labels = pd.Series(sorted({*found, *expected}), dtype="str")
    key = SOURCES[corpus.source].labels_key(side)
    emotions = map_labels(labels, taxonomy=taxonomy, key=key, side=side, label_map=corpus.label_map)
    counts = [
        LabelCount(found.get(label, 0), expected.get(label), label, _text(emotion))
        for label, emotion in zip(labels, emotions, strict=True)
    ]
    unlabelled = int(written.isna().sum())
    return (*counts, *([LabelCount(unlabelled, None, None, None)] if unlabelled else []))


def _counts(values: pd.Series[Any]) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().items()}


def _text(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)
