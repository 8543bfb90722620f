"""TESS: `OAF_Fear/OAF_back_fear.wav` is the older speaker, the word "back", fear; `ps` is pleasant surprise.

Folders vary in case and spelling (`OAF_Pleasant_surprise`, `YAF_pleasant_surprised`) and are not read.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import match_recordings, relative, without_copies
from affetto.corpora.sources.source import Download, Expected, Source

STEM = r"(?i)(?P<speaker>OAF?|YAF)_(?P<word>[a-z]+)_(?P<emotion>angry|disgust|fear|happy|neutral|ps|sad)"
SPEAKERS = {"OA": "OAF"}  # one clip is published as OA_bite_neutral


def index_tess(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the clips, once where an archive holds the tree twice; the speaker is the group."""
    matched = match_recordings(root, STEM, what="TESS")
    return pd.DataFrame(
        {
            "stem": path.stem,
            "path": relative(path, root),
            "label": match["emotion"].lower(),
            "group": SPEAKERS.get(match["speaker"].upper(), match["speaker"].upper()),
            "second_group": match["word"].lower(),
        }
        for path, match in without_copies(matched, what="TESS")
    )


SOURCE = Source(
    name="tess",
    title="Toronto emotional speech set (TESS)",
    sides=("voice",),
    licence="CC BY-NC-ND 4.0",
    citation="""@data{pichorafuller2020tess,
  title = {Toronto emotional speech set ({TESS})},
  author = {Pichora-Fuller, M. Kathleen and Dupuis, Kate},
  publisher = {Scholars Portal Dataverse},
  year = {2020},
  doi = {10.5683/SP2/E8H2MF}
}""",
    home_page="https://tspace.library.utoronto.ca/handle/1807/24487",
    labels="tess",
    group_rule="the speaker: OAF (older) or YAF (younger), before the first underscore of the name",
    second_group_rule="the word: second part of the name",
    index=index_tess,
    speech="acted English speech",
    layout="OAF_Fear/OAF_back_fear.wav; the folders do not matter",
    expected=Expected(
        clips=2800,
        groups=2,
        labels=dict.fromkeys(("angry", "disgust", "fear", "happy", "neutral", "ps", "sad"), 400),
    ),
    downloads=(
        Download(  # as PaddleSpeech and Paddle state it; TSpace gives the clips out one by one
            url="https://bj.bcebos.com/paddleaudio/datasets/TESS_Toronto_emotional_speech_set.zip",
            checksum="md5:1465311b24d1de704c4c63e4ccc470c7",
        ),
    ),
)
