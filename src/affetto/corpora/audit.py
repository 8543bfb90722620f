"""Decode every clip of a corpus once: measure it, reject what is unfit, find what occurs twice."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import pandas as pd

from affetto.audio.decode import once_a_folder
from affetto.audio.midi import RENDERING_VERSION
from affetto.corpora.clips import AUDIT_COLUMNS, FEWEST_EMOTIONS, own_groups
from affetto.corpora.duplicates import DUPLICATES_VERSION, find_copies, first_of_sets
from affetto.corpora.measure import MEASURE_VERSION, measure_all, measure_clip
from affetto.corpora.parameters import AuditParameters, CorpusParameters
from affetto.errors import AffettoError, name_some, one_line
from affetto.io.cache import ResultStore
from affetto.io.workers import ExecutorParameters

logger = logging.getLogger(__name__)

_NAMED = 5
_REJECTED_COLUMNS = ["clip_id", "corpus", "path", "reason"]
_MEASURED = [*(name for name in AUDIT_COLUMNS if name != "take"), "fingerprint"]


def audit_corpora(
    clips: pd.DataFrame,
    corpus: CorpusParameters,
    audit: AuditParameters,
    executor: ExecutorParameters,
    *,
    store: ResultStore | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure every clip of a corpus and of its training corpora, and keep those fit for use.

    Clips of one take (of equal samples, or copies that sound alike) are kept, but their groups are united,
    across corpora, too, so that no split can put one in training and the other in test. Emotions that the
    corpus and its training corpora do not share are set aside, as is the only clip of an emotion.

    Parameters
    ----------
    clips
        Of `affetto.corpora.index.index_corpora`.
    corpus
        Where the corpora lie.
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
        When no clip of a corpus is left, or fewer than two emotions are shared.
    """
    folders = {corpus.known_as: corpus.root, **corpus.other_roots}
    audited = [
        _measure(part.reset_index(drop=True), folders[str(name)], audit, executor, store)
        for name, part in clips.groupby("corpus", sort=False)
    ]
    kept = unite_groups_of_duplicates(pd.concat([accepted for accepted, _ in audited], ignore_index=True))
    rejected = pd.concat([unfit for _, unfit in audited], ignore_index=True)
    if corpus.others:
        kept, unshared = keep_shared_emotions(kept, tested=corpus.known_as)
        rejected = pd.concat([rejected, unshared], ignore_index=True)
    return set_lone_emotions_aside(kept, rejected)


