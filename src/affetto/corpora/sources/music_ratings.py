"""Music corpora rated on valence and arousal, whose labels are quadrants."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import find_tables, match_recordings
from affetto.corpora.sources.source import Expected, Source, cited
from affetto.corpora.sources.tables import (
    join_titles,
    name_quadrants,
    read_columns,
    read_ragged,
    scale_ratings,
)


def index_vgmidi(root: Path, corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the labelled phrases of VGMIDI, piano arrangements of video game music; the game is the group.

    `vgmidi_labelled.csv` names the labelled phrases (`labelled/phrases/*.mid`, in `labelled/phrases.zip`)
    with their game, valence and arousal, which are 1 or -1. The other MIDI files of the release (whole
    pieces, the unlabelled part) are left out: index them as `folders`.
    """
    path = find_tables(root, ["vgmidi_labelled.csv"], what="VGMIDI")["vgmidi_labelled.csv"][0]
    table = read_columns(path, ("midi", "game", "piece", "valence", "arousal"), "VGMIDI")
    table = table.dropna(subset="midi").rename(columns={"game": "group"})
    ratings = scale_ratings(table, path, valence="valence", arousal="arousal", scale=(-1, 1))
    quadrants = name_quadrants(ratings, middle=corpus.middle)
    table = table.assign(**ratings, label=pd.Series(quadrants, table.index))
    table["title"] = join_titles(table["group"], table["piece"])
    table["stem"] = table["midi"].map(lambda midi: PurePosixPath(midi).stem)
    phrases = match_recordings(root, r".+_\d+", what="VGMIDI's phrases")
    columns = ["stem", "path", "label", "group", "title", "valence", "arousal"]
    return phrases.merge(table, on="stem")[columns]


VGMIDI = Source(
    name="vgmidi",
    title="VGMIDI: video game music annotated in valence and arousal",
    sides=("music",),
    licence="none stated; arrangements of commercial game music, for research",
    citation=cited("ferreira2019learning"),
    home_page="https://github.com/lucasnfe/vgmidi",
    group_rule="the game, whose pieces share composer and motifs",
    index=index_vgmidi,
    options=("middle",),
    layout="labelled/phrases/Mana_SNES_Secret of Mana_Danger_0.mid beside vgmidi_labelled.csv",
    expected=Expected(204, 30, {"Q1": 76, "Q2": 39, "Q3": 27, "Q4": 62}),
)

_DEAM_RATINGS = "static_annotations_averaged_songs_*.csv"
_DEAM_METADATA = "metadata_20*.csv"
# Our column → its names in the headers of the three years, in lower case.
_DEAM_HEADERS = {
    "song": ("song_id", "id"),
    "artist": ("artist",),
    "title": ("song title", "track", "title"),
    "genre": ("genre",),
}


