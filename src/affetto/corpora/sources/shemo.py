"""ShEMO, Persian: `female/F21N05.wav` is woman 21, neutral, her utterance 5."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import match_recordings, relative
from affetto.corpora.sources.source import Expected, Source

STEM = r"(?i)(?P<speaker>[FM]\d\d)(?P<emotion>[AFHNSW])\d+"


def index_shemo(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the utterances; the speaker is the group."""
    return pd.DataFrame(
        {
            "stem": path.stem,
            "path": relative(path, root),
            "label": match["emotion"].upper(),
            "group": match["speaker"].upper(),
        }
        for path, match in match_recordings(root, STEM, what="ShEMO")
    )


SOURCE = Source(
    name="shemo",
    title="Sharif Emotional Speech Database (ShEMO)",
    sides=("voice",),
    licence="free of charge for academic purposes",
    citation="""@article{nezami2019shemo,
  title = {{ShEMO}: a large-scale validated database for {Persian} speech emotion detection},
  author = {Mohamad Nezami, Omid and Jamshid Lou, Paria and Karami, Mansoureh},
  journal = {Language Resources and Evaluation},
  volume = {53},
  number = {1},
  pages = {1--16},
  year = {2019},
  doi = {10.1007/s10579-018-9427-x}
}""",
    home_page="https://github.com/mansourehk/ShEMO",
    labels="shemo",
    group_rule="the speaker: first three characters of the name",
    index=index_shemo,
    speech="Persian speech of radio plays",
    layout="female/F21N05.wav",
    expected=Expected(
        clips=3000,
        groups=87,
        labels={"A": 1059, "F": 38, "H": 201, "N": 1028, "S": 449, "W": 225},
    ),
)
