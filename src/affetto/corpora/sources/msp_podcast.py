"""MSP-Podcast: turns of podcasts, annotated in `Labels/labels_consensus.csv`, recordings in `Audios`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.annotated import by_stem, find_annotated, keep_recorded, read_columns
from affetto.corpora.sources.files import relative
from affetto.corpora.sources.source import Source
from affetto.errors import AffettoError

TABLES = ("labels_consensus.csv", "labels_concensus.csv")  # early releases spell it so
COLUMNS = ("FileName", "EmoClass", "Split_Set")
RECORDING = r"^(MSP-PODCAST_\d+)_"
# Test2 is drawn at random from other podcasts, Test3 is published without labels: each is a test of its own.
# Both share speakers with Test1, so that neither may be trained on.
SPLITS = {"Train": "train", "Development": "validation", "Validation": "validation", "Test1": "test"}


def index_msp_podcast(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the annotated turns; the speaker is the group, of an unknown one the podcast's recording."""
    tables, recordings = find_annotated(root, lambda path: path.name in TABLES)
    if not tables:
        raise AffettoError(
            f"The table Labels/{TABLES[0]} of MSP-Podcast does not lie below {root}: unpack the labels there."
        )
    table = read_columns(tables[0], COLUMNS, "MSP-Podcast")
    found = by_stem(recordings)
    stems = [Path(name).stem for name in table["FileName"]]
    rows = pd.DataFrame(
        {
            "stem": stems,
            "path": pd.Series(
                [relative(found[stem], root) if stem in found else None for stem in stems], dtype="str"
            ),
            "label": table["EmoClass"],
            "group": _groups(table),
            "tags": [[split] for split in table["Split_Set"]],
            "official_split": table["Split_Set"].map(SPLITS),
        }
    )
    return keep_recorded(rows, root, what="MSP-Podcast", remedy="unpack the folder Audios there, too")


def _groups(table: pd.DataFrame) -> pd.Series[Any]:
    """Name the speaker, or else the recording: there an unknown speaker is most likely heard again."""
    recordings = table["FileName"].str.extract(RECORDING, expand=False)
    if "SpkrID" not in table:
        return recordings
    speakers = table["SpkrID"].mask(table["SpkrID"].str.lower() == "unknown")
    return ("speaker " + speakers).fillna(recordings)


SOURCE = Source(
    name="msp_podcast",
    title="MSP-Podcast",
    sides=("voice",),
    licence="on request, under an agreement with the University of Texas at Dallas",
    citation="""@article{lotfian2019building,
  title = {Building Naturalistic Emotionally Balanced Speech Corpus by Retrieving Emotional Speech from
           Existing Podcast Recordings},
  author = {Lotfian, Reza and Busso, Carlos},
  journal = {IEEE Transactions on Affective Computing},
  volume = {10},
  number = {4},
  pages = {471--483},
  year = {2019},
  doi = {10.1109/TAFFC.2017.2736999}
}""",
    home_page="https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Podcast.html",
    labels="msp_podcast",
    group_rule="the speaker (SpkrID); of an unknown one the podcast's recording, first number of the name",
    index=index_msp_podcast,
    speech="spontaneous English speech of podcasts",
    layout="Labels/labels_consensus.csv beside Audios/MSP-PODCAST_0001_0008.wav",
    official_split="Split_Set: Train, Development and Test1; Test2 and Test3 are in no split",
    expected=None,  # it grows from release to release
)
