"""Several corpora of a side as one: indexed, audited, and kept to the emotions that they share."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pandas as pd

from affetto.corpora.audit import REJECTED_COLUMNS, audit_clips, unite_groups_of_duplicates
from affetto.corpora.clips import FEWEST_EMOTIONS
from affetto.corpora.index import index_corpus
from affetto.corpora.parameters import AuditParameters, CorpusParameters
from affetto.corpora.sources import SOURCES
from affetto.errors import AffettoError
from affetto.parallel import ExecutorParameters
from affetto.results import ResultStore

logger = logging.getLogger(__name__)


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
    clips = index_corpus(corpus, taxonomy, side=side, executor=executor, store=store)
    if not corpus.others:
        return clips
    tables = [_with_people(clips, corpus)]
    for other in corpus.others:
        try:
            table = index_corpus(other, taxonomy, side=side, executor=executor, store=store)
        except AffettoError as error:
            # The index knows one corpus a side, and would send the user to the parameters of the wrong one.
            own = f"{side}.corpus.training_corpora.{other.name}."
            raise AffettoError(str(error).replace(f"{side}.corpus.", own)) from error
        tables.append(_with_people(table, other))
    return pd.concat(tables, ignore_index=True)


def _with_people(clips: pd.DataFrame, corpus: CorpusParameters) -> pd.DataFrame:
    """Put the corpus, or the one whose people speak in it, in front of the names of both kinds of groups."""
    people = SOURCES[corpus.source].people_of or corpus.known_as
    return clips.assign(**{name: f"{people}/" + clips[name] for name in ("group", "second_group")})


def audit_corpora(
    clips: pd.DataFrame,
    corpus: CorpusParameters,
    audit: AuditParameters,
    executor: ExecutorParameters,
    *,
    store: ResultStore | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Audit each corpus below its own folder, and set aside the emotions that they do not share.

    Groups of clips of equal content are united across corpora, too.

    Parameters
    ----------
    clips
        Of `index_corpora`.
    corpus, audit, executor, store
        As for `audit_clips`.

    Returns
    -------
    clips, rejected
        As of `audit_clips`.

    Raises
    ------
    AffettoError
        When no clip of a corpus is left, or fewer than two emotions are shared.
    """
    if not corpus.others:
        return audit_clips(clips, corpus.root, audit, executor, store=store)
    folders = {corpus.known_as: corpus.root, **corpus.other_roots}
    audited = [
        audit_clips(part.reset_index(drop=True), folders[str(name)], audit, executor, store=store)
        for name, part in clips.groupby("corpus", sort=False)
    ]
    kept = unite_groups_of_duplicates(pd.concat([accepted for accepted, _ in audited], ignore_index=True))
    shared, unshared = keep_shared_emotions(kept, tested=corpus.known_as)
    return shared, pd.concat([*(rejected for _, rejected in audited), unshared], ignore_index=True)


def keep_shared_emotions(clips: pd.DataFrame, *, tested: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Set aside the clips whose emotion a corpus and its training corpora do not share.

    Parameters
    ----------
    clips
        Clip table of several corpora.
    tested
        Name of the corpus; the others are its training corpora, which count as one.

    Returns
    -------
    clips
        Those without emotion, and those of an emotion that occurs on both sides.
    rejected
        `clip_id, corpus, path, reason` of the others.

    Raises
    ------
    AffettoError
        When fewer than two emotions are shared.
    """
    is_tested = clips["corpus"] == tested
    here, there = (set(clips.loc[side, "emotion"].dropna()) for side in (is_tested, ~is_tested))
    shared = here & there
    if len(shared) < FEWEST_EMOTIONS:
        raise AffettoError(_too_few(clips, tested, here, there))
    others = ", ".join(clips.loc[~is_tested, "corpus"].unique())
    logger.info("%s and %s share %s", tested, others, _words(shared))
    known = clips["emotion"].isna() | clips["emotion"].isin(shared)
    lacking = is_tested.map({True: others, False: tested})
    reasons = "emotion not shared: " + clips["emotion"] + " has no clip in " + lacking
    rejected = clips.assign(reason=reasons).loc[~known, list(REJECTED_COLUMNS)]
    return clips[known].reset_index(drop=True), rejected.reset_index(drop=True)


def _too_few(clips: pd.DataFrame, tested: str, here: set[str], there: set[str]) -> str:
    side = clips["side"].iloc[0]
    return (
        f"{tested} ({_words(here)}) and its training corpora ({_words(there)}) share "
        f"{_words(here & there)}, and two emotions are needed: use other corpora, or bring their labels "
        f"together in {side}.corpus.label_map and {side}.corpus.training_corpora.<name>.label_map."
    )


def _words(emotions: set[str]) -> str:
    return ", ".join(sorted(emotions)) or "no emotion"
