"""ASED, Amharic: `a5-03-01-02-50.wav` is anger (folder 5), sentence 3, repetition 1, male, speaker 50."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import match_recordings, relative
from affetto.corpora.sources.source import Expected, Source

# One clip is published with a capital S.
STEM = r"(?i)(?P<emotion>[afhns])\d?-(?P<sentence>\d\d)-\d\d-(?P<sex>\d\d)-(?P<speaker>\d\d)"
SEXES = {"01": "female", "02": "male"}


def index_ased(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the clips; the speaker is the group."""
    return pd.DataFrame(
        {
            "stem": path.stem,
            "path": relative(path, root),
            "label": match["emotion"].lower(),
            "group": match["speaker"],
            "tags": [SEXES[match["sex"]]] if match["sex"] in SEXES else [],
        }
        for path, match in match_recordings(root, STEM, what="ASED")
    )


SOURCE = Source(
    name="ased",
    title="Amharic Speech Emotion Dataset (ASED), version 1",
    sides=("voice",),
    licence="none stated; given out freely for research",
    citation="""@article{retta2023ased,
  title = {A New {Amharic} Speech Emotion Dataset and Classification Benchmark},
  author = {Retta, Ephrem Afele and Almekhlafi, Eiad and Sutcliffe, Richard and Mhamed, Mustafa and
            Ali, Haider and Feng, Jun},
  journal = {ACM Transactions on Asian and Low-Resource Language Information Processing},
  volume = {22},
  number = {1},
  year = {2023},
  doi = {10.1145/3529759}
}""",
    home_page="https://github.com/Ethio2021/ASED_V1",
    labels="ased",
    group_rule="the speaker: last number of the name",
    index=index_ased,
    speech="acted Amharic speech",
    layout="Angry/a5-03-01-02-50.wav; the folders do not matter",
    expected=Expected(clips=2474, groups=65, labels={"a": 486, "f": 510, "h": 486, "n": 522, "s": 470}),
)
