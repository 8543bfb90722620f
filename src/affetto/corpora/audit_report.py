"""What the audit says of a corpus: figures, sentences for the log, and one HTML page."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from affetto.corpora.clips import own_groups
from affetto.corpora.parameters import AuditParameters
from affetto.errors import one_line
from affetto.io.pages import page_template

logger = logging.getLogger(__name__)

UNLABELLED = "unlabelled"
LISTED = 50
_NAMED = 5
_BINS = 40
_ROWS = 200  # of emotions: a corpus may have any number of them
_NOTICEABLE_CLIPPING = 0.001
_FAR_OUT = 3.0  # interquartile ranges; Tukey, Exploratory Data Analysis, 1977
_SMALLEST_SPREAD = 0.1  # of log durations: in a corpus of equal lengths, 1.35 times the length is far out
_LARGE_IMBALANCE = 5
_LARGE_GROUP = 0.5
_CONFLICT = "the same recording under different emotions"
# Lists of the summary, in words for the log and the page.
_LISTS = {
    "duplicates": "recordings that occur more than once (their groups are united, so that none is in "
    "training and in test)",
    "copies": "takes of which there are copies that sound alike (transcoded, resampled, at another level or "
    "cut; their groups are united, too)",
    "duration_outliers": "clips far longer or shorter than the others",
    "level_outliers": "clips far from the usual level",
    "clipped": "clips that are clipped for more than 0.1 % of their length",
    "damaged": "clips whose file is damaged or cut off, of which what can be decoded is used",
}


def summarise_audit(clips: pd.DataFrame, rejected: pd.DataFrame, audit: AuditParameters) -> dict[str, Any]:
    """Collect what a user should know of a corpus before trusting results on it.

    Parameters
    ----------
    clips
        Audited clip table.
    rejected
        Rejected clips.
    audit
        For the margin of level outliers.

    Returns
    -------
    dict
        JSON values:

        - `corpus, side, clips, hours, emotions` (emotion → clips), `balance` (the commonest emotion, its
          share of the labelled clips, and how many times the rarest it is);
        - `second_groups` (0 where the source knows of none);
        - `groups, groups_of_one, without_group` (labelled clips that the source gave none), `largest_group`,
          `largest_group_share, groups_by_emotion` (emotion → groups);
        - `rejected` (kind of reason → clips);
        - `duplicates` (sets of clips of equal content), `copies` (sets from several files that sound alike,
          though their content differs), `conflicting_labels` (those of either that differ in emotion);
        - `sample_rates_hz, channels` (value → clips);
        - `duration_outliers` (further out than 3 interquartile ranges of the logarithm);
        - `level_outliers`; `clipped` (clips of which over 0.1 % is clipped, worst first);
        - `damaged` (clips of whose file something is missing or left out, each with what).

        Lists of clips are cut at `LISTED`; `n_<name>` is their whole length.
    """
    emotions = clips["emotion"].fillna(UNLABELLED)
    labelled = clips["emotion"].value_counts()
    sizes = clips["group"].value_counts()
    summary = {
        "corpus": " + ".join(clips["corpus"].unique()),
        "side": str(clips["side"].iloc[0]),
        "clips": len(clips),
        "hours": round(float(clips["duration_s"].sum()) / 3600, 4),
        "emotions": count_values(emotions),
        "balance": dict.fromkeys(("commonest", "share", "imbalance")),
        "groups": len(sizes),
        "second_groups": int(clips["second_group"].nunique()),
        "groups_of_one": int((sizes == 1).sum()),
        "without_group": int((clips["group"].isin(own_groups(clips)) & clips["emotion"].notna()).sum()),
        "largest_group": str(sizes.index[0]),
        "largest_group_share": round(float(sizes.iloc[0] / len(clips)), 4),
        "groups_by_emotion": count_values(emotions[~clips.duplicated(["emotion", "group"])]),
        "rejected": count_reasons(rejected),
        "sample_rates_hz": count_values(clips["sample_rate_hz"]),
        "channels": count_values(clips["channels"]),
    }
    if len(labelled):
        summary["balance"] = {
            "commonest": str(labelled.index[0]),
            "share": round(float(labelled.iloc[0] / labelled.sum()), 4),
            "imbalance": round(float(labelled.iloc[0] / labelled.iloc[-1]), 2),
        }
    for name, found in _lists(clips, audit).items():
        summary |= {name: found[:LISTED], f"n_{name}": len(found)}
    return summary


def count_reasons(rejected: pd.DataFrame) -> dict[str, int]:
    """Count rejected clips by the kind of their reason, the words before its colon."""
    return count_values(_kinds(rejected))


def _kinds(rejected: pd.DataFrame) -> pd.Series[Any]:
    return rejected["reason"].str.split(":").str[0]


def count_values(values: pd.Series[Any]) -> dict[str, int]:
    """Count each value, the most frequent first."""
    return {str(value): int(count) for value, count in values.value_counts().items()}


def _lists(clips: pd.DataFrame, audit: AuditParameters) -> dict[str, list[Any]]:
    """Return the clips and sets of clips to look at, by the names of the summary."""
    repeated = clips[clips["content_hash"].duplicated(keep=False)]
    duplicates = sorted(sorted(ids) for _, ids in repeated.groupby("content_hash")["clip_id"])
    copies, conflicts = _copies(clips)
    lengths = np.log(clips["duration_s"].clip(lower=1e-6))
    low, high = lengths.quantile([0.25, 0.75])
    margin = _FAR_OUT * max(high - low, _SMALLEST_SPREAD)
    distance_db = (clips["peak_dbfs"] - clips["peak_dbfs"].median()).abs()
    clipped = clips[clips["clipped_share"] > _NOTICEABLE_CLIPPING]
    worst = clipped.sort_values(["clipped_share", "clip_id"], ascending=[False, True])

    def named(chosen: pd.Series[Any]) -> list[str]:
        return sorted(clips.loc[chosen, "clip_id"])

    return {
        "duplicates": duplicates,
        "copies": copies,
        "conflicting_labels": conflicts,
        "duration_outliers": named((lengths < low - margin) | (lengths > high + margin)),
        "level_outliers": named(distance_db > audit.level_outlier_db),
        "clipped": worst["clip_id"].tolist(),
        "damaged": [f"{row.clip_id}: {row.note}" for row in clips[clips["note"] != ""].itertuples()],
    }


def _copies(clips: pd.DataFrame) -> tuple[list[list[str]], list[list[str]]]:
    """Return the takes that have copies of other content, and the takes of more than one emotion.

    Segments of one file may overlap, and sound alike where they do: they are neither.
    """
    repeated = clips[clips["take"].duplicated(keep=False)]
    repeated = repeated.assign(file=repeated["corpus"] + "/" + repeated["path"])
    takes = repeated.groupby("take")
    ids = takes["clip_id"].agg(sorted)
    n = takes[["file", "content_hash", "emotion"]].nunique()
    is_copied = (n["file"] > 1) & (n["content_hash"] > 1)
    is_one = (n["file"] > 1) | (n["content_hash"] < takes.size())
    return sorted(ids[is_copied]), sorted(ids[is_one & (n["emotion"] > 1)])


def log_summary(summary: Mapping[str, Any]) -> None:
    """Say the summary in the log: the counts, and a warning for what may spoil results."""
    logger.info("%s: %s", summary["corpus"], _size(summary))
    for sentence in warnings_of(summary):
        logger.warning("%s: %s", summary["corpus"], sentence)
    for sentence in notes_of(summary):
        logger.info("%s: %s", summary["corpus"], sentence)


def notes_of(summary: Mapping[str, Any]) -> list[str]:
    """Return what is unusual and mostly harmless, with its number."""
    return [f"{words}: {count}" for name, words in _LISTS.items() if (count := summary[f"n_{name}"])]


def warnings_of(summary: Mapping[str, Any]) -> list[str]:
    """Return what may spoil results, a sentence each without a full stop."""
    found = [f"rejected {_listed(summary['rejected'])}"] if summary["rejected"] else []
    if set(summary["emotions"]) == {UNLABELLED}:
        return found  # all that follows spoils splits, and there will be none
    corpus = f"{summary['side']}.corpus"
    if summary["without_group"]:
        found.append(
            f"{summary['without_group']} clips have no group, and each recording of them is one of its own, "
            f"so that a speaker or an artist may be in training and in test: set {corpus}.group_pattern "
            f"(folders) or {corpus}.group_column (table)"
        )
    if summary["largest_group_share"] > _LARGE_GROUP:
        found.append(
            f"{summary['largest_group_share']:.0%} of the clips are of one group, "
            f"{one_line(summary['largest_group'])}: no split can balance that"
        )
    for ids in summary["conflicting_labels"][:_NAMED]:
        found.append(f"{_CONFLICT}: {', '.join(map(one_line, ids))}")
    balance = summary["balance"]
    if (balance["imbalance"] or 0) > _LARGE_IMBALANCE:
        found.append(
            f"{balance['commonest']} has {balance['imbalance']:g} times the clips of the rarest emotion: "
            "look at UAR and macro F1, not at WA"
        )
    for emotion, groups in summary["groups_by_emotion"].items():
        if groups == 1 and summary["groups"] > 1:
            found.append(f"all clips of {emotion} are of one group, which cannot be in training and in test")
    return found


def _size(summary: Mapping[str, Any]) -> str:
    """Return clips, hours, groups and emotions in one line."""
    size = f"{summary['clips']} clips, {summary['hours']:.2f} h, {summary['groups']} groups"
    size += f", {summary['second_groups']} second groups" if summary["second_groups"] else ""
    return f"{size}; {_listed(summary['emotions'])}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def render_audit(summary: Mapping[str, Any], clips: pd.DataFrame, rejected: pd.DataFrame) -> str:
    """Write the report of an audit: an HTML page without scripts and without anything from elsewhere.

    Parameters
    ----------
    summary
        Of `summarise_audit`.
    clips, rejected
        Accepted and rejected clips.
    """
    kinds = _kinds(rejected)
    emotions = clips.groupby(clips["emotion"].fillna(UNLABELLED)).agg(
        clips=("clip_id", "size"), seconds=("duration_s", "sum"), groups=("group", "nunique")
    )
    sizes = emotions["clips"]
    emotions = emotions.assign(share=sizes / len(clips), width=100 * sizes / sizes.max())
    emotions = emotions.sort_values("clips", ascending=False).head(_ROWS).reset_index()
    return page_template("affetto.corpora", "audit_report.html.j2", one_line).render(
        summary=summary,
        size=_size(summary),
        n_rejected=len(rejected),
        warnings=warnings_of(summary),
        notes=notes_of(summary),
        emotions=emotions.to_dict("records"),
        histograms=[
            _histogram("Length of the clips", "s", clips["duration_s"]),
            _histogram("Peak level", "dBFS", clips["peak_dbfs"]),
            _histogram("Clips a group", "clips", clips["group"].value_counts()),
        ],
        formats=[("Sample rate (Hz)", summary["sample_rates_hz"]), ("Channels", summary["channels"])],
        lists=[
            {"title": words, "items": summary[name], "n": summary[f"n_{name}"]}
            for name, words in {"conflicting_labels": _CONFLICT, **_LISTS}.items()
            if summary[name]
        ],
        reasons=[
            {"kind": kind, "n": count, "clips": rejected[kinds == kind].head(LISTED).to_dict("records")}
            for kind, count in count_values(kinds).items()
        ],
        listed=LISTED,
    )


def _histogram(title: str, unit: str, values: pd.Series[Any]) -> dict[str, Any]:
    """Return the bars of a histogram; heights in percent of the highest."""
    counts, edges = np.histogram(values.to_numpy(dtype=np.float64), bins=_BINS)
    return {
        "title": title,
        "unit": unit,
        "heights": (100 * counts / counts.max()).round(1).tolist(),
        "counts": counts.tolist(),
        "edges": [f"{edge:.3g}" for edge in edges],
        "median": f"{values.median():.3g}",
    }
