"""Your own recordings, one folder a class; files beside the folders are unlabelled."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import find_recordings, relative, unique_stems
from affetto.corpora.sources.source import Source
from affetto.errors import AffettoError, name_some


def index_folders(root: Path, corpus: CorpusParameters, side: str) -> pd.DataFrame:
    """List all recordings below root.

    The label is the first folder of a clip's path. Where everything lies in one outer folder (as archives
    unpack), that folder is passed over.
    """
    paths = find_recordings(root, whatever_extension=True)
    if not paths:
        raise AffettoError(
            f"No recordings lie below {root}: put them there, one folder a class, or set {side}.corpus.root."
        )
    inside = [path.relative_to(root) for path in paths]
    depth = _outer_depth([path.parts[:-1] for path in inside])
    labels = [path.parts[depth] if len(path.parts) > depth + 1 else None for path in inside]
    names = [path.as_posix() for path in inside]
    patterns = {"group": corpus.group_pattern, "second_group": corpus.second_group_pattern}
    return pd.DataFrame(
        {
            # The whole path, because classes and speakers may number their recordings alike.
            "stem": unique_stems(inside),
            "path": [relative(path, root) for path in paths],
            "label": labels,
            **{
                group: _groups(names, labels, pattern, f"{side}.corpus.{group}_pattern")
                for group, pattern in patterns.items()
            },
        }
    )


def _outer_depth(folders: list[tuple[str, ...]]) -> int:
    """Count the outer folders that all clips share, as long as folders remain inside them."""
    depth = 0
    while min(map(len, folders)) > depth + 1 and len({parts[depth] for parts in folders}) == 1:
        depth += 1
    return depth


def _groups(
    paths: list[str], labels: list[str | None], pattern: str | None, parameter: str
) -> list[str | None]:
    """Find the group in each path; in the names of files where paths tell none, or only the class."""
    if pattern is None:
        return [None] * len(paths)
    groups = [_group(re.search(pattern, path)) for path in paths]
    if not any(groups) or _tell_the_class(groups, labels):  # as of ^[0-9]{2}, which is meant of names
        in_names = [_group(re.search(pattern, path.rpartition("/")[2])) for path in paths]
        groups = in_names if all(in_names) else groups
    unmatched = [path for path, group in zip(paths, groups, strict=True) if not group]
    if unmatched:
        raise AffettoError(
            f"{parameter} {pattern!r} finds nothing in {len(unmatched)} of {len(paths)} "
            f"paths: {name_some(unmatched)}; it must match the path of every clip."
        )
    return groups


def _tell_the_class(groups: list[str | None], labels: list[str | None]) -> bool:
    """Tell whether each of several classes is all of one group."""
    pairs = set(zip(labels, groups, strict=True))
    return len(pairs) == len(set(labels)) > 1


def _group(match: re.Match[str] | None) -> str | None:
    """Return the first bracket that took part in a match; without brackets, all of it."""
    if match is None or not match.re.groups:
        return match and match[0]
    return next((found for found in match.groups() if found), None)


SOURCE = Source(
    name="folders",
    title="One folder a class",
    sides=("music", "voice"),
    licence="yours",
    labels="generic",
    group_rule="what corpus.group_pattern finds in path or name; without it each clip is its own",
    second_group_rule="what corpus.second_group_pattern finds in path or name",
    index=index_folders,
    options=("group_pattern", "second_group_pattern"),
    layout="<emotion>/….wav; files beside the folders are unlabelled",
)
