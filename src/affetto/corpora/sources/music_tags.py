"""Music corpora labelled by emotion words, quadrants or genres, in their names or in tables."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import partial
from itertools import compress
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import find_tables, index_names, match_recordings
from affetto.corpora.sources.source import Download, Expected, Source, cited
from affetto.corpora.sources.tables import (
    QUADRANTS,
    damaged,
    join_titles,
    leading_tags,
    read_columns,
    read_ragged,
)
from affetto.errors import AffettoError

logger = logging.getLogger(__name__)


def index_panda_4q(root: Path, corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the clips of the 4Q set, in folders `Q1` to `Q4`; the artist is the group.

    `*annotations*.csv` names the quadrant of each song (else its folder does), `*metadata*.csv` its artist,
    genres and moods. Mood tags helped to define the quadrants, genre tags did not: the theme is therefore
    taken from the genres, unless `corpus.theme_column` is `moods`.
    """
    rows = match_recordings(root, r"MT\d+", what="the 4Q set")
    rows = rows.assign(label=rows["path"].str.extract(r"^(?:.*/)?(Q[1-4])/", expand=False))
    wanted = ["Quadrant", "Artist", "Title", "GenresStr", "MoodsStrSplit"]
    songs = []
    for paths in find_tables(root, (), optional=("*annotations*.csv", "*metadata*.csv")).values():
        table = pd.DataFrame({"Song": []}, dtype="str")
        for path in paths[:1]:
            table = read_columns(path, ("Song",), "4Q").drop_duplicates("Song")
        songs.append(table.set_index("Song").reindex(index=rows["stem"], columns=wanted).astype("str"))
    annotated, metadata = (table.reset_index(drop=True) for table in songs)
    genres, moods = (
        [[word.strip() for word in text.split(";") if word.strip()] for text in metadata[column].fillna("")]
        for column in ("GenresStr", "MoodsStrSplit")
    )
    if corpus.theme_column not in (None, "genres", "moods"):
        raise AffettoError(
            f"music.corpus.theme_column of panda_4q is genres or moods, not {corpus.theme_column!r}."
        )
    if corpus.theme_column == "moods":
        logger.warning(
            "Themes are labelled by mood tags, which helped to define the quadrants of 4Q: agreement with "
            "them is no independent evidence."
        )
    rows["label"] = annotated["Quadrant"].fillna(rows["label"])
    rows["theme"] = (
        leading_tags(moods) if corpus.theme_column == "moods" else leading_tags(genres, apart=("Pop/Rock",))
    )
    rows["tags"] = [[*mood, *genre] for mood, genre in zip(moods, genres, strict=True)]
    rows["group"] = metadata["Artist"].str.strip()
    rows["title"] = join_titles(metadata["Artist"], metadata["Title"])
    return rows


PANDA_4Q = Source(
    name="panda_4q",
    title="4Q audio emotion data set",
    sides=("music",),
    licence="none stated; clips of commercial recordings, for research",
    citation=cited("panda2020novel"),
    home_page="http://mir.dei.uc.pt/downloads.html",
    group_rule="the artist of the metadata; a clip of unknown artist is its own",
    index=index_panda_4q,
    options=("theme_column",),
    layout="Q1/MT0000004637.mp3 beside the tables *annotations*.csv and *metadata*.csv",
    expected=Expected(900, labels=dict.fromkeys(QUADRANTS, 225)),
)

_EMOPIA_SPLITS = {"split/train.csv": "train", "split/val.csv": "validation", "split/test.csv": "test"}


