"""What a source declares of itself, for people and for machines."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from affetto.corpora.sources import SOURCES, Source
from affetto.corpora.taxonomy import source_labels
from affetto.errors import AffettoError


def find_source(name: str) -> Source:
    """Return the source of that name.

    Raises
    ------
    AffettoError
        When there is none; names the one that was probably meant.
    """
    if name in SOURCES:
        return SOURCES[name]
    near = difflib.get_close_matches(name.lower(), SOURCES, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "`affetto corpora list` names them all."
    raise AffettoError(f"There is no source {name!r}: {hint}")


def choose_side(source: Source, side: str | None) -> str:
    """Return the side that a source is used for.

    Parameters
    ----------
    source
        The source.
    side
        The side that was asked for; None: the only one that the source serves.

    Raises
    ------
    AffettoError
        When the source does not serve that side, or serves both and none was asked for.
    """
    if side is None and len(source.sides) > 1:
        raise AffettoError(f"{source.name} serves {' and '.join(source.sides)}: choose one with --side.")
    if side is not None and side not in source.sides:
        raise AffettoError(
            f"{source.name} is a corpus of {source.sides[0]}, not of {side}: leave --side out."
        )
    return side or source.sides[0]


def list_sources(side: str | None = None) -> list[dict[str, Any]]:
    """Return `name, sides, title, licence, clips, fetchable` of every source, or of those that serve a side.

    `clips` is the number in a complete copy, None where that is not known.
    """
    return [
        {
            "name": source.name,
            "sides": list(source.sides),
            "title": source.title,
            "licence": source.licence,
            "clips": source.expected.clips if source.expected else None,
            "fetchable": bool(source.downloads),
        }
        for source in SOURCES.values()
        if side is None or side in source.sides
    ]


def describe_source(source: Source, taxonomy: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return everything that a source declares, as JSON values.

    Parameters
    ----------
    source
        The source.
    taxonomy
        What labels mean; None: unknown, `labels` is None then.

    Returns
    -------
    dict
        `name, title, sides, licence, home_page, layout, group_rule, second_group_rule, official_split,
        citation, expected` (`clips, groups, labels` or None), `labels` (side → label → emotion, None:
        unlabelled) and `downloads` (addresses).
    """
    expected = source.expected
    return {
        "name": source.name,
        "title": source.title,
        "sides": list(source.sides),
        "licence": source.licence,
        "home_page": source.home_page,
        "layout": source.layout,
        "group_rule": source.group_rule,
        "second_group_rule": source.second_group_rule,
        "official_split": source.official_split,
        "expected": expected
        and {"clips": expected.clips, "groups": expected.groups, "labels": dict(expected.labels)},
        "labels": None if taxonomy is None else _labels(source, taxonomy),
        "downloads": [download.url for download in source.downloads],
        "citation": source.citation,
    }


def _labels(source: Source, taxonomy: Mapping[str, Any]) -> dict[str, dict[str, str | None]]:
    return {side: source_labels(taxonomy, source.labels_key(side), side) for side in source.sides}