def set_lone_emotions_aside(clips: pd.DataFrame, rejected: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Move the only clip of an emotion, which cannot be in training and in test, to the rejected ones.

    Where fewer emotions would be left than a model needs, all clips stay.

    Parameters
    ----------
    clips, rejected
        As of `audit_corpora`.

    Returns
    -------
    clips, rejected
        The same, the lone clips among the rejected.
    """
    lone = lone_emotions(clips)
    if not lone or clips["emotion"].nunique() - len(lone) < FEWEST_EMOTIONS:
        return clips, rejected
    logger.warning(
        "%s: one clip only of %s, which cannot be both in training and in test and is set aside",
        *(clips["corpus"].iloc[0], ", ".join(lone)),
    )
    is_lone = clips["emotion"].isin(lone)
    reasons = "lone emotion: the only clip of " + clips["emotion"]
    more = clips.assign(reason=reasons).loc[is_lone, _REJECTED_COLUMNS]
    return clips[~is_lone].reset_index(drop=True), pd.concat([rejected, more], ignore_index=True)


def lone_emotions(clips: pd.DataFrame) -> list[str]:
    """Return the emotions of one clip only."""
    counts = clips["emotion"].value_counts()
    return sorted(counts.index[counts == 1])


def _measure(
    clips: pd.DataFrame,
    root: Path,
    audit: AuditParameters,
    executor: ExecutorParameters,
    store: ResultStore | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the clips of a corpus that are fit, each with its `fingerprint`, and the others."""
    measured = measure_all(
        partial(measure_clip, audit=audit),
        clips,
        root,
        executor,
        columns=(*_MEASURED, "reason"),
        key={
            "what": "audit",
            "version": [MEASURE_VERSION, RENDERING_VERSION, DUPLICATES_VERSION],
            "parameters": audit.model_dump(exclude={"level_outlier_db", "time_limit_s"}),
        },
        description=f"audit of {clips['corpus'].iloc[0]}",
        limit_s=audit.time_limit_s,
        store=store,
    ).astype(dict.fromkeys(("content_hash", "fingerprint", "reason", "note"), "str"))
    accepted = (measured["reason"] == "").to_numpy()
    rejected = clips.assign(reason=measured["reason"])[_REJECTED_COLUMNS][~accepted]
    unreadable = rejected[rejected["reason"].str.startswith(("unreadable: ", "odd rate: "))]
    paths = [str(root / path) for path in unreadable["path"]]
    reasons = [
        f"{path}: {reason}" if reason.startswith("odd rate") else reason
        for path, reason in zip(paths, unreadable["reason"], strict=True)
    ]
    for sentence in once_a_folder(zip(paths, reasons, strict=True))[:_NAMED]:
        logger.warning("%s", one_line(sentence))
    if not accepted.any():
        raise AffettoError(
            f"All {len(clips)} clips of {clips['corpus'].iloc[0]} below {root} were rejected by the audit; "
            f"the first, {rejected['clip_id'].iloc[0]}, is {rejected['reason'].iloc[0]}"
        )
    kept = clips.join(measured[_MEASURED])[accepted]
    return kept.reset_index(drop=True), rejected.reset_index(drop=True)


def unite_groups_of_duplicates(clips: pd.DataFrame) -> pd.DataFrame:
    """Tell which clips are of one take, and give these, and all clips of their groups, one group.

    It bears the first of the names in the alphabet, of those that the source gave.

    Parameters
    ----------
    clips
        Clip table with `content_hash` and, where known, `fingerprint`.

    Returns
    -------
    pandas.DataFrame
        The table with `take`, the `clip_id` of the first clip of its take, and without `fingerprint`.
    """
    fingerprints = clips.get("fingerprint", pd.Series("", index=clips.index))
    firsts = first_of_sets(clips["content_hash"], find_copies(fingerprints.tolist()))
    take = clips["clip_id"].iloc[firsts].set_axis(clips.index).astype("str")
    sets, own = first_of_sets(clips["group"], firsts), clips["group"].isin(own_groups(clips))
    groups = pd.DataFrame({"group": clips["group"], "set": sets, "own": own}).drop_duplicates("group")
    groups = groups.sort_values(["own", "group"])
    names = dict(zip(groups["group"], groups.groupby("set")["group"].transform("first"), strict=True))
    united = [f"{group} with {name}" for group, name in sorted(names.items()) if group != name]
    if united:
        logger.info(
            "%d groups have a recording of another one, or a copy of it, and are united with it: %s",
            len(united),
            name_some(united),
        )
    kept = clips.drop(columns="fingerprint", errors="ignore")
    return kept.assign(take=take, group=kept["group"].map(names).astype("str"))


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
        As of `audit_corpora`; clips without emotion are accepted.

    Raises
    ------
    AffettoError
        When fewer than two emotions are shared.
    """
    is_tested = clips["corpus"] == tested
    here, there = (set(clips.loc[side, "emotion"].dropna()) for side in (is_tested, ~is_tested))
    shared = here & there
    if len(shared) < FEWEST_EMOTIONS:
        own, training, both = (", ".join(sorted(some)) or "no emotion" for some in (here, there, shared))
        raise AffettoError(
            f"{tested} ({own}) and its training corpora ({training}) share {both}, and two emotions are "
            "needed: use other corpora, or bring their labels together in their label_map."
        )
    others = ", ".join(clips.loc[~is_tested, "corpus"].unique())
    logger.info("%s and %s share %s", tested, others, ", ".join(sorted(shared)))
    known = clips["emotion"].isna() | clips["emotion"].isin(shared)
    lacking = is_tested.map({True: others, False: tested})
    reasons = "emotion not shared: " + clips["emotion"] + " has no clip in " + lacking
    rejected = clips.assign(reason=reasons).loc[~known, _REJECTED_COLUMNS]
    return clips[known].reset_index(drop=True), rejected.reset_index(drop=True)
