"""From the folders of corpora to the clip table."""

from __future__ import annotations

import difflib
import logging
import re
import unicodedata
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
from affetto.errors import AffettoError, name_some
from affetto.io.cache import ResultStore
from affetto.io.workers import ExecutorParameters

logger = logging.getLogger(__name__)


def index_corpora(
    corpus: CorpusParameters,
    taxonomy: Mapping[str, Any],
    *,
    side: str,
    executor: ExecutorParameters | None = None,
    store: ResultStore | None = None,
) -> pd.DataFrame:
    """List the clips of a corpus with canonical emotions, and behind them those of its training corpora.

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
        With training corpora every group begins with the name of its corpus, since speaker 1 of one corpus is
        not speaker 1 of the other, except for corpora of the same people (speech and song of RAVDESS), whose
        groups begin alike.

    Raises
    ------
    AffettoError
        When a source is unknown or of the other side, its folder is missing or empty, labels are unknown to
        the taxonomy, or a row breaks a rule of the table; names the parameters of that corpus.
    """
    tables: list[pd.DataFrame] = []
    for each in (corpus, *corpus.others):
        try:
            table = _index_one(each, taxonomy, side, executor, store)
        except AffettoError as error:
            if not tables:
                raise
            # The index knows one corpus a side, and would send the user to the parameters of the wrong one.
            own = f"{side}.corpus.training_corpora.{each.name}."
            raise AffettoError(str(error).replace(f"{side}.corpus.", own)) from error
        if corpus.others:
            people = SOURCES[each.source].people_of or each.known_as
            for name in ("group", "second_group"):
                table[name] = f"{people}/" + table[name]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _index_one(
    corpus: CorpusParameters,
    taxonomy: Mapping[str, Any],
    side: str,
    executor: ExecutorParameters | None,
    store: ResultStore | None,
) -> pd.DataFrame:
    clips = make_clips(read_rows(corpus, side=side), corpus, taxonomy, side=side)
    if corpus.limit is not None:
        clips = draw_clips(clips, corpus.limit, seed=corpus.seed)
    if corpus.segment_s is None:
        return clips
    executor = executor or ExecutorParameters()
    clips = cut_segments(clips, corpus.root, corpus.segment_s, corpus.segment_hop_s, executor, store=store)
    return clips if corpus.limit is None else draw_clips(clips, corpus.limit, seed=corpus.seed)


