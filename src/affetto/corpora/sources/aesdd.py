"""AESDD, Greek: `anger/a01 (1).wav` is anger, utterance 1, speaker 1; a letter behind tells takes apart."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import match_recordings, relative
from affetto.corpora.sources.source import Expected, Source

STEM = r"(?i)(?P<emotion>[adfhs])\d\d ?\((?P<speaker>\d+)\)[a-z]?"


def index_aesdd(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the utterances; the speaker is the group."""
    return pd.DataFrame(
        {
            "stem": path.stem,
            "path": relative(path, root),
            "label": match["emotion"].lower(),
            "group": str(int(match["speaker"])),  # some names write (01)
        }
        for path, match in match_recordings(root, STEM, what="AESDD")
    )


SOURCE = Source(
    name="aesdd",
    title="Acted Emotional Speech Dynamic Database (AESDD)",
    sides=("voice",),
    licence="none stated; given out freely for research",
    citation="""@article{vryzas2018speech,
  title = {Speech Emotion Recognition for Performance Interaction},
  author = {Vryzas, Nikolaos and Kotsakis, Rigas and Liatsou, Aikaterini and Dimoulas, Charalampos A. and
            Kalliris, George},
  journal = {Journal of the Audio Engineering Society},
  volume = {66},
  number = {6},
  pages = {457--467},
  year = {2018},
  doi = {10.17743/jaes.2018.0036}
}""",
    home_page="http://m3c.web.auth.gr/research/aesdd-speech-emotion-recognition/",
    labels="aesdd",
    group_rule="the speaker: the number in brackets",
    index=index_aesdd,
    speech="acted Greek speech",
    layout="anger/a01 (1).wav; the folders do not matter",
    # It grows by intention: these are the files that EmoBox (2024) lists, of six actors.
    expected=Expected(clips=604, groups=6, labels={"a": 121, "d": 122, "f": 120, "h": 119, "s": 122}),
)
