"""SAVEE: `AudioData/DC/a01.wav` or `DC_a01.wav` is speaker DC, anger, sentence 1."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import match_recordings, relative
from affetto.corpora.sources.source import Expected, Source

PATH = r"(?i)(?:.*/)?(?P<speaker>DC|JE|JK|KL)[/_](?P<utterance>(?P<emotion>sa|su|[adfhn])\d\d)"


def index_savee(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the utterances; the speaker is the group."""
    return pd.DataFrame(
        {
            "stem": f"{match['speaker'].upper()}_{match['utterance'].lower()}",
            "path": relative(path, root),
            "label": match["emotion"].lower(),
            "group": match["speaker"].upper(),
        }
        for path, match in match_recordings(root, PATH, what="SAVEE", folders=1)
    )


SOURCE = Source(
    name="savee",
    title="Surrey Audio-Visual Expressed Emotion database (SAVEE)",
    sides=("voice",),
    licence="research only, after registration; may not be passed on",
    citation="""@incollection{haq2010savee,
  title = {Multimodal Emotion Recognition},
  author = {Haq, Sanaul and Jackson, Philip J. B.},
  booktitle = {Machine Audition: Principles, Algorithms and Systems},
  editor = {Wang, Wenwu},
  publisher = {IGI Global},
  pages = {398--423},
  year = {2010},
  doi = {10.4018/978-1-61520-919-4.ch017}
}""",
    home_page="http://kahlan.eps.surrey.ac.uk/savee/",
    labels="savee",
    group_rule="the speaker: the folder, or the first two characters of the name",
    index=index_savee,
    speech="acted English speech",
    layout="AudioData/DC/a01.wav, or DC_a01.wav",
    expected=Expected(
        clips=480, groups=4, labels={**dict.fromkeys(("a", "d", "f", "h", "sa", "su"), 60), "n": 120}
    ),
)
