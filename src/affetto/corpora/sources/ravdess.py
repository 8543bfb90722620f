"""RAVDESS speech: `Actor_01/03-01-05-01-01-01-01.wav`.

The seven numbers are modality (03: audio only), vocal channel (01: speech, 02: song), emotion, intensity,
statement, repetition, actor.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import match_recordings, relative, without_copies
from affetto.corpora.sources.source import Download, Expected, Source

SPEECH = "01"
BEHIND_CHANNEL = r"(?P<emotion>\d\d)-(?P<intensity>\d\d)-(?P<statement>\d\d)-\d\d-(?P<actor>\d\d)"
INTENSITIES = {"01": "normal intensity", "02": "strong intensity"}


def index_ravdess(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the spoken clips without video; the actor is the group, songs are left out."""
    return index_channel(root, SPEECH, what="RAVDESS speech")


def index_channel(root: Path, channel: str, *, what: str) -> pd.DataFrame:
    """List the clips without video of a vocal channel, once where an archive holds the tree twice.

    Parameters
    ----------
    root
        Folder of the corpus, or one around it.
    channel
        Second number of the name.
    what
        Name of the part, for messages.
    """
    matched = match_recordings(root, f"03-{channel}-{BEHIND_CHANNEL}", what=what)
    return pd.DataFrame(
        {
            "stem": path.stem,
            "path": relative(path, root),
            "label": match["emotion"],
            "group": match["actor"],
            "second_group": match["statement"],
            "tags": [INTENSITIES[match["intensity"]]] if match["intensity"] in INTENSITIES else [],
        }
        for path, match in without_copies(matched, what=what)
    )


SOURCE = Source(
    name="ravdess",
    title="Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS), speech",
    sides=("voice",),
    licence="CC BY-NC-SA 4.0",
    citation="""@article{livingstone2018ravdess,
  title = {The {Ryerson} Audio-Visual Database of Emotional Speech and Song ({RAVDESS})},
  author = {Livingstone, Steven R. and Russo, Frank A.},
  journal = {PLoS ONE},
  volume = {13},
  number = {5},
  pages = {e0196391},
  year = {2018},
  doi = {10.1371/journal.pone.0196391}
}""",
    home_page="https://zenodo.org/records/1188976",
    labels="ravdess",
    group_rule="the actor: last number of the name",
    second_group_rule="the statement: fifth number of the name",
    index=index_ravdess,
    people_of="ravdess",
    speech="acted English speech",
    layout="Actor_01/03-01-05-01-01-01-01.wav",
    expected=Expected(
        clips=1440,
        groups=24,
        labels={"01": 96, **{f"{emotion:02}": 192 for emotion in range(2, 9)}},
    ),
    downloads=(
        Download(
            url="https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip",
            checksum="md5:bc696df654c87fed845eb13823edef8a",
        ),
    ),
)
