"""The 4Q audio emotion data set of Panda et al.: clips in folders `Q1` to `Q4` beside two tables.

`*annotations*.csv` names the quadrant of each song (else its folder does), `*metadata*.csv` its artist,
genres and moods. Mood tags helped to define the quadrants, genre tags did not: the theme is therefore taken
from the genres, unless `corpus.theme_column` is `moods`.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.annotated import read_columns
from affetto.corpora.sources.files import find_table, match_recordings, relative
from affetto.corpora.sources.source import Expected, Source
from affetto.corpora.sources.tables import join_titles, leading_tags
from affetto.corpora.sources.valence_arousal import QUADRANTS
from affetto.errors import AffettoError

logger = logging.getLogger(__name__)

STEM = r"MT\d+"
CATCH_ALL_GENRE = "Pop/Rock"


def index_panda_4q(root: Path, corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the clips; the artist is the group, a clip of unknown artist its own."""
    paths = [path for path, _ in match_recordings(root, STEM, what="the 4Q set")]
    stems = [path.stem for path in paths]
    annotated = _columns(root, "*annotations*.csv", stems)
    metadata = _columns(root, "*metadata*.csv", stems)
    genres = [_split(text) for text in metadata["GenresStr"]]
    moods = [_split(text) for text in metadata["MoodsStrSplit"]]
    return pd.DataFrame(
        {
            "stem": stems,
            "path": [relative(path, root) for path in paths],
            "label": [
                folder if pd.isna(label) else label
                for label, folder in zip(annotated["Quadrant"], map(_folder, paths), strict=True)
            ],
            "theme": _themes(genres, moods, corpus.theme_column),
            "tags": [[*mood, *genre] for mood, genre in zip(moods, genres, strict=True)],
            "group": metadata["Artist"].str.strip().to_numpy(),
            "title": join_titles(metadata["Artist"], metadata["Title"]),
        }
    )


def _themes(genres: list[list[str]], moods: list[list[str]], column: str | None) -> list[str | None]:
    if column in (None, "genres"):
        return leading_tags(genres, apart=(CATCH_ALL_GENRE,))
    if column == "moods":
        logger.warning(
            "Themes are labelled by mood tags, which helped to define the quadrants of 4Q: agreement with "
            "them is no independent evidence."
        )
        return leading_tags(moods)
    raise AffettoError(f"music.corpus.theme_column of panda_4q is genres or moods, not {column!r}.")


def _columns(root: Path, pattern: str, stems: list[str]) -> pd.DataFrame:
    """Read a table and align it with the clips; what is not there is missing."""
    path = find_table(root, pattern)
    table = pd.DataFrame({"Song": []}, dtype="str") if path is None else read_columns(path, ("Song",), "4Q")
    wanted = ["Quadrant", "Artist", "Title", "GenresStr", "MoodsStrSplit"]
    by_song = table.drop_duplicates("Song").set_index("Song").reindex(index=stems, columns=wanted)
    return by_song.astype("str")


def _folder(path: Path) -> str | None:
    return next((part for part in reversed(path.parts[:-1]) if part in QUADRANTS), None)


def _split(text: Any) -> list[str]:
    return [] if pd.isna(text) else [word.strip() for word in str(text).split(";") if word.strip()]


SOURCE = Source(
    name="panda_4q",
    title="4Q audio emotion data set",
    sides=("music",),
    licence="none stated; clips of commercial recordings, for research",
    citation="""@article{panda2020novel,
  title = {Novel Audio Features for Music Emotion Recognition},
  author = {Panda, Renato and Malheiro, Ricardo and Paiva, Rui Pedro},
  journal = {IEEE Transactions on Affective Computing},
  volume = {11},
  number = {4},
  pages = {614--626},
  year = {2020},
  doi = {10.1109/TAFFC.2018.2820691}
}""",
    home_page="http://mir.dei.uc.pt/downloads.html",
    labels="panda_4q",
    group_rule="the artist of the metadata; a clip of unknown artist is its own",
    index=index_panda_4q,
    layout="Q1/MT0000004637.mp3 beside the tables *annotations*.csv and *metadata*.csv",
    expected=Expected(clips=900, labels=dict.fromkeys(QUADRANTS, 225)),
)
