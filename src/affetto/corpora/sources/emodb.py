"""Berlin Database of Emotional Speech: `wav/03a01Fa.wav` is speaker 03, text a01, emotion F, version a."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import match_recordings, relative
from affetto.corpora.sources.source import Expected, Source

STEM = r"(?P<speaker>\d\d)(?P<text>[a-z]\d\d)(?P<emotion>[A-Z])[a-z]?"


def index_emodb(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the utterances; the speaker is the group, the text the second one."""
    return pd.DataFrame(
        {
            "stem": path.stem,
            "path": relative(path, root),
            "label": match["emotion"],
            "group": match["speaker"],
            "second_group": match["text"],
        }
        for path, match in match_recordings(root, STEM, what="EmoDB")
    )


SOURCE = Source(
    name="emodb",
    title="Berlin Database of Emotional Speech (EmoDB)",
    sides=("voice",),
    licence="CC0-1.0 (its card in audb)",
    citation="""@inproceedings{burkhardt2005emodb,
  title = {A Database of {German} Emotional Speech},
  author = {Burkhardt, Felix and Paeschke, Astrid and Rolfes, Miriam and Sendlmeier, Walter F. and
            Weiss, Benjamin},
  booktitle = {Proc. Interspeech},
  pages = {1517--1520},
  year = {2005},
  doi = {10.21437/Interspeech.2005-446}
}""",
    home_page="http://emodb.bilderbar.info",
    labels="emodb",
    group_rule="the speaker: first two characters of the name",
    second_group_rule="the text: characters 3 to 5 of the name",
    index=index_emodb,
    speech="acted German speech",
    layout="wav/03a01Fa.wav",
    expected=Expected(
        clips=535,
        groups=10,
        labels={"W": 127, "L": 81, "E": 46, "A": 69, "F": 71, "T": 62, "N": 79},
    ),
)