def read_rows(corpus: CorpusParameters, *, side: str) -> pd.DataFrame:
    """List the clips of a corpus as its source names and labels them: what `Source.index` returns.

    Raises
    ------
    AffettoError
        When the source is unknown, of the other side or given a parameter that it does not read, or its
        folder is missing, empty or without clips.
    """
    source = find_source(corpus.source, side)
    unread = [name for name in corpus.options if name not in source.options]
    if unread:
        raise AffettoError(
            f"{side}.corpus.{unread[0]} is set, but the source {source.name} does not read it: leave it out."
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


def find_source(name: str, side: str | None = None) -> Source:
    """Return the source of that name, of one side or (None) of any.

    Raises
    ------
    AffettoError
        When there is none; names the one that was probably meant.
    """
    usable = {known: source for known, source in SOURCES.items() if side in (None, *source.sides)}
    if name in usable:
        return usable[name]
    near = difflib.get_close_matches(name.lower(), usable, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "`affetto corpora list` names them all."
    where = f"{side}.corpus.source is {name!r}: there" if side else "There"
    raise AffettoError(f"{where} is no source {name!r}{f' of {side}' if side else ''}: {hint}")


def make_clips(
    rows: pd.DataFrame, corpus: CorpusParameters, taxonomy: Mapping[str, Any], *, side: str
) -> pd.DataFrame:
    """Make the clip table from the rows of a source.

    Every recording without a group gets one of its own, which no other group can be named like. The parts of
    a recording share it, and so do labelled recordings that differ in their extension only: what they have in
    common is learnt from one and helps in all. Spellings of a group in the user's own recordings are united.

    Raises
    ------
    AffettoError
        When labels are unknown to the taxonomy, or a row breaks a rule of the table.
    """
    source = SOURCES[corpus.source]
    rows = rows.reindex(columns=rows.columns.union(["label", "group"]))
    name = corpus.known_as
    ids = f"{name}/" + rows["stem"].astype("str")
    bare = without_suffix(rows["path"])
    alike = bare.duplicated(keep=False) & rows["label"].notna() & ~rows["path"].duplicated(keep=False)
    own = ids.mask(rows["path"].duplicated(keep=False) | alike, f"{name}/" + bare)
    if alike.any():
        logger.warning(
            "%s: %d recordings differ from another in their extension only: %s; if they are copies, keep one "
            "of each",
            *(name, alike.sum(), name_some(sorted(rows.loc[alike, "path"]))),
        )
    if source.labels == "generic":
        rows = unite_spellings(rows, name)
    key = source.labels_key(side)
    clips = rows.assign(
        clip_id=ids,
        emotion=map_labels(rows["label"], taxonomy=taxonomy, key=key, side=side, label_map=corpus.label_map),
        group=rows["group"].astype("str").fillna(own),
    )
    return validate_clips(clip_table(clips, corpus=name, side=side), canonical_emotions(taxonomy, side))


def unite_spellings(rows: pd.DataFrame, corpus: str) -> pd.DataFrame:
    """Give groups one name that differ in case, blanks, leading zeros or `.0` only.

    A speaker under two names would be in training and in test.

    Parameters
    ----------
    rows
        With `group` and, where there are any, `second_group`.
    corpus
        Its name, for the log, which lists the spellings.

    Returns
    -------
    pandas.DataFrame
        The same with one spelling of each group, the most frequent one.
    """
    for column in {"group", "second_group"} & set(rows):
        written = rows[column].dropna().astype("str")
        spellings = pd.Series(written.unique(), dtype="str")
        keys = spellings.map(_group_key)
        if keys.is_unique:
            continue
        counts = written.value_counts()
        united = [sorted(names, key=lambda name: -counts[name]) for _, names in spellings.groupby(keys)]
        names = {name: first for first, *others in united for name in (first, *others)}
        rows = rows.assign(**{column: rows[column].astype("str").map(names, na_action="ignore")})
        said = [" = ".join(map(repr, names)) for names in united if len(names) > 1]
        logger.warning("%s: spellings of a %s are united: %s", corpus, column, name_some(said))
    return rows


def _group_key(name: str) -> str:
    text = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    number = re.fullmatch(r"0*(\d+)([.,]0+)?", text)
    return number[1] if number else text


def check_root(root: Path, source: Source, *, setting: str) -> None:
    """Make sure that the folder of a corpus, set by `setting`, is there and holds something.

    Raises
    ------
    AffettoError
        When it is missing, no folder, or empty.
    """
    if not root.exists():
        wrong = "not there"
    elif not root.is_dir():
        wrong = "no folder"
    elif next(root.iterdir(), None) is None:
        wrong = "empty"
    else:
        return
    get = f" (get it from {source.home_page})" if source.home_page else ""
    what = source.title if source.citation else f"your recordings ({source.layout})"
    raise AffettoError(
        f"{setting} is {str(root.resolve())!r}, which is {wrong}: set {setting} to the folder of {what}{get}."
    )


def draw_clips(clips: pd.DataFrame, limit: int, *, seed: int) -> pd.DataFrame:
    """Draw so many clips in proportion to the emotions, of which unlabelled clips count as one more."""
    shuffled = clips.sample(frac=1, random_state=np.random.default_rng(seed))
    strata = shuffled.groupby(shuffled["emotion"].fillna(""))["clip_id"]
    # Evenly spaced positions in each stratum: any prefix of the merged order holds every stratum's share.
    position = (strata.cumcount() + 0.5) / strata.transform("size")
    return clips.loc[sorted(position.sort_values(kind="stable").index[:limit])].reset_index(drop=True)
