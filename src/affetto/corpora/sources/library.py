"""A library of music without labels: artist, title and genres come from the files' own tags."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.audio.decode import MIDI_EXTENSIONS
from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import find_recordings, relative, unique_stems
from affetto.corpora.sources.source import Source
from affetto.errors import AffettoError, one_line
from affetto.io.paths import is_remote

logger = logging.getLogger(__name__)

NO_ARTIST = frozenset({"various artists", "various", "va", "unknown artist", "unknown"})
SEPARATOR = re.compile(r"[;/\0]")
_REMOTE_READS = 32  # reading from afar is waiting; on this machine threads only wait for one another
_BLOCK_BYTES = 1 << 16


@dataclass(frozen=True)
class FileTags:
    """What a file says of itself; None and nothing where it does not.

    Attributes
    ----------
    title, artist
        The artist is that of the track, else that of the album.
    genres
        In the file's order.
    readable
        Whether the tags could be read.
    """

    title: str | None = None
    artist: str | None = None
    genres: tuple[str, ...] = ()
    readable: bool = True


def index_library(root: Path, _corpus: CorpusParameters, side: str) -> pd.DataFrame:
    """List all recordings below root, unlabelled; the artist is the group."""
    paths = _recordings(root, side)
    tags = list(_read_all(paths, remote=is_remote(root)))
    unreadable = [path.name for path, tag in zip(paths, tags, strict=True) if not tag.readable]
    if unreadable:
        logger.warning(
            "The tags of %d of %d files cannot be read; the first is %s",
            len(unreadable),
            len(paths),
            one_line(unreadable[0]),
        )
    inside = [path.relative_to(root) for path in paths]
    return pd.DataFrame(
        {
            "stem": unique_stems(inside),
            "path": [relative(path, root) for path in paths],
            "group": [_group(tag.artist) for tag in tags],
            "tags": [list(tag.genres) for tag in tags],
            "title": [_title(tag, path.stem) for tag, path in zip(tags, paths, strict=True)],
        }
    )


def read_tags(path: Path, **options: Any) -> FileTags:
    """Read the tags of a file.

    Parameters
    ----------
    path
        Recording of any format.
    options
        For `path.open`.

    Returns
    -------
    FileTags
        Nothing is known of MIDI files; a file that cannot be read says so in `readable`.
    """
    from tinytag import TinyTag, TinyTagException

    if path.suffix.lower() in MIDI_EXTENSIONS:
        return FileTags()
    try:
        with path.open("rb", **options) as file:
            tag = TinyTag.get(path.name, file_obj=file, duration=False)
    except (TinyTagException, OSError):
        return FileTags(readable=False)
    genres = [
        part for text in (tag.genre, *tag.other.get("genre", ())) for part in SEPARATOR.split(text or "")
    ]
    return FileTags(
        title=_clean(tag.title),
        artist=_clean(tag.artist) or _clean(tag.albumartist),
        genres=tuple(dict.fromkeys(filter(None, map(_clean, genres)))),
    )


def _recordings(root: Path, side: str) -> list[Path]:
    recordings = find_recordings(root, whatever_extension=True)
    if not recordings:
        raise AffettoError(f"No recording lies below {root}: set {side}.corpus.root to a folder of music.")
    return recordings


def _read_all(paths: list[Path], *, remote: bool) -> Iterator[FileTags]:
    if not remote:
        yield from map(read_tags, paths)
        return
    with ThreadPoolExecutor(_REMOTE_READS) as pool:
        yield from pool.map(lambda path: read_tags(path, block_size=_BLOCK_BYTES), paths)


def _clean(text: str | None) -> str | None:
    """Drop what no table can hold (halves of characters, zeros) and surplus blanks."""
    if text is None:
        return None
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").replace("\0", " ").split()) or None


def _group(artist: str | None) -> str | None:
    """Unite spellings of an artist; a collection of many is none."""
    group = None if artist is None else artist.casefold()
    return None if group in NO_ARTIST else group


def _title(tag: FileTags, stem: str) -> str:
    words: Iterable[str | None] = (tag.artist, tag.title or stem)
    return ": ".join(filter(None, words))


SOURCE = Source(
    name="library",
    title="A library of music without labels",
    sides=("music",),
    licence="yours",
    labels="generic",
    group_rule="the artist of the file's tags, else that of the album; without them each clip is its own",
    index=index_library,
    layout="recordings in folders of any depth; artist, title and genres come from their own tags",
)
