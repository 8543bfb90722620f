"""Your own recordings: one folder a class, a table of clips, or a library that its own tags describe."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pandas as pd

from affetto.audio.decode import MIDI_EXTENSIONS
from affetto.corpora.clips import without_suffix
from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import find_own_recordings, walk_files
from affetto.corpora.sources.source import Source
from affetto.corpora.sources.table_paths import locate_files
from affetto.corpora.sources.tables import (
    TABLE_EXTENSIONS,
    join_titles,
    name_lines,
    name_quadrants,
    read_table,
    scale_ratings,
    to_numbers,
)
from affetto.errors import AffettoError, name_some
from affetto.io.paths import is_remote
from affetto.io.workers import ExecutorParameters

logger = logging.getLogger(__name__)


def index_folders(root: Path, corpus: CorpusParameters, side: str) -> pd.DataFrame:
    """List all recordings below root.

    The label is the first folder of a clip's path. Where everything lies in one outer folder (as archives
    unpack), that folder is passed over.
    """
    rows = find_own_recordings(root)
    folders = [path.split("/")[:-1] for path in rows["path"]]
    depth = 0
    while min(map(len, folders)) > depth + 1 and len({parts[depth] for parts in folders}) == 1:
        depth += 1
    rows["label"] = [parts[depth] if len(parts) > depth else None for parts in folders]
    rows["group"] = _find_groups(rows, corpus.group_pattern, f"{side}.corpus.group_pattern")
    rows["second_group"] = _find_groups(
        rows, corpus.second_group_pattern, f"{side}.corpus.second_group_pattern"
    )
    return rows


def _find_groups(rows: pd.DataFrame, pattern: str | None, parameter: str) -> list[str | None]:
    """Find the group in each path; in the names of files where paths tell none, or only the class."""
    if pattern is None:
        return [None] * len(rows)

    def search(text: str) -> str | None:
        """Return the first bracket that took part in a match; without brackets, all of it."""
        match = re.search(pattern, text)
        if match is None or not match.re.groups:
            return match and match[0]
        return next(filter(None, match.groups()), None)

    groups = [search(path) for path in rows["path"]]
    pairs = set(zip(rows["label"], groups, strict=True))
    only_the_class = len(pairs) == rows["label"].nunique(dropna=False) > 1
    if not any(groups) or only_the_class:  # as of ^[0-9]{2}, which is meant of names
        in_names = [search(PurePosixPath(path).name) for path in rows["path"]]
        groups = in_names if all(in_names) else groups
    unmatched = [path for path, group in zip(rows["path"], groups, strict=True) if not group]
    if unmatched:
        raise AffettoError(
            f"{parameter} {pattern!r} finds nothing in {len(unmatched)} of {len(rows)} paths: "
            f"{name_some(unmatched)}; it must match the path of every clip."
        )
    return groups


FOLDERS = Source(
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

# Column of the rows → parameter that names its column, and the name looked for where the parameter is null.
_COLUMNS = {
    "path": ("path_column", "path"),
    "label": ("emotion_column", "emotion"),
    "group": ("group_column", "group"),
    "second_group": ("second_group_column", "second_group"),
    "theme": ("theme_column", "theme"),
    "tags": ("tags_column", "tags"),
    "title": ("title_column", "title"),
    "official_split": ("split_column", "split"),
    "start_s": ("start_column", "start_s"),
    "end_s": ("end_column", "end_s"),
    "valence": ("valence_column", "valence"),
    "arousal": ("arousal_column", "arousal"),
}
# What these columns are called elsewhere, without blanks, marks and capitals; the likelier go first.
_ALIASES = {
    "path": (
        *("filepath", "audiopath", "audiofilepath", "wavpath", "audiofile", "wavfile", "file", "filename"),
        *("fname", "wav", "audio", "sound", "recording", "clip", "uri"),
    ),
    "label": (
        *("emotions", "emotionname", "emotionlabel", "emo", "emolabel", "label", "labels", "classname"),
        *("classlabel", "class", "category", "mood", "affect", "target"),
    ),
    "group": (
        *("groupid", "groups", "speaker", "speakerid", "speakername", "spk", "spkid", "subject", "subjectid"),
        *("actor", "actorid", "participant", "participantid", "person", "personid", "talker", "talkerid"),
        *("singer", "singerid", "artist", "artistid", "artistname", "userid", "clientid"),
    ),
    "start_s": ("start", "startsec", "startseconds", "starttime", "begin", "onset"),
    "end_s": ("end", "endsec", "endseconds", "endtime"),
}
_SPLIT_NAMES = {
    "training": "train",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "development": "validation",
    "testing": "test",
}


def index_table(root: Path, corpus: CorpusParameters, side: str) -> pd.DataFrame:
    """Read the table and list its rows: a row a clip, which may be a part of a file."""
    path = _table_path(root, corpus, side)
    table = read_table(path)
    if table.empty:
        raise AffettoError(f"The table {path} has no rows: describe a clip in each.")
    columns = _find_columns(table, corpus, path, side)
    rows = pd.DataFrame({name: table[column] for name, column in columns.items()}, index=table.index)
    without = rows.index[rows["path"].isna()].tolist()
    if without:
        raise AffettoError(
            f"The table {path} has a row without a path ({name_lines(without)}): give it one, or delete it."
        )
    rows["path"] = locate_files(
        rows["path"], root, table=path, prefix=corpus.path_prefix, parameter=f"{side}.corpus.path_prefix"
    )
    for name in {"start_s", "end_s"} & set(rows):
        seconds = to_numbers(rows[name], errors="coerce")
        wrong = rows.loc[seconds.isna() & rows[name].notna(), name]
        if len(wrong):
            raise AffettoError(
                f"The table {path} has as {name} what is no number of seconds, written as 1.5 or 1,5 "
                f"({wrong.iloc[0]!r} in {name_lines(wrong.index[:1].tolist())})."
            )
        rows[name] = seconds
    for name in {"group", "second_group"} & set(rows):
        groups = rows[name].astype("str").str.strip()
        rows[name] = groups.where(groups != "")
    rows = _with_ratings(rows, path, corpus, side)
    if "tags" in rows:
        rows["tags"] = [_split_tags(tags) for tags in rows["tags"]]
    if "official_split" in rows:
        rows["official_split"] = split_names(rows["official_split"])
    return with_stems(rows.reset_index(drop=True))


def _find_columns(table: pd.DataFrame, corpus: CorpusParameters, path: Path, side: str) -> dict[str, Any]:
    """Return which column of a table is which column of the rows; those found by another name are logged."""
    names = {str(column).strip().lower(): column for column in reversed(table.columns)}
    columns: dict[str, Any] = {}
    other: dict[str, Any] = {}
    for name, (parameter, default) in _COLUMNS.items():
        wanted = getattr(corpus, parameter)
        column = wanted if wanted in table else names.get((wanted or default).strip().lower())
        if column is None and wanted in (None, default):
            column = _find_column(table, name, f"The table {path}", f"{side}.corpus.{parameter}")
            other |= {} if column is None else {name: column}
        if column is not None:
            columns[name] = column
        elif wanted is not None:
            near = difflib.get_close_matches(wanted.lower(), list(names), n=1)
            raise AffettoError(
                f"The table {path} has no column {wanted!r} (it has {', '.join(map(str, table.columns))}): "
                f"set {side}.corpus.{parameter}" + (f", perhaps to {names[near[0]]!r}." if near else ".")
            )
    bounds = [name for name in ("start_s", "end_s") if name in other]
    if len(bounds) == 1 or any(
        to_numbers(table[other[name]], errors="coerce").isna().all() for name in bounds
    ):
        for name in bounds:  # a time of day, or the like
            del other[name], columns[name]
    _say_columns(table, columns, other, path, side)
    return columns


def _find_column(table: pd.DataFrame, name: str, what: str, parameter: str) -> Any:
    """Find a column of the rows that is called otherwise, but as such columns often are."""
    found = _columns_like(table.columns, name)
    for other in found[1:]:
        # A number and a name of each speaker say the same.
        pairs = table[[found[0], other]].astype("str").drop_duplicates()
        if not len(pairs) == pairs[found[0]].nunique(dropna=False) == pairs[other].nunique(dropna=False):
            raise AffettoError(
                f"{what} has no column {_COLUMNS[name][1]!r}, and {', '.join(map(repr, found))} may be it: "
                f"set {parameter} to one of them."
            )
    return next(iter(found), None)


def _columns_like(columns: Iterable[Any], name: str) -> list[Any]:
    """Return the columns that are called as a column of the rows often is, the likeliest first."""
    squeezed = {column: re.sub(r"[^0-9a-z]+", "", str(column).lower()) for column in columns}
    aliases = (_COLUMNS[name][1].replace("_", ""), *_ALIASES.get(name, ()))
    return [column for alias in aliases for column, spelt in squeezed.items() if spelt == alias]


def describes_clips(header: Iterable[str], path_column: str | None = None) -> bool:
    """Tell by the columns of a table that lies beside recordings whether it is one of clips.

    Parameters
    ----------
    header
        Names of its columns.
    path_column
        What the column of the paths is said to be called; None: it is `path`, or has another usual name
        beside a column of the emotion.
    """
    columns = list(header)
    if (path_column or "path").strip().lower() in {column.strip().lower() for column in columns}:
        return True
    likely = _columns_like(columns, "path") and _columns_like(columns, "label")
    return path_column is None and bool(likely)


def _say_columns(
    table: pd.DataFrame, columns: Mapping[str, Any], other: Mapping[str, Any], path: Path, side: str
) -> None:
    """Log what was found under another name, and which of label and group was not found at all."""
    if other:
        read = ", ".join(f"{column!r} as {_COLUMNS[name][1]!r}" for name, column in other.items())
        logger.warning("The table %s: column %s", path, read)
    left = [str(column) for column in table.columns if column not in columns.values()]
    for name in ("label", "group"):
        if name not in columns and left:
            parameter, default = _COLUMNS[name]
            logger.warning(
                "The table %s has no column %r; if one of %s is it, set %s.corpus.%s",
                *(path, default, name_some(left), side, parameter),
            )


def _with_ratings(rows: pd.DataFrame, path: Path, corpus: CorpusParameters, side: str) -> pd.DataFrame:
    """Scale valence and arousal, where there are both; their quadrants label music without labels."""
    if not {"valence", "arousal"} <= set(rows):
        return rows.drop(columns=["valence", "arousal"], errors="ignore")
    scale = corpus.rating_scale
    ratings = scale_ratings(rows, path, valence="valence", arousal="arousal", scale=scale)
    if side == "music" and "label" not in rows:
        rows = rows.assign(label=pd.Series(name_quadrants(ratings, middle=corpus.middle), rows.index))
    return rows.assign(**ratings)


def _table_path(root: Path, corpus: CorpusParameters, side: str) -> Path:
    if corpus.table is not None:
        found = [root / corpus.table] if (root / corpus.table).is_file() else []
    else:
        found = find_own_tables(root)
    if len(found) != 1:
        names = name_some([path.name for path in found]) or "none"
        given = "" if corpus.table is None else f" named {corpus.table!r}"
        raise AffettoError(
            f"{root} must hold one table{given} that describes the clips, but holds {len(found)} ({names}): "
            f"set {side}.corpus.table."
        )
    return found[0]


def find_own_tables(root: Path) -> list[Path]:
    """Return all tables below a folder, but not what Excel writes beside a workbook that is open."""
    files = (path for path in walk_files(root) if not path.name.startswith("~$"))
    return [path for path in files if path.suffix.lower() in TABLE_EXTENSIONS]


def split_names(splits: pd.Series[Any]) -> pd.Series[Any]:
    """Write the names of splits as the clip table does; names it does not know stay as they are."""
    lower = splits.astype("str").str.strip().str.lower()
    return lower.map(lambda name: _SPLIT_NAMES.get(name, name), na_action="ignore")


def _split_tags(tags: Any) -> list[str]:
    if isinstance(tags, str):
        return [tag.strip() for tag in tags.split(";") if tag.strip()]
    return [] if pd.api.types.is_scalar(tags) else list(map(str, tags))  # a list of a Parquet file


def with_stems(rows: pd.DataFrame) -> pd.DataFrame:
    """Name the clips of a table by path and part.

    Parameters
    ----------
    rows
        With `path` and, where clips may be parts of files, `start_s, end_s`.

    Returns
    -------
    pandas.DataFrame
        The same with `stem`: `folder/file`, or `folder/file@0-1.5` for a part; with its extension where
        files differ in nothing else.
    """
    stems = without_suffix(rows["path"])
    files_of = rows["path"].groupby(stems).transform("nunique")
    rows = rows.assign(stem=stems.where(files_of == 1, rows["path"]))
    bounds = rows.reindex(columns=["start_s", "end_s"]).astype("float64")
    starts, ends = (
        bounds[name].map("{:.10g}".format, na_action="ignore").astype("str").fillna(missing)
        for name, missing in (("start_s", "0"), ("end_s", "end"))
    )
    parts = rows["stem"] + "@" + starts + "-" + ends
    rows["stem"] = rows["stem"].where(bounds.isna().all(axis=1), parts)
    for bound in {"start_s", "end_s"} & set(rows):
        rows[bound] = bounds[bound]
    return rows


TABLE = Source(
    name="table",
    title="A table of clips",
    sides=("music", "voice"),
    licence="yours",
    labels="generic",
    group_rule="the column corpus.group_column; without it each clip is its own",
    second_group_rule="the column corpus.second_group_column",
    index=index_table,
    options=(
        *("table", "path_prefix", "rating_scale", "middle"),
        *(parameter for parameter, _ in _COLUMNS.values()),
    ),
    layout="one CSV, TSV, Excel or Parquet file with a row a clip, beside the recordings",
    official_split="the column corpus.split_column",
)

_NO_ARTIST = frozenset({"various artists", "various", "va", "unknown artist", "unknown"})
_SEPARATOR = re.compile(r"[;/\0]")
_REMOTE_READS = 32  # reading from afar is waiting; on this machine threads only wait for one another
_BLOCK_BYTES = 1 << 16


class FileTags(NamedTuple):
    """What a file says of itself: its artist is that of the track, else that of the album."""

    title: str | None = None
    artist: str | None = None
    genres: tuple[str, ...] = ()
    readable: bool = True


def index_library(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List all recordings below root, unlabelled; the artist is the group."""
    rows = find_own_recordings(root)
    paths = [root / path for path in rows["path"]]
    if is_remote(root):
        with ThreadPoolExecutor(_REMOTE_READS) as pool:
            tags = list(pool.map(lambda path: read_tags(path, block_size=_BLOCK_BYTES), paths))
    else:
        tags = list(map(read_tags, paths))
    unreadable = [path.name for path, tag in zip(paths, tags, strict=True) if not tag.readable]
    if unreadable:
        logger.warning(
            "The tags of %d of %d files cannot be read: %s",
            len(unreadable),
            len(paths),
            name_some(unreadable),
        )
    artists = [tag.artist for tag in tags]
    # Spellings of an artist are one; a collection of many is none.
    groups = [artist and artist.casefold() for artist in artists]
    titles = [tag.title or path.stem for tag, path in zip(tags, paths, strict=True)]
    rows["group"] = [None if group in _NO_ARTIST else group for group in groups]
    rows["tags"] = [list(tag.genres) for tag in tags]
    rows["title"] = join_titles(artists, titles)
    return rows


