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
from affetto.corpora.clips import AUDIT_COLUMNS, own_groups
from affetto.corpora.measure import MEASURE_VERSION, Measurement, measure_clip
from affetto.corpora.parameters import AuditParameters
from affetto.corpora.sweep import Part, sweep_clips
from affetto.errors import AffettoError, name_some, one_line
from affetto.parallel import ExecutorParameters, Lost
from affetto.results import ResultStore
from affetto.storage import as_path

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
        Clip table.
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
    measured = _measure(clips, root, audit, executor, store)
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


def unite_groups_of_duplicates(clips: pd.DataFrame) -> pd.DataFrame:
    """Give clips of the same content, and all clips of their groups, one group.

    Parameters
    ----------
    clips
        With `group` and `content_hash`.

    Returns
    -------
    pandas.DataFrame
        A copy; a united group bears the first of its names in the alphabet, of those that the source gave.
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


def _measure(
    clips: pd.DataFrame,
    root: Path,
    audit: AuditParameters,
    executor: ExecutorParameters,
    store: ResultStore | None,
) -> pd.DataFrame:
    """Return a row of measurements a clip, with the index of `clips`."""
    measured = sweep_clips(
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
    )
    return measured.astype({"content_hash": "str", "reason": "str", "note": "str"})


def _measure_part(part: Part, *, audit: AuditParameters) -> dict[str, Any]:
    path, start_s, end_s = part
    return vars(measure_clip(as_path(path), start_s, end_s, audit))


def _lost(part: Part, lost: Lost) -> dict[str, Any]:
    return vars(Measurement(reason=f"unreadable: the decoder of {part[0]} {lost.reason}"))