def index_deam(root: Path, corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the songs of DEAM, rated from 1 to 9; the artist is the group, an unknown one is the song's own.

    `static_annotations_averaged_songs_*.csv` hold the mean valence and arousal of each song; songs 2 to 2000
    are excerpts of 45 s, 2001 to 2058 whole. `metadata_2013.csv` to `metadata_2015.csv` name artist, title
    and genre in columns of three different orders, their rows sometimes longer than their header.
    """
    rows = match_recordings(root, r"\d+", what="DEAM")
    tables = find_tables(root, [_DEAM_RATINGS], optional=[_DEAM_METADATA], what="DEAM")
    parts = []
    for path in tables[_DEAM_RATINGS]:
        table = read_columns(path, ("song_id", "valence_mean", "arousal_mean"), "DEAM")
        found = scale_ratings(table, path, valence="valence_mean", arousal="arousal_mean", scale=(1, 9))
        parts.append(found.set_index(table["song_id"].str.strip()))
    metadata = _read_deam_metadata(tables[_DEAM_METADATA]).reindex(rows["stem"])
    rows = _with_ratings(rows, pd.concat(parts), corpus)
    rows["group"] = metadata["artist"].str.casefold().to_numpy()
    rows["theme"] = metadata["genre"].to_numpy()
    rows["tags"] = [[] if pd.isna(genre) else [genre] for genre in metadata["genre"]]
    rows["title"] = join_titles(metadata["artist"], metadata["title"])
    return rows


def _with_ratings(rows: pd.DataFrame, ratings: pd.DataFrame, corpus: CorpusParameters) -> pd.DataFrame:
    """Join the ratings, by the name of their song, and the quadrants that they lie in."""
    ratings = ratings[~ratings.index.duplicated(keep="last")].reindex(rows["stem"]).set_axis(rows.index)
    return rows.assign(**ratings, label=pd.Series(name_quadrants(ratings, middle=corpus.middle), rows.index))


def _read_deam_metadata(paths: list[Path]) -> pd.DataFrame:
    """Return `artist, title, genre` by song; empty where the tables are not there."""
    rows = []
    for path in paths:
        header, *songs = read_ragged(path) or [[]]
        names = [name.lower() for name in header]
        for song in songs:
            # Tabs and repeated blanks are one blank.
            cells = dict(zip(names, (" ".join(cell.split()) for cell in song), strict=False))
            known = {name: cell for name, cell in cells.items() if cell.lower() not in {"", "n/a"}}
            rows.append(
                {
                    column: next((known.get(name) for name in written if name in cells), None)
                    for column, written in _DEAM_HEADERS.items()
                }
            )
    table = pd.DataFrame(rows, columns=list(_DEAM_HEADERS), dtype="str").dropna(subset="song")
    return table.drop_duplicates("song").set_index("song")


DEAM = Source(
    name="deam",
    title="DEAM: MediaEval database for emotional analysis of music",
    sides=("music",),
    licence="annotations CC BY-NC; recordings under the Creative Commons licences of their artists",
    citation=cited("aljanaki2017developing"),
    home_page="https://cvml.unige.ch/databases/DEAM/",
    group_rule="the artist of the metadata; a song of unknown artist is its own",
    index=index_deam,
    options=("middle",),
    layout="MEMD_audio/2.mp3 beside static_annotations_averaged_songs_*.csv and metadata_201*.csv",
    expected=Expected(1802),
)


def index_pmemo(root: Path, corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the choruses of PMEmo, `chorus/1.mp3`; the artist is the group, an unknown one is the song's own.

    They are rated from 0 to 1 in `static_annotations.csv`; some have no rating, and are clips without label.
    """
    rows = match_recordings(root, r"\d+", what="PMEmo")
    ratings, metadata = "static_annotations.csv", "metadata.csv"
    tables = find_tables(root, [ratings], optional=[metadata], what="PMEmo")
    table = read_columns(tables[ratings][0], ("musicId", "Arousal(mean)", "Valence(mean)"), "PMEmo")
    rated = scale_ratings(
        table, tables[ratings][0], valence="Valence(mean)", arousal="Arousal(mean)", scale=(0, 1)
    )
    songs = pd.DataFrame(columns=["musicId", "artist", "title"], dtype="str")
    for path in tables[metadata][:1]:
        songs = read_columns(path, songs.columns, "PMEmo").dropna(subset="musicId")
    songs = songs.assign(musicId=songs["musicId"].str.strip()).drop_duplicates("musicId")
    songs = songs.set_index("musicId").reindex(rows["stem"])
    rows = _with_ratings(rows, rated.set_index(table["musicId"].str.strip()), corpus)
    rows["group"] = songs["artist"].str.strip().str.casefold().to_numpy()
    rows["title"] = join_titles(songs["artist"], songs["title"])
    return rows


PMEMO = Source(
    name="pmemo",
    title="PMEmo: choruses of pop songs annotated in valence and arousal",
    sides=("music",),
    licence="none stated for the recordings; excerpts of commercial songs, for research",
    citation=cited("zhang2018pmemo"),
    home_page="https://github.com/HuiZhangDB/PMEmo",
    group_rule="the artist of the metadata; a song of unknown artist is its own",
    index=index_pmemo,
    options=("middle",),
    layout="chorus/1.mp3 beside annotations/static_annotations.csv and metadata.csv",
    expected=Expected(794),
)
