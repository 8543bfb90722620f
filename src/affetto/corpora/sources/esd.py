"""ESD: `0001/Angry/0001_000351.wav` is speaker 0001, angry; parts of the split may be folders in between.

Speakers 0001 to 0010 speak Mandarin, 0011 to 0020 English.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import match_recordings, relative
from affetto.corpora.sources.source import Expected, Source

EMOTIONS = ("Angry", "Happy", "Neutral", "Sad", "Surprise")
PARTS = {"train": "train", "evaluation": "validation", "test": "test"}
PATH = (
    rf"(?i)(?:[^/]*/)?(?P<speaker>\d{{4}})/(?P<emotion>{'|'.join(EMOTIONS)})/"
    rf"(?:(?P<part>{'|'.join(PARTS)})/)?(?P=speaker)_\d{{6}}"
)
LAST_MANDARIN_SPEAKER = 10


def index_esd(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the utterances; the speaker is the group."""
    return pd.DataFrame(
        {
            "stem": path.stem,
            "path": relative(path, root),
            "label": match["emotion"].capitalize(),
            "group": match["speaker"],
            "official_split": PARTS[match["part"].lower()] if match["part"] else None,
            "tags": ["Mandarin" if int(match["speaker"]) <= LAST_MANDARIN_SPEAKER else "English"],
        }
        for path, match in match_recordings(root, PATH, what="ESD", folders=3)
    )


SOURCE = Source(
    name="esd",
    title="Emotional Speech Database (ESD), Mandarin and English",
    sides=("voice",),
    licence="research only, on request",
    citation="""@inproceedings{zhou2021seen,
  title = {Seen and Unseen Emotional Style Transfer for Voice Conversion with a New Emotional
           Speech Dataset},
  author = {Zhou, Kun and Sisman, Berrak and Liu, Rui and Li, Haizhou},
  booktitle = {Proc. IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  pages = {920--924},
  year = {2021},
  doi = {10.1109/ICASSP39728.2021.9413391}
}""",
    home_page="https://hltsingapore.github.io/ESD/",
    labels="esd",
    group_rule="the speaker: first four characters of the name",
    index=index_esd,
    speech="acted English and Mandarin speech",
    layout="0001/Angry/0001_000351.wav, or 0001/Angry/train/0001_000351.wav",
    official_split="the folders train, evaluation and test, where they are; every speaker is in each",
    expected=Expected(clips=35_000, groups=20, labels=dict.fromkeys(EMOTIONS, 7000)),
)
