"""What the audit of a corpus found, in words: for the log and for the report."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from affetto.corpora.summary import UNLABELLED
from affetto.errors import one_line

logger = logging.getLogger(__name__)

_LARGE_IMBALANCE = 5
_LARGE_GROUP = 0.5
_NAMED = 5
_ALL_ALONE = "no clip has a group, and each recording is one of its own"


def warnings_of(summary: Mapping[str, Any]) -> list[str]:
    """Return what may spoil results, a sentence each without a full stop.

    Parameters
    ----------
    summary
        Of `affetto.corpora.summary.summarise_audit`.
    """
    return list(_warnings(summary))


def notes_of(summary: Mapping[str, Any]) -> list[str]:
    """Return what is unusual and mostly harmless, with its number."""
    counted = {
        "duplicates": "recordings that occur more than once (their groups are united, so that none is in "
        "training and in test)",
        "odd_sample_rates": "clips of another sample rate than the others",
        "odd_channels": "clips of another number of channels than the others",
        "duration_outliers": "clips far longer or shorter than the others",
        "level_outliers": "clips far from the usual level",
        "clipped": "clips that are clipped for more than 0.1 % of their length",
        "damaged": "clips whose file is damaged or cut off, of which what can be decoded is used",
        "groups_lacking_emotions": "groups without a clip of some emotion",
    }
    return [f"{what}: {count}" for name, what in counted.items() if (count := summary[f"n_{name}"])]


def log_summary(summary: Mapping[str, Any]) -> None:
    """Say the summary in the log: the counts, and a warning for what may spoil results."""
    logger.info("%s: %s", summary["corpus"], size_sentence(summary))
    for sentence in warnings_of(summary):
        logger.warning("%s: %s", summary["corpus"], sentence)
    for sentence in notes_of(summary):
        logger.info("%s: %s", summary["corpus"], sentence)


def size_sentence(summary: Mapping[str, Any]) -> str:
    """Return clips, hours, groups and emotions in one line."""
    size = f"{summary['clips']} clips, {summary['hours']:.2f} h, {summary['groups']} groups"
    size += f", {summary['second_groups']} second groups" if summary["second_groups"] else ""
    return f"{size}; {_words(summary['emotions'])}"


def _warnings(summary: Mapping[str, Any]) -> Iterator[str]:
    side = summary["side"]
    if summary["rejected"]:
        yield f"rejected {_words(summary['rejected'])}"
    if set(summary["emotions"]) == {UNLABELLED}:
        return  # all that follows spoils splits, and there will be none
    labelled = sum(count for name, count in summary["emotions"].items() if name != UNLABELLED)
    if summary["without_group"]:
        which = _some_alone(summary) if summary["without_group"] < labelled else _ALL_ALONE
        yield (
            f"{which}, so that a speaker or an artist may be in training and in test: set "
            f"{side}.corpus.group_pattern (folders) or {side}.corpus.group_column (table)"
        )
    if summary["largest_group_share"] > _LARGE_GROUP:
        yield (
            f"{summary['largest_group_share']:.0%} of the clips are of one group, "
            f"{one_line(summary['largest_group'])}: no split can balance that"
        )
    for ids in summary["conflicting_labels"][:_NAMED]:
        yield f"the same recording under different emotions: {', '.join(map(one_line, ids))}"
    imbalance = summary["balance"]["imbalance"]
    if imbalance is not None and imbalance > _LARGE_IMBALANCE:
        yield (
            f"{summary['balance']['commonest']} has {imbalance:g} times the clips of the rarest emotion: "
            "look at UAR and macro F1, not at WA"
        )
    for emotion, groups in summary["groups_by_emotion"].items():
        if groups == 1 and summary["groups"] > 1:
            yield f"all clips of {emotion} are of one group, which cannot be in training and in test"


def _some_alone(summary: Mapping[str, Any]) -> str:
    return f"{summary['without_group']} clips have no group, and each recording of them is one of its own"


def _words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
