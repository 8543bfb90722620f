"""Any loader of mirdata: its tracks, their emotion, artist and tags as attributes of the loader tell them.

mirdata keeps its indexes inside its installed package; one that lies in the corpus's root goes before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.source import Source
from affetto.corpora.sources.table import below_root, split_names
from affetto.corpora.sources.tables import keep_recorded, reader_package, told_in_a_sentence
from affetto.errors import AffettoError
from affetto.io.paths import absolute

# Attributes of tracks, in the order in which they are looked for.
RECORDINGS = ("audio_path", "midi_path")
EMOTIONS = ("emotion", "quadrant", "mood")
GROUPS = ("artist", "artist_id", "artists", "performer", "player_id")
TAGS = ("tags", "genre", "genres", "style")
TITLES = ("title", "name")
SPLITS = ("train", "validation", "test")
_ATTRIBUTES = ("emotion_column", "group_column", "tags_column", "title_column")


def index_mirdata(root: Path, corpus: CorpusParameters, side: str) -> pd.DataFrame:
    """List the tracks of a loader; the artist is the group."""
    root = absolute(root)  # which mirdata would make of it on its own, for paths that are compared with it
    dataset = _open_dataset(root, corpus, side)
    with told_in_a_sentence(
        f"mirdata's loader {corpus.database} cannot read {root}",
        f"fetch its index and tables by `mirdata.initialize({corpus.database!r}, data_home={str(root)!r})"
        f".download()`, or put the index {Path(dataset.index_path).name} there",
    ):
        tracks = dataset.load_tracks()
        rows = pd.DataFrame(_row(stem, track, root, corpus) for stem, track in tracks.items())
        splits = _official_splits(dataset)
        _check_attributes(tracks, corpus, side)
    rows["official_split"] = split_names(rows["stem"].map(splits))
    return keep_recorded(rows, root, what=f"mirdata's {corpus.database}", remedy=f"{_recipe(dataset)}")


def _open_dataset(root: Path, corpus: CorpusParameters, side: str) -> Any:
    mirdata = reader_package("mirdata", root, corpus, side)
    if corpus.database not in mirdata.list_datasets():
        raise AffettoError(
            f"{side}.corpus.database is {corpus.database!r}, which is no loader of mirdata: use one of "
            f"{', '.join(mirdata.list_datasets())}."
        )
    version = corpus.version or "default"
    with told_in_a_sentence(
        f"mirdata cannot open its loader {corpus.database} in the version {version}",
        f"choose another by {side}.corpus.version, or install what the loader asks for",
    ):
        dataset = mirdata.initialize(corpus.database, data_home=str(root), version=version)
    index = root / Path(dataset.index_path).name
    if index.is_file():
        dataset.index_path = str(index)
    return dataset


def _recipe(dataset: Any) -> str:
    """Say how to get the recordings, as the loader does."""
    told = " ".join((dataset._download_info or "").split())
    return told[:300].rstrip(".") or f"fetch them by `mirdata.initialize({dataset.name!r}).download()`"


def _row(stem: str, track: Any, root: Path, corpus: CorpusParameters) -> dict[str, Any]:
    path = _attribute(track, None, RECORDINGS)
    there = path is not None and Path(path).is_file()
    return {
        "stem": stem,
        "path": below_root(path, root, root) if there else None,
        "label": _attribute(track, corpus.emotion_column, EMOTIONS),
        "group": next(iter(_words(_attribute(track, corpus.group_column, GROUPS))), None),
        "tags": [
            tag
            for name in ((corpus.tags_column,) if corpus.tags_column else TAGS)
            for tag in _words(getattr(track, name, None))
        ],
        "title": _attribute(track, corpus.title_column, TITLES),
    }


def _attribute(track: Any, name: str | None, defaults: tuple[str, ...]) -> Any:
    """Return the first of the attributes that a track has and that says something."""
    values = (getattr(track, attribute, None) for attribute in ((name,) if name else defaults))
    return next((value for value in values if _words(value)), None)


def _words(value: Any) -> list[str]:
    words = value if isinstance(value, list | tuple) else [value]
    return [str(word) for word in words if word is not None and str(word).strip()]


def _check_attributes(tracks: Mapping[str, Any], corpus: CorpusParameters, side: str) -> None:
    for parameter in _ATTRIBUTES:
        name, track = getattr(corpus, parameter), next(iter(tracks.values()))
        if name is not None and not hasattr(track, name):
            known = ", ".join(attribute for attribute in dir(track) if not attribute.startswith("_"))
            raise AffettoError(
                f"{side}.corpus.{parameter} is {name!r}, which tracks of mirdata's {corpus.database} do not "
                f"have: use one of {known}."
            )


def _official_splits(dataset: Any) -> dict[str, str]:
    """Return track → split, where the loader publishes one of the usual names."""
    try:
        splits = dataset.get_track_splits()
    except NotImplementedError:
        return {}
    names = split_names(pd.Series(list(splits), dtype="str"))
    return {
        track: name
        for name, tracks in zip(names, splits.values(), strict=True)
        if name in SPLITS
        for track in tracks
    }


SOURCE = Source(
    name="mirdata",
    title="Any loader of mirdata",
    sides=("music",),
    licence="that of the data set",
    labels="generic",
    group_rule="the attribute corpus.group_column, else the artist or performer; without it each clip is its "
    "own",
    index=index_mirdata,
    options=("database", "version", *_ATTRIBUTES),
    layout="what the loader corpus.database expects (pip install 'affetto[mirdata]'); its index, too, where "
    "mirdata has not fetched it",
    official_split="the loader's, where it has one of train, validation and test",
)
