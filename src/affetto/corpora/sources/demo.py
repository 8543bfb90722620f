"""The demo corpora, made on this machine where they are missing, with `metadata.csv` beside the clips."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import read_table
from affetto.corpora.sources.source import Source
from affetto.io.workers import ExecutorParameters


def index_demo(root: Path, _corpus: CorpusParameters, side: str) -> pd.DataFrame:
    """Make the demo corpus of a side where it is missing or stale, and list its clips."""
    from affetto.corpora.demo import ensure_demo_corpus

    ensure_demo_corpus(side, root, executor=ExecutorParameters())
    table = read_table(root / "metadata.csv")
    return pd.DataFrame(
        {
            "stem": table["file"].map(lambda file: PurePosixPath(file).with_suffix("").as_posix()),
            "path": table["file"],
            "label": table["emotion"],
            "theme": table["theme"],
            "group": table["group"],
            "tags": [[] if pd.isna(tags) else str(tags).split(";") for tags in table["tags"]],
            "title": table["title"],
        }
    )


def _is_made(root: Path, side: str) -> bool:
    from affetto.corpora.demo import is_current

    return is_current(side, root)


SOURCE = Source(
    name="demo",
    title="Demo corpus, synthesised on this machine",
    sides=("music", "voice"),
    licence="music: public-domain scores; voice: synthetic speech; the recordings are yours",
    citation="",
    home_page="",
    labels="generic",
    group_rule="music: the score; voice: the speaker",
    index=index_demo,
    layout="made below the root where it is missing",
    is_made=_is_made,
)
