"""CASIA Mandarin emotional corpus: `<speaker>/<emotion>/201.wav`, where the number is that of the text."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import match_recordings, relative
from affetto.corpora.sources.source import Expected, Source

EMOTIONS = ("angry", "fear", "happy", "neutral", "sad", "surprise")
PATH = rf"(?i)(?P<speaker>[^/]+)/(?P<emotion>{'|'.join(EMOTIONS)})/(?P<text>\d+)"


def index_casia(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the utterances; the speaker is the group, whatever the folder calls them."""
    return pd.DataFrame(
        {
            "stem": f"{match['speaker']}/{match['emotion'].lower()}/{match['text']}",
            "path": relative(path, root),
            "label": match["emotion"].lower(),
            "group": match["speaker"],
            "second_group": match["text"],
            "tags": [f"text {match['text']}"],
        }
        for path, match in match_recordings(root, PATH, what="CASIA", folders=2)
    )


SOURCE = Source(
    name="casia",
    title="CASIA Mandarin emotional speech corpus, the part of 1,200 clips",
    sides=("voice",),
    licence="research, from ChineseLDC; the part of 1,200 clips is passed on freely",
    citation="""@inproceedings{tao2008design,
  title = {Design of Speech Corpus for {Mandarin} Text to Speech},
  author = {Tao, Jianhua and Liu, Fangzhou and Zhang, Meng and Jia, Huibin},
  booktitle = {The Blizzard Challenge 2008 Workshop},
  year = {2008}
}""",
    home_page="http://www.chineseldc.org/resource_info.php?rid=76",
    labels="casia",
    group_rule="the speaker: the folder around the emotion's",
    second_group_rule="the text: the number that is the name",
    index=index_casia,
    speech="acted Mandarin speech",
    layout="<speaker>/<emotion>/201.wav",
    expected=Expected(clips=1200, groups=4, labels=dict.fromkeys(EMOTIONS, 200)),
)
