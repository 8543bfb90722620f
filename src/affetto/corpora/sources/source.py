"""What a source of clips is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters

Index = Callable[[Path, CorpusParameters, str], pd.DataFrame]


@dataclass(frozen=True)
class Expected:
    """What a complete copy of a published corpus holds.

    Attributes
    ----------
    clips
        Number of clips.
    groups
        Number of groups; None where it is not published.
    labels
        Label as the source writes it → number of clips; empty where it is not published.
    """

    clips: int
    groups: int | None = None
    labels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Download:
    """A file of a corpus whose licence lets everyone fetch it.

    Attributes
    ----------
    url
        Where it is.
    checksum
        `md5:…` or `sha256:…`, as the owner or a library that loads the corpus states it.
    """

    url: str
    checksum: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """A kind of corpus that Affetto can read.

    Attributes
    ----------
    name
        Name in the parameters.
    title
        Name for people.
    sides
        Sides it can serve: `music`, `voice` or both.
    licence
        Under which the corpus is given out; the corpus itself is never part of Affetto.
    group_rule
        What the group of a clip is, in words: the speaker, the artist, the song.
    layout
        The files that it reads below the root, in words.
    index
        Called with root, parameters and side; returns a row a clip with `stem, path` and, where the source
        has them, `label, group, second_group, theme, tags, official_split, start_s, end_s, title`. Without
        label a clip is unlabelled, without group it is its own.
    citation
        BibTeX of the publication to cite; empty for layouts that are no published corpus.
    home_page
        Where to get it; empty for layouts that are no published corpus.
    labels
        Key under `taxonomy.labels`: `generic` stands for `generic_<side>`, nothing for the source's name.
    speech
        Kind and language of the speech, in words; empty where it is the user's own affair, or music.
    second_group_rule
        What must not straddle a split either where `split.second_folds` asks for it, in words: the sentence;
        None where the source knows of no second groups.
    official_split
        Where its published split comes from, in words; None where there is none.
    expected
        What a complete copy holds; None where that is not published or is the user's own affair.
    downloads
        What `affetto corpora fetch` may fetch; empty where the licence asks for a request or a login.
    people_of
        Name of the source whose groups these are as well: the same people speak in both. None: its own.
    options
        Parameters of a corpus that it reads besides those that all sources read.
    is_made
        Of a source that makes or fetches its clips where they are missing: called with root and side, tells
        whether they are there as `index` would make them. None: the clips must be there.
    """

    name: str
    title: str
    sides: tuple[str, ...]
    licence: str
    group_rule: str
    layout: str
    index: Index
    citation: str = ""
    home_page: str = ""
    labels: str = ""
    speech: str = ""
    second_group_rule: str | None = None
    official_split: str | None = None
    expected: Expected | None = None
    downloads: tuple[Download, ...] = ()
    people_of: str | None = None
    options: tuple[str, ...] = ()
    is_made: Callable[[Path, str], bool] | None = None

    def labels_key(self, side: str) -> str:
        """Return the key under `taxonomy.labels` for a side."""
        return f"generic_{side}" if self.labels == "generic" else self.labels or self.name


def cited(key: str) -> str:
    """Return an entry of `citations.bib` by its key."""
    return _citations()[key]


@cache
def _citations() -> dict[str, str]:
    text = (files(__package__) / "citations.bib").read_text(encoding="utf-8")
    return {entry.partition("{")[2].partition(",")[0]: entry for entry in text.strip().split("\n\n")}
