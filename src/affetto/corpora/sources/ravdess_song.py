"""RAVDESS song: `Actor_01/03-02-05-01-01-01-01.wav`, named as the speech is (see `ravdess`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources import ravdess
from affetto.corpora.sources.source import Download, Expected

SONG = "02"


def index_ravdess_song(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the sung clips without video; the actor is the group, speech is left out."""
    return ravdess.index_channel(root, SONG, what="RAVDESS song")


SOURCE = replace(
    ravdess.SOURCE,
    name="ravdess_song",
    title="Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS), song",
    index=index_ravdess_song,
    speech="acted English song",
    layout="Actor_01/03-02-05-01-01-01-01.wav",
    # Actor 18 sings nothing, and nobody sings disgust or surprise.
    expected=Expected(
        clips=1012, groups=23, labels={"01": 92, **{f"{emotion:02}": 184 for emotion in range(2, 7)}}
    ),
    downloads=(
        Download(
            url="https://zenodo.org/records/1188976/files/Audio_Song_Actors_01-24.zip",
            checksum="md5:5411230427d67a21e18aa4d466e6d1b9",
        ),
    ),
)
