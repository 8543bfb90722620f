"""What a source of clips is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters

Index = Callable[[Path, CorpusParameters, str], pd.DataFrame]


@dataclass(frozen=True)
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
    citation
        BibTeX of the publication to cite; empty for layouts that are no published corpus.
    home_page
        Where to get it.
    labels
        Key under `taxonomy.labels`; `generic` stands for `generic_<side>`.
    index
        Called with root, parameters and side; returns a row a clip with `stem, path` and, where the source
        has them, `label, group, theme, tags, official_split, start_s, end_s, title`. Without label a clip is
        unlabelled, without group it is its own.
    needs_root
        Whether the root must be there before `index` is called.
    """

    name: str
    title: str
    sides: tuple[str, ...]
    licence: str
    citation: str
    home_page: str
    labels: str
    index: Index
    needs_root: bool = True

    def labels_key(self, side: str) -> str:
        """Return the key under `taxonomy.labels` for a side."""
        return f"generic_{side}" if self.labels == "generic" else self.labels
