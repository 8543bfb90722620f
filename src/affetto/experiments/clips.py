"""Which of the tested clips are degraded, and which strange recordings are heard."""

from __future__ import annotations

import hashlib

import pandas as pd

from affetto.corpora.splits import ALWAYS_TRAINING


def choose_clips(clips: pd.DataFrame, folds: pd.DataFrame, most: int | None) -> list[str]:
    """Choose tested clips of every fold, in turn from each of its emotions.

    Parameters
    ----------
    clips
        Clip table with `clip_id, emotion`.
    folds
        `clip_id, fold`; those of fold -1 are never tested.
    most
        Clips a fold; None: all.

    Returns
    -------
    list of str
        Their ids, in the order of `folds`. The choice depends on the ids alone.
    """
    tested = folds[folds["fold"] != ALWAYS_TRAINING].merge(clips[["clip_id", "emotion"]], on="clip_id")
    if most is None:
        return list(tested["clip_id"])
    order = tested.assign(lot=[lot(clip_id) for clip_id in tested["clip_id"]]).sort_values("lot")
    order["turn"] = order.groupby(["fold", "emotion"]).cumcount()
    chosen = order.sort_values(["turn", "lot"]).groupby("fold").head(most)
    return list(tested.loc[tested["clip_id"].isin(chosen["clip_id"]), "clip_id"])


def lot(clip_id: str) -> str:
    """Return the lot that a name draws, the same always: who sorts by it chooses as if at random."""
    return hashlib.blake2b(clip_id.encode(), digest_size=8).hexdigest()