def index_emopia(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the clips of EMOPIA, pop piano named `Q1_<YouTube id>_<k>.mid`; the song is the group."""
    # Greedy: the id itself may hold underscores.
    rows = match_recordings(root, r"(?P<label>Q[1-4])_(?P<group>.+)_\d+", what="EMOPIA")
    splits: dict[str, str] = {}
    for pattern, paths in find_tables(root, (), optional=_EMOPIA_SPLITS).items():
        for path in paths[:1]:
            names = read_columns(path, ("fname",), "EMOPIA")["fname"].dropna()
            splits.update(dict.fromkeys((Path(name).stem for name in names), _EMOPIA_SPLITS[pattern]))
    return rows.assign(official_split=rows["stem"].map(splits))


EMOPIA = Source(
    name="emopia",
    title="EMOPIA: pop piano for emotion recognition and generation",
    sides=("music",),
    licence="CC BY-NC-SA 4.0",
    citation=cited("hung2021emopia"),
    home_page="https://annahung31.github.io/EMOPIA",
    group_rule="the song: the YouTube id in the name",
    index=index_emopia,
    layout="midis/Q1_0vLPYiPN7qY_1.mid beside split/train.csv, val.csv, test.csv; the expected numbers are "
    "those of release 1.0, while fetch gets release 2.1, which may differ",
    official_split="split/*.csv, by song",
    expected=Expected(1078, 387),
    downloads=(
        Download(  # release 2.1, as MusPy, which loads it, states it
            "https://zenodo.org/record/5151045/files/EMOPIA_2.1.zip",
            "sha256:609309244444f88c0205e1381cc79d2bf7154f2a387a6f9f0229a54f92f89578",
        ),
    ),
)

_GENRES_OF_EMOTIFY = ("classical", "electronic", "pop", "rock")
_GENEVA_SCALE = [
    *("amazement", "solemnity", "tenderness", "nostalgia", "calmness"),
    *("power", "joyful_activation", "tension", "sadness"),
]
_SONGS_A_GENRE = 100  # the table goes on counting from genre to genre, the files begin again


def index_emotify(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the songs of Emotify, `rock/1.mp3`; the genre is the theme, and each song its own group.

    `data.csv` has a row a listener and song: song, genre, and 1 for each of the nine emotions of the Geneva
    Emotional Music Scale that was felt. The label of a song is the emotion felt by most of its listeners;
    where several were felt by equally many, it has all of these as labels, and none where there was no vote.
    """
    path = find_tables(root, ["data.csv"], what="Emotify")["data.csv"][0]
    table = read_columns(path, ("track id", "genre", *_GENEVA_SCALE), "Emotify")
    try:
        votes = table[_GENEVA_SCALE].astype("float64")
        numbers = (table["track id"].astype("int64") - 1) % _SONGS_A_GENRE + 1
    except ValueError as error:
        raise damaged(path, error) from error
    totals = votes.groupby([table["genre"].str.strip(), numbers]).sum()
    is_most = totals.eq(totals.max(axis=1), axis=0) & (totals > 0)
    leaders = {song: list(compress(_GENEVA_SCALE, row)) for song, *row in is_most.itertuples()}
    rows = match_recordings(root, r"\d+", what="Emotify")
    genres = rows["path"].str.split("/").str[-2]
    keys = [
        (genre, (int(stem) - 1) % _SONGS_A_GENRE + 1)
        for genre, stem in zip(genres, rows["stem"], strict=True)
    ]
    rows["stem"] = genres + "/" + rows["stem"]
    labels: list[Any] = [leaders.get(key) for key in keys]
    rows["label"] = labels
    rows["theme"] = genres
    rows["tags"] = [[genre] for genre in genres]
    return rows[genres.isin(_GENRES_OF_EMOTIFY)]


EMOTIFY = Source(
    name="emotify",
    title="Emotify: emotions that music induced, on the Geneva Emotional Music Scale",
    sides=("music",),
    licence="none stated; cite the paper",
    citation=cited("aljanaki2016studying"),
    home_page="http://www2.projects.science.uu.nl/memotion/emotifydata",
    group_rule="each song its own, for artists are not told",
    index=index_emotify,
    layout="rock/1.mp3, a folder a genre, beside data.csv",
    expected=Expected(400),
)

_JAMENDO = "autotagging_moodtheme.tsv"
_JAMENDO_SPLITS = {
    f"split-0/autotagging_moodtheme-{part}.tsv": part for part in ("train", "validation", "test")
}
_JAMENDO_COLUMNS = ["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"]
JAMENDO_THEMES = {
    *("action", "adventure", "advertising", "background", "children", "christmas", "commercial", "corporate"),
    *("documentary", "drama", "film", "game", "holiday", "love", "movie", "nature", "soundscape", "space"),
    *("sport", "summer", "trailer", "travel"),
}
"""Tags of MTG-Jamendo that say what the music is for or about."""


class _Track(NamedTuple):
    name: str
    artist: str
    tags: list[str]


def index_mtg_jamendo(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the tracks of MTG-Jamendo whose recordings are there; the artist is the group.

    `autotagging_moodtheme.tsv` has a row a track: track, artist, album, path, duration, then any number of
    tags, of those who uploaded them, such as `mood/theme---happy`. A track has all its moods as labels. Its
    theme is one of the tags that say what the music is for or about, none of which carries an emotion.
    """
    tables = find_tables(root, [_JAMENDO], optional=_JAMENDO_SPLITS, what="MTG-Jamendo")
    tracks = _read_tracks(tables[_JAMENDO][0])
    splits = {
        track.name: split
        for pattern, split in _JAMENDO_SPLITS.items()
        for path in tables[pattern][:1]
        for track in _read_tracks(path).values()
    }
    # `.low`: the smaller edition of the recordings.
    rows = match_recordings(root, r"(?P<track>\d+)(\.low)?", what="MTG-Jamendo")
    rows = rows[rows["track"].isin(tracks)]
    found = [tracks[number] for number in rows["track"]]
    rows["stem"] = [track.name for track in found]
    rows["label"] = [track.tags for track in found]
    rows["group"] = [track.artist for track in found]
    rows["theme"] = leading_tags([[tag for tag in track.tags if tag in JAMENDO_THEMES] for track in found])
    rows["tags"] = [track.tags for track in found]
    rows["official_split"] = [splits.get(track.name) for track in found]
    return rows


def _read_tracks(path: Path) -> dict[str, _Track]:
    """Return the tracks of a table by the number that names their recording."""
    header, *rows = read_ragged(path, delimiter="\t") or [[]]
    if header != _JAMENDO_COLUMNS:
        names = " ".join(_JAMENDO_COLUMNS)
        raise AffettoError(f"{path} does not begin with {names}: take the table of the release.")
    prefix = "mood/theme---"
    return {
        PurePosixPath(row[3]).stem: _Track(
            row[0], row[1], [tag.removeprefix(prefix) for tag in row[5:] if tag.startswith(prefix)]
        )
        for row in rows
        if len(row) >= len(_JAMENDO_COLUMNS)
    }


MTG_JAMENDO = Source(
    name="mtg_jamendo",
    title="MTG-Jamendo, mood and theme",
    sides=("music",),
    licence="tables CC BY-NC-SA 4.0; recordings under the Creative Commons licences of their artists",
    citation=cited("bogdanov2019mtg"),
    home_page="https://github.com/MTG/mtg-jamendo-dataset",
    group_rule="the artist",
    index=index_mtg_jamendo,
    layout="48/948.mp3 (or 948.low.mp3), which the release's own script downloads, beside "
    "data/autotagging_moodtheme.tsv and data/splits/split-0/autotagging_moodtheme-*.tsv",
    official_split="data/splits/split-0, by artist; a few tracks are in no part",
    expected=Expected(18_486),
    downloads=(
        Download(  # the tables; the recordings are 152 GB
            "https://zenodo.org/record/3826813/files/data.zip?download=1",
            "md5:039ce10f267f6e4e9f72837c76d72b2f",
        ),
    ),
)

# Known faults (Sturm, The GTZAN dataset: Its contents, its faults, their effects on evaluation, and its
# future use, 2013): exact repetitions, several clips of one recording or artist, wrong genres. The audit
# unites exact repetitions. In a widespread copy `jazz.00054.wav` cannot be decoded: the audit rejects it.
GTZAN = Source(
    name="gtzan",
    title="GTZAN genre collection",
    sides=("music",),
    licence="none stated; clips of commercial recordings, for research",
    citation=cited("tzanetakis2002musical"),
    home_page="http://marsyas.info/downloads/datasets.html",
    group_rule="each clip its own, for artists are not told",
    index=partial(
        index_names,
        pattern=r"(?P<theme>blues|classical|country|disco|hiphop|jazz|metal|pop|reggae|rock)\.\d{5}",
        what="GTZAN",
        more=lambda found: {"tags": [found["theme"]]},
    ),
    layout="genres/blues/blues.00000.wav (or .au), a folder a genre",
    expected=Expected(1000),
)

_TARGET = re.compile(r"(ANGER|FEAR|HAPPY|SAD|SURPRISE|TENDER)(_HIGH|_MODERATE)?")
# Albums that the tables write in several ways, in lower case.
_ALBUMS = {
    "crouching tiger": "crouching tiger hidden dragon",
    "crouching tiger jne.": "crouching tiger hidden dragon",
    "grizzle man": "grizzly man",
    "pride & prejudice": "pride and prejudice",
    "the godfarher": "the godfather",
    "the portait of a lady": "the portrait of a lady",
}


def index_soundtracks(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the excerpts of both sets of film music; the album is the group, an unknown one the excerpt's own.

    `mean_ratings_set1.csv` (360 excerpts, the pilot) and `mean_ratings_set2.csv` (110 of the same albums,
    rated anew) tell in `TARGET` for which emotion each was chosen: its label. Where that is a pole of a
    dimension (`HIGH VALENCE`, `TENSION NEG MODERATE`) an excerpt has no label, for a pole is no quadrant. The
    ratings of valence and energy are not used: much sad film music is rated as pleasant. The excerpts of a
    minute are left out.
    """
    names = [name.format(n) for n in "12" for name in ("mean_ratings_set{}.csv", "set{}_tracklist.csv")]
    tables = find_tables(root, (), optional=names)
    excerpts = _read_excerpts(tables, "1") | _read_excerpts(tables, "2")
    if not excerpts:
        raise AffettoError(
            f"{root} holds neither mean_ratings_set1.csv nor mean_ratings_set2.csv: put these files of the "
            "Soundtracks beside the folders Set1 and Set2."
        )
    rows = match_recordings(root, r"\d{3}", what="the Soundtracks")
    number = rows["path"].str.extract(
        r"(?i)^(?:.*/)?set[ _]?([12])/", expand=False
    )  # of the innermost folder
    stems = "set" + number + "/" + rows["stem"]
    told = [excerpts.get(stem, {}) for stem in stems]
    return rows.assign(stem=stems).join(pd.DataFrame(told))[stems.isin(excerpts)]


def _read_excerpts(tables: Mapping[str, list[Path]], number: str) -> dict[str, dict[str, Any]]:
    """Return the columns of each excerpt of a set; nothing where its ratings are not there.

    The first column, whatever it is called, names the excerpt. The album is in the ratings of set 2, and in
    the list of tracks of set 1.
    """
    excerpts: dict[str, dict[str, Any]] = {}
    for path in tables[f"mean_ratings_set{number}.csv"][:1]:
        table = read_columns(path, ("TARGET",), "Soundtracks").dropna(subset="TARGET")
        for name, target in zip(_excerpt_names(table), table["TARGET"].str.strip(), strict=True):
            match = _TARGET.fullmatch(target)
            stem = f"set{number}/{name}"
            excerpts[stem] = {"label": match and match[1], "group": None, "tags": [target]}
        listed = [(table, "soundtrack")]
        for tracks in tables[f"set{number}_tracklist.csv"][:1]:
            listed.insert(0, (read_columns(tracks, ("Album name",), "Soundtracks"), "Album name"))
        for albums, column in listed:
            if column in albums:
                written = albums[column].str.strip().str.casefold().replace(_ALBUMS)
                for name, album in zip(_excerpt_names(albums), written, strict=True):
                    excerpts.get(f"set{number}/{name}", {})["group"] = album
    return excerpts


def _excerpt_names(table: pd.DataFrame) -> list[str]:
    return [str(name).strip().zfill(3) for name in table.iloc[:, 0]]


SOUNDTRACKS = Source(
    name="soundtracks",
    title="Soundtracks: film music rated for emotion",
    sides=("music",),
    licence="none stated; excerpts of commercial recordings, for academic research",
    citation=cited("eerola2011comparison"),
    home_page="https://osf.io/p6vkg/",
    group_rule="the album, from set1_tracklist.csv and the ratings of set 2",
    index=index_soundtracks,
    layout="Set1/001.mp3 and Set2/001.mp3 beside mean_ratings_set1.csv, mean_ratings_set2.csv and "
    "set1_tracklist.csv",
    expected=Expected(
        470, labels={"ANGER": 40, "FEAR": 40, "HAPPY": 40, "SAD": 40, "SURPRISE": 30, "TENDER": 40}
    ),
)

_SONG = re.compile(r"(?P<artist>chi-lites|go-gos|sir_mix-a-lot|[^-]+)-(?P<title>.+)")


def index_cal500(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the songs of CAL500, described with words of a fixed vocabulary; the artist is the group.

    `songNames.txt` and `vocab.txt` name the rows and columns of `hardAnnotations.txt`, which is 1 where most
    listeners agreed on a word. A song has all its emotions as labels, its emotions and genres as tags; its
    theme is the one of its genres that is most frequent in the corpus. The segments of CAL500exp are not
    read.
    """
    words = _read_words(root)
    rows = match_recordings(root, "|".join(map(re.escape, words)), what="CAL500")
    emotions, genres = (
        # `Genre-Best-…` repeats the genre that fits best.
        [_after(kind, words[stem]) for stem in rows["stem"]]
        for kind in ("Emotion-", r"Genre-(?!Best-)(-_)?")
    )
    named = [match.groups() if (match := _SONG.fullmatch(stem)) else (stem, stem) for stem in rows["stem"]]
    artists, titles = ([text.replace("_", " ") for text in column] for column in zip(*named, strict=True))
    rows["label"] = emotions
    rows["group"] = artists
    rows["theme"] = leading_tags(genres)
    rows["tags"] = [[*emotion, *genre] for emotion, genre in zip(emotions, genres, strict=True)]
    rows["title"] = join_titles(artists, titles)
    return rows


def _read_words(root: Path) -> dict[str, list[str]]:
    """Return song → the words that most of its listeners agreed on."""
    names = ("songNames.txt", "vocab.txt", "hardAnnotations.txt")
    found = find_tables(root, names, what="CAL500")
    songs, words = (  # whose names may hold commas
        [row[0] for row in read_ragged(found[name][0], delimiter="\t")] for name in names[:2]
    )
    path = found["hardAnnotations.txt"][0]
    try:
        marks = [[float(cell) > 0 for cell in row] for row in read_ragged(path)]
    except ValueError as error:
        raise damaged(path, error) from error
    if len(marks) != len(songs) or any(len(row) != len(words) for row in marks):
        raise damaged(path, f"not a row for each of the {len(songs)} songs, a column a word of vocab.txt")
    return {song: list(compress(words, row)) for song, row in zip(songs, marks, strict=True)}


def _after(prefix: str, words: list[str]) -> list[str]:
    """Return the words of a kind without its prefix, underscores made blanks."""
    matches = ((word, re.match(prefix, word)) for word in words)
    return [word[match.end() :].replace("_", " ") for word, match in matches if match]


CAL500 = Source(
    name="cal500",
    title="CAL500: the Computer Audition Lab's 500 songs",
    sides=("music",),
    licence="annotations for nonprofit education and research; commercial recordings, for research",
    citation=cited("turnbull2007towards"),
    home_page="http://cosmal.ucsd.edu/cal",
    group_rule="the artist: the name up to the hyphen",
    index=index_cal500,
    layout="CAL500_32kps/aimee_mann-wise_up.mp3 beside songNames.txt, vocab.txt, hardAnnotations.txt",
    expected=Expected(502),
)
