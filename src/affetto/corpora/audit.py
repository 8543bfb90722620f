"""Decode every clip of a corpus once: measure it, reject what is unfit, find what occurs twice."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affetto.audio.decode import once_a_folder
from affetto.audio.midi import RENDERING_VERSION
from affetto.corpora.clips import AUDIT_COLUMNS, FEWEST_EMOTIONS, own_groups
from affetto.corpora.measure import MEASURE_VERSION, Measurement, measure_clip
from affetto.corpora.parameters import AuditParameters, CorpusParameters
from affetto.corpora.scan import Part, scan_clips
from affetto.errors import AffettoError, name_some, one_line
from affetto.io.cache import ResultStore
from affetto.io.paths import as_path
from affetto.io.workers import ExecutorParameters, Lost

logger = logging.getLogger(__name__)

_NAMED = 5
REJECTED_COLUMNS = ("clip_id", "corpus", "path", "reason")
_COLUMNS = {
    "duration_s": np.float64,
    "sample_rate_hz": np.int64,
    "channels": np.int64,
    "peak_dbfs": np.float64,
    "clipped_share": np.float64,
    "content_hash": np.object_,
    "reason": np.object_,
    "note": np.object_,
}


def audit_corpora(
    clips: pd.DataFrame,
    corpus: CorpusParameters,
    audit: AuditParameters,
    executor: ExecutorParameters,
    *,
    store: ResultStore | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Audit a corpus and its training corpora, each below its own folder.

    Groups of clips of equal content are united across corpora, too, and emotions that the corpus and its
    training corpora do not share are set aside.

    Parameters
    ----------
    clips
        Of `affetto.corpora.index.index_corpora`.
    corpus
        Where the corpora lie.
    audit, executor, store
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


def audit_clips(
    clips: pd.DataFrame,
    root: Path,
    audit: AuditParameters,
    executor: ExecutorParameters,
    *,
    store: ResultStore | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure every clip and keep those fit for use.

    Clips whose decoded samples are equal are kept, but their groups are united, so that no split can put one
    in training and the other in test.

    Parameters
    ----------
    clips
        Clip table of one corpus.
    root
        Folder that the paths are relative to.
    audit
        When a clip is fit for use.
    executor
        Where to run.
    store
        Memo of earlier audits: files of the same path, size and time of change are not decoded again, but
        once more where the corpus has doubled since, whose clips are then dealt to the memo's shards anew.

    Returns
    -------
    clips
        The accepted rows with `AUDIT_COLUMNS`.
    rejected
        `clip_id, corpus, path, reason` of the others; the reason is `kind: details`.

    Raises
    ------
    AffettoError
        When no clip is left.
    """
    measured = scan_clips(
        partial(_measure_part, audit=audit),
        clips,
        root,
        executor,
        columns=_COLUMNS,
        lost=_lost,
        key={
            "what": "audit",
            "version": [MEASURE_VERSION, RENDERING_VERSION],
            "parameters": audit.model_dump(exclude={"level_outlier_db", "time_limit_s"}),
        },
        description=f"audit of {clips['corpus'].iloc[0]}",
        limit_s=audit.time_limit_s,
        store=store,
    ).astype({"content_hash": "str", "reason": "str", "note": "str"})
    accepted = (measured["reason"] == "").to_numpy()
    rejected = clips.assign(reason=measured["reason"])[list(REJECTED_COLUMNS)][~accepted]
    unreadable = rejected[rejected["reason"].str.startswith("unreadable: ")]
    paths = [str(root / path) for path in unreadable["path"]]
    for sentence in once_a_folder(zip(paths, unreadable["reason"], strict=True))[:_NAMED]:
        logger.warning("%s", one_line(sentence))
    if not accepted.any():
        raise AffettoError(
            f"All {len(clips)} clips of {clips['corpus'].iloc[0]} below {root} were rejected by the audit; "
            f"the first, {rejected['clip_id'].iloc[0]}, is {rejected['reason'].iloc[0]}"
        )
    kept = clips.join(measured[list(AUDIT_COLUMNS)])[accepted].reset_index(drop=True)
    return unite_groups_of_duplicates(kept), rejected.reset_index(drop=True)


def _measure_part(part: Part, *, audit: AuditParameters) -> dict[str, Any]:
    path, start_s, end_s = part
    return vars(measure_clip(as_path(path), start_s, end_s, audit))


def _lost(part: Part, lost: Lost) -> dict[str, Any]:
    return vars(Measurement(reason=f"unreadable: the decoder of {part[0]} {lost.reason}"))


def unite_groups_of_duplicates(clips: pd.DataFrame) -> pd.DataFrame:
    """Give clips of the same `content_hash`, and all clips of their groups, one group.

    It bears the first of the names in the alphabet, of those that the source gave.
    """
    parent = {group: group for group in clips["group"]}

    def find(group: str) -> str:
        while parent[group] != group:
            group = parent[group]
        return group

    alone = own_groups(clips) if {"clip_id", "corpus", "path"} <= set(clips) else set()
    repeated = clips[clips["content_hash"].duplicated(keep=False)]
    for _, groups in repeated.groupby("content_hash")["group"]:
        names = sorted({find(group) for group in groups}, key=lambda name: (name in alone, name))
        parent.update(dict.fromkeys(names, names[0]))
    united = sorted(group for group in parent if find(group) != group)
    if united:
        logger.info(
            "%d groups have a recording of another one and are united with it: %s",
            len(united),
            name_some([f"{group} with {find(group)}" for group in united]),
        )
    return clips.assign(group=clips["group"].map({group: find(group) for group in parent}).astype("str"))


def keep_shared_emotions(clips: pd.DataFrame, *, tested: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Set aside the clips whose emotion a corpus and its training corpora, which count as one, do not share.

    Parameters
    ----------
    clips
        Clip table of more than one corpus.
    tested
        Name of the corpus; the others are its training corpora.

    Returns
    -------
    clips, rejected
        As of `audit_clips`; clips without emotion are accepted.

    Raises
    ------
    AffettoError
        When fewer than two emotions are shared.
    """
    is_tested = clips["corpus"] == tested
    here, there = (set(clips.loc[side, "emotion"].dropna()) for side in (is_tested, ~is_tested))
    shared = here & there
    if len(shared) < FEWEST_EMOTIONS:
        side = clips["side"].iloc[0]
        raise AffettoError(
            f"{tested} ({_words(here)}) and its training corpora ({_words(there)}) share {_words(shared)}, "
            "and two emotions are needed: use other corpora, or bring their labels together in "
            f"{side}.corpus.label_map and {side}.corpus.training_corpora.<name>.label_map."
        )
    others = ", ".join(clips.loc[~is_tested, "corpus"].unique())
    logger.info("%s and %s share %s", tested, others, _words(shared))
    known = clips["emotion"].isna() | clips["emotion"].isin(shared)
    lacking = is_tested.map({True: others, False: tested})
    reasons = "emotion not shared: " + clips["emotion"] + " has no clip in " + lacking
    rejected = clips.assign(reason=reasons).loc[~known, list(REJECTED_COLUMNS)]
    return clips[known].reset_index(drop=True), rejected.reset_index(drop=True)


def _words(emotions: set[str]) -> str:
    return ", ".join(sorted(emotions)) or "no emotion"