def read_tags(path: Path, **options: Any) -> FileTags:
    """Read the tags of a recording; nothing is known of MIDI files.

    Parameters
    ----------
    path
        Recording of any format.
    options
        For `path.open`.
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
        part for text in (tag.genre, *tag.other.get("genre", ())) for part in _SEPARATOR.split(text or "")
    ]
    return FileTags(
        title=_clean(tag.title),
        artist=_clean(tag.artist) or _clean(tag.albumartist),
        genres=tuple(dict.fromkeys(filter(None, map(_clean, genres)))),
    )


def _clean(text: str | None) -> str | None:
    """Drop what no table can hold (halves of characters, zeros) and surplus blanks."""
    if text is None:
        return None
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").replace("\0", " ").split()) or None


LIBRARY = Source(
    name="library",
    title="A library of music without labels",
    sides=("music",),
    licence="yours",
    labels="generic",
    group_rule="the artist of the file's tags, else that of the album; without them each clip is its own",
    index=index_library,
    layout="recordings in folders of any depth; artist, title and genres come from their own tags",
)


def index_demo(root: Path, _corpus: CorpusParameters, side: str) -> pd.DataFrame:
    """Make the demo corpus of a side where it is missing or stale, and list its clips by `metadata.csv`."""
    from affetto.corpora.demo import ensure_demo_corpus

    ensure_demo_corpus(side, root, executor=ExecutorParameters())
    table = (
        read_table(root / "metadata.csv")
        .reset_index(drop=True)
        .rename(columns={"file": "path", "emotion": "label"})
    )
    table["tags"] = [_split_tags(tags) for tags in table["tags"]]
    return with_stems(table)


def _demo_is_made(root: Path, side: str) -> bool:
    from affetto.corpora.demo import is_current

    return is_current(side, root)


DEMO = Source(
    name="demo",
    title="Demo corpus, synthesised on this machine",
    sides=("music", "voice"),
    licence="music: public-domain scores; voice: synthetic speech; the recordings are yours",
    labels="generic",
    group_rule="music: the score; voice: the speaker",
    index=index_demo,
    layout="made below the root where it is missing",
    is_made=_demo_is_made,
)
