"""From the folders of corpora to the clip table."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affetto.corpora.clips import clip_table, validate_clips, without_suffix
from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.segments import cut_segments
from affetto.corpora.sources import SOURCES, Source
from affetto.corpora.taxonomy import canonical_emotions, map_labels
from affetto.errors import AffettoError
from affetto.io.cache import ResultStore
from affetto.io.workers import ExecutorParameters


def index_corpora(
    corpus: CorpusParameters,
    taxonomy: Mapping[str, Any],
    *,
    side: str,
    executor: ExecutorParameters | None = None,
    store: ResultStore | None = None,
) -> pd.DataFrame:
    """List the clips of a corpus, and behind them those of its training corpora.

    Parameters
    ----------
    corpus, taxonomy, side, executor, store
        As for `index_corpus`.

    Returns
    -------
    pandas.DataFrame
        The clip table; with training corpora every group begins with the name of its corpus, since speaker 1
        of one corpus is not speaker 1 of the other, except for corpora of the same people (speech and song
        of RAVDESS), whose groups begin alike.

    Raises
    ------
    AffettoError
        As `index_corpus` does, naming the corpus's own parameters.
    """
    tables = [index_corpus(corpus, taxonomy, side=side, executor=executor, store=store)]
    if not corpus.others:
        return tables[0]
    for other in corpus.others:
        try:
            tables.append(index_corpus(other, taxonomy, side=side, executor=executor, store=store))
        except AffettoError as error:
            # The index knows one corpus a side, and would send the user to the parameters of the wrong one.
            own = f"{side}.corpus.training_corpora.{other.name}."
            raise AffettoError(str(error).replace(f"{side}.corpus.", own)) from error
    for each, table in zip((corpus, *corpus.others), tables, strict=True):
        people = SOURCES[each.source].people_of or each.known_as
        for name in ("group", "second_group"):
            table[name] = f"{people}/" + table[name]
    return pd.concat(tables, ignore_index=True)


def index_corpus(
    corpus: CorpusParameters,
    taxonomy: Mapping[str, Any],
    *,
    side: str,
    executor: ExecutorParameters | None = None,
    store: ResultStore | None = None,
) -> pd.DataFrame:
    """List the clips of a corpus, with canonical emotions.

    Parameters
    ----------
    corpus
        Which corpus, and where.
    taxonomy
        Emotions of both sides, and what the labels of each source mean.
    side
        `music` or `voice`.
    executor
        Where to read the lengths of recordings that are to be cut into segments; None: on all cores.
    store
        Memo of earlier lengths.

    Returns
    -------
    pandas.DataFrame
        The clip table (`affetto.corpora.clips.CLIP_COLUMNS`), validated; no recording has been opened, unless
        to cut it. With `corpus.limit`, that many recordings are drawn, and of their segments as many again.

    Raises
    ------
    AffettoError
        When the source is unknown or of the other side, its folder is missing or empty, labels are unknown to
        the taxonomy, or a row breaks a rule of the table.
    """
    clips = _drawn(make_clips(read_rows(corpus, side=side), corpus, taxonomy, side=side), corpus)
    if corpus.segment_s is None:
        return clips
    executor = executor or ExecutorParameters()
    segments = cut_segments(clips, corpus.root, corpus.segment_s, corpus.segment_hop_s, executor, store=store)
    return _drawn(segments, corpus)


def read_rows(corpus: CorpusParameters, *, side: str) -> pd.DataFrame:
    """List the clips of a corpus as its source names and labels them: what `Source.index` returns.

    Raises
    ------
    AffettoError
        When the source is unknown, of the other side or given a parameter that it does not read, or its
        folder is missing, empty or without clips.
    """
    source = _find_source(corpus.source, side)
    unread = [name for name in corpus.options if name not in source.options]
    if unread:
        raise AffettoError(
            f"{side}.corpus.{unread[0]} is set, but the source {source.name} does not read it: "
            + (f"it takes {', '.join(source.options)}." if source.options else "leave it out.")
        )
    if source.is_made is None:
        check_root(corpus.root, source, setting=f"{side}.corpus.root")
    rows = source.index(corpus.root, corpus, side)
    if rows.empty:
        raise AffettoError(
            f"No clip of {source.title} lies below {corpus.root}: its tables name none of the recordings "
            "there."
        )
    return rows


def make_clips(
    rows: pd.DataFrame, corpus: CorpusParameters, taxonomy: Mapping[str, Any], *, side: str
) -> pd.DataFrame:
    """Make the clip table from the rows of a source.

    Every recording without a group gets one of its own, which no other group can be named like. The parts of
    a recording share it: what they have in common is learnt from one and helps in all.

    Raises
    ------
    AffettoError
        When labels are unknown to the taxonomy, or a row breaks a rule of the table.
    """
    key = SOURCES[corpus.source].labels_key(side)
    labels = rows.reindex(columns=["label"])["label"]
    emotion = map_labels(labels, taxonomy=taxonomy, key=key, side=side, label_map=corpus.label_map)
    name = corpus.known_as
    ids = f"{name}/" + rows["stem"].astype("str")
    own = ids.mask(rows["path"].duplicated(keep=False), f"{name}/" + without_suffix(rows["path"]))
    groups = rows.reindex(columns=["group"])["group"].astype("str").fillna(own)
    clips = clip_table(rows.assign(clip_id=ids, emotion=emotion, group=groups), corpus=name, side=side)
    return validate_clips(clips, canonical_emotions(taxonomy, side))


def check_root(root: Path, source: Source, *, setting: str) -> None:
    """Make sure that the folder of a corpus, set by `setting`, is there and holds something.

    Raises
    ------
    AffettoError
        When it is missing, no folder, or empty.
    """
    where = f"{setting} is {str(root.resolve())!r}"
    get = f" (get it from {source.home_page})" if source.home_page else ""
    what = source.title if source.citation else f"your recordings ({source.layout})"
    remedy = f"set {setting} to the folder of {what}{get}."
    if not root.is_dir():
        raise AffettoError(f"{where}, which is {'no folder' if root.exists() else 'not there'}: {remedy}")
    if next(root.iterdir(), None) is None:
        raise AffettoError(f"{where}, which is empty: {remedy}")


def draw_clips(clips: pd.DataFrame, limit: int, *, seed: int) -> pd.DataFrame:
    """Draw so many clips in proportion to the emotions, of which unlabelled clips count as one more."""
    shuffled = clips.sample(frac=1, random_state=np.random.default_rng(seed))
    strata = shuffled.groupby(shuffled["emotion"].fillna(""))["clip_id"]
    # Evenly spaced positions in each stratum: any prefix of the merged order holds every stratum's share.
    position = (strata.cumcount() + 0.5) / strata.transform("size")
    return clips.loc[sorted(position.sort_values(kind="stable").index[:limit])].reset_index(drop=True)


def _drawn(clips: pd.DataFrame, corpus: CorpusParameters) -> pd.DataFrame:
    return clips if corpus.limit is None else draw_clips(clips, corpus.limit, seed=corpus.seed)


def _find_source(name: str, side: str) -> Source:
    usable = [source for source in SOURCES if side in SOURCES[source].sides]
    if name in usable:
        return SOURCES[name]
    if name in SOURCES:
        raise AffettoError(
            f"{side}.corpus.source is {name!r}, a corpus of {SOURCES[name].sides[0]}: use one of "
            f"{', '.join(usable)}."
        )
    near = difflib.get_close_matches(name, usable, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(usable)}."
    raise AffettoError(f"{side}.corpus.source is {name!r}, which is no known source: {hint}")
