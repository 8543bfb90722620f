"""JL-Corpus, New Zealand English: `male1_angry_10a_1.wav` is man 1, angry, sentence 10a, session 1."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import match_recordings, relative
from affetto.corpora.sources.source import Expected, Source

PRIMARY = ("angry", "excited", "happy", "neutral", "sad")
SECONDARY = ("anxious", "apologetic", "assertive", "concerned", "encouraging")
STEM = rf"(?i)(?P<speaker>(?:fe)?male\d)_(?P<emotion>{'|'.join(PRIMARY + SECONDARY)})_\d+[ab]_\d"


def index_jl_corpus(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the utterances, the corpus's own emotion also as a tag; the speaker is the group."""
    return pd.DataFrame(
        {
            "stem": path.stem,
            "path": relative(path, root),
            "label": match["emotion"].lower(),
            "group": match["speaker"].lower(),
            "tags": [match["emotion"].lower()],
        }
        for path, match in match_recordings(root, STEM, what="JL-Corpus")
    )


SOURCE = Source(
    name="jl_corpus",
    title="JL-Corpus: emotional speech for interaction with robots",
    sides=("voice",),
    licence="CC0-1.0 (its page at Kaggle)",
    citation="""@inproceedings{james2018jl,
  title = {An Open Source Emotional Speech Corpus for Human Robot Interaction Applications},
  author = {James, Jesin and Tian, Li and Watson, Catherine Inez},
  booktitle = {Proc. Interspeech},
  pages = {2768--2772},
  year = {2018},
  doi = {10.21437/Interspeech.2018-1349}
}""",
    home_page="https://www.kaggle.com/datasets/tli725/jl-corpus",
    labels="jl_corpus",
    group_rule="the speaker: first part of the name",
    index=index_jl_corpus,
    speech="acted New Zealand English speech",
    layout="Raw JL corpus (unchecked and unannotated)/JL(wav+txt)/male1_angry_10a_1.wav",
    expected=Expected(clips=2400, groups=4, labels=dict.fromkeys(PRIMARY + SECONDARY, 240)),
)
