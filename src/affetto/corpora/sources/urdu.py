"""URDU: `Angry/SM1_F10_A010.wav` is man 1, his file 10, anger; clips of talk shows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import match_recordings, relative
from affetto.corpora.sources.source import Expected, Source

STEM = r"(?i)(?P<speaker>S[FM]\d+)_F\d+_(?P<emotion>[AHNS])\d+"


def index_urdu(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the clips; the speaker is the group."""
    return pd.DataFrame(
        {
            "stem": path.stem,
            "path": relative(path, root),
            "label": match["emotion"].upper(),
            "group": match["speaker"].upper(),
        }
        for path, match in match_recordings(root, STEM, what="URDU")
    )


SOURCE = Source(
    name="urdu",
    title="URDU: spontaneous emotional speech of Urdu talk shows",
    sides=("voice",),
    licence="none stated; given out freely for research",
    citation="""@inproceedings{latif2018cross,
  title = {Cross Lingual Speech Emotion Recognition: {Urdu} vs. {Western} Languages},
  author = {Latif, Siddique and Qayyum, Adnan and Usman, Muhammad and Qadir, Junaid},
  booktitle = {Proc. International Conference on Frontiers of Information Technology (FIT)},
  pages = {88--93},
  year = {2018},
  url = {https://arxiv.org/abs/1812.10411}
}""",
    home_page="https://github.com/siddiquelatif/urdu-dataset",
    labels="urdu",
    group_rule="the speaker: first part of the name",
    index=index_urdu,
    speech="spontaneous Urdu speech of talk shows",
    layout="Angry/SM1_F10_A010.wav",
    # The publication speaks of 38 speakers; the names of its 400 files tell 29 apart.
    expected=Expected(clips=400, groups=29, labels=dict.fromkeys("AHNS", 100)),
)
