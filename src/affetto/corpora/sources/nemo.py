"""nEMO, Polish: `samples/EB0_anger_1.wav` beside `data.tsv` with emotion, text and speaker of every file."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.annotated import keep_recorded, read_columns
from affetto.corpora.sources.files import find_table, match_recordings, relative
from affetto.corpora.sources.source import Expected, Source
from affetto.errors import AffettoError

logger = logging.getLogger(__name__)

STEM = r"[A-Z]+\d+_[a-z]+_\d+"
TABLE = "data.tsv"
COLUMNS = ("file_id", "emotion", "raw_text", "speaker_id", "gender")


def index_nemo(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the recordings that the table describes; the speaker is the group."""
    recordings = {path.stem: relative(path, root) for path, _ in match_recordings(root, STEM, what="nEMO")}
    table = _read_table(root)
    rows = pd.DataFrame(
        {
            "stem": table["file_id"].str.removesuffix(".wav"),
            "label": table["emotion"],
            "group": table["speaker_id"],
            "second_group": table["raw_text"],
            "tags": [[gender] for gender in table["gender"]],
            "title": table["raw_text"],
        }
    )
    rows["path"] = rows["stem"].map(recordings)
    undescribed = sorted(set(recordings) - set(rows["stem"]))
    if undescribed:
        logger.warning(
            "%d recordings of nEMO are not in %s and are left out, %s the first",
            len(undescribed),
            TABLE,
            undescribed[0],
        )
    return keep_recorded(rows, root, what="nEMO", remedy="put the folder samples beside data.tsv")


def _read_table(root: Path) -> pd.DataFrame:
    path = find_table(root, TABLE)
    if path is None:
        raise AffettoError(f"No {TABLE} of nEMO lies below {root}: take it from {SOURCE.home_page}.")
    table = read_columns(path, COLUMNS, "nEMO")
    # Speakers are padded with blanks.
    return pd.DataFrame({name: table[name].str.strip() for name in COLUMNS})


SOURCE = Source(
    name="nemo",
    title="nEMO: emotional speech in Polish",
    sides=("voice",),
    licence="CC BY-NC-SA 4.0",
    citation="""@inproceedings{christop2024nemo,
  title = {{nEMO}: Dataset of Emotional Speech in {Polish}},
  author = {Christop, Iwona},
  booktitle = {Proc. Joint International Conference on Computational Linguistics, Language Resources and
               Evaluation (LREC-COLING)},
  year = {2024},
  url = {https://aclanthology.org/2024.lrec-main.1059/}
}""",
    home_page="https://github.com/amu-cai/nEMO",
    labels="nemo",
    group_rule="the speaker: column speaker_id of the table",
    second_group_rule="the text: raw_text of data.tsv",
    index=index_nemo,
    speech="acted Polish speech",
    layout="samples/EB0_anger_1.wav beside data.tsv",
    expected=Expected(clips=4481, groups=9),
)
