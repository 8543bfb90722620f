"""CREMA-D: `AudioWAV/1001_DFA_ANG_XX.wav` is actor 1001, sentence DFA, emotion ANG, intensity XX (none)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import match_recordings, relative
from affetto.corpora.sources.source import Expected, Source

# One clip is published as 1040_ITH_SAD_X.
STEM = r"(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?P<intensity>LO|MD|HI|XX?)"
INTENSITIES = {"LO": "low intensity", "MD": "medium intensity", "HI": "high intensity"}


def index_cremad(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the clips; the actor is the group."""
    matched = match_recordings(root, STEM, what="CREMA-D")
    # The repository also holds the MP3s that its raters heard, under the same names.
    as_wav = {path.stem for path, _ in matched if path.suffix.lower() == ".wav"}
    return pd.DataFrame(
        {
            "stem": path.stem,
            "path": relative(path, root),
            "label": match["emotion"],
            "group": match["actor"],
            "second_group": match["sentence"],
            "tags": [f"sentence {match['sentence']}", *_intensity(match["intensity"])],
        }
        for path, match in matched
        if path.suffix.lower() != ".mp3" or path.stem not in as_wav
    )


def _intensity(code: str) -> list[str]:
    return [INTENSITIES[code]] if code in INTENSITIES else []


SOURCE = Source(
    name="cremad",
    title="Crowd-sourced Emotional Multimodal Actors Dataset (CREMA-D)",
    sides=("voice",),
    licence="Open Database License 1.0, contents under the Database Contents License 1.0",
    citation="""@article{cao2014cremad,
  title = {{CREMA-D}: Crowd-sourced Emotional Multimodal Actors Dataset},
  author = {Cao, Houwei and Cooper, David G. and Keutmann, Michael K. and Gur, Ruben C. and
            Nenkova, Ani and Verma, Ragini},
  journal = {IEEE Transactions on Affective Computing},
  volume = {5},
  number = {4},
  pages = {377--390},
  year = {2014},
  doi = {10.1109/TAFFC.2014.2336244}
}""",
    home_page="https://github.com/CheyneyComputerScience/CREMA-D",
    labels="cremad",
    group_rule="the actor: first four characters of the name",
    second_group_rule="the sentence: three letters behind the actor",
    index=index_cremad,
    speech="acted English speech",
    layout="AudioWAV/1001_DFA_ANG_XX.wav",
    expected=Expected(
        clips=7442,
        groups=91,
        labels={**dict.fromkeys(("ANG", "DIS", "FEA", "HAP", "SAD"), 1271), "NEU": 1087},
    ),
)
