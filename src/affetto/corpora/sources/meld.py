"""MELD: utterances of the television series Friends, one table and one folder a split.

The release holds videos (`train_splits/dia0_utt0.mp4`), which libsndfile does not decode: their sound has to
be extracted first, beside them or into folders of the same names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.annotated import find_annotated, keep_recorded, read_columns
from affetto.corpora.sources.files import relative
from affetto.corpora.sources.source import Expected, Source
from affetto.errors import AffettoError

TABLES = {"train_sent_emo.csv": "train", "dev_sent_emo.csv": "dev", "test_sent_emo.csv": "test"}
COLUMNS = ("Dialogue_ID", "Utterance_ID", "Speaker", "Emotion", "Sentiment")
# Folders of the release are train_splits, dev_splits_complete and output_repeated_splits_test.
FOLDER = re.compile(r"(train|dev|test|output_repeated_splits_test)")
STEM = r"dia\d+_utt\d+"
EXTRACTION = "extract their sound first, for each as `ffmpeg -i dia0_utt0.mp4 -ac 1 -ar 16000 dia0_utt0.wav`"

Recordings = Mapping[tuple[str, str], Path]


def index_meld(root: Path, corpus: CorpusParameters, side: str) -> pd.DataFrame:
    """List the utterances; the speaker is the group, or the dialogue where `group_column` says so."""
    tables, files = find_annotated(root, lambda path: path.name in TABLES)
    if not tables:
        raise AffettoError(
            f"None of the tables of MELD ({', '.join(TABLES)}) lies below {root}: put them there, beside the "
            "recordings."
        )
    recordings = {
        (split, path.stem): path
        for path in reversed(files)
        if re.fullmatch(STEM, path.stem) and (split := _split(path.relative_to(root)))
    }
    parts = [_rows(table, recordings, root, corpus, side) for table in tables]
    remedy = f"the release holds videos; {EXTRACTION}"
    return keep_recorded(pd.concat(parts, ignore_index=True), root, what="MELD", remedy=remedy)


def _split(path: Path) -> str | None:
    """Tell the split by the innermost folder that is named after one."""
    matches = [match[1] for part in path.parts[:-1] if (match := FOLDER.match(part.lower()))]
    return matches[-1].rpartition("_")[2] if matches else None


def _rows(
    path: Path, recordings: Recordings, root: Path, corpus: CorpusParameters, side: str
) -> pd.DataFrame:
    table, split = read_columns(path, COLUMNS, "MELD"), TABLES[path.name]
    stems = "dia" + table["Dialogue_ID"] + "_utt" + table["Utterance_ID"]
    found = [recordings.get((split, stem)) for stem in stems]
    return pd.DataFrame(
        {
            "stem": f"{split}/" + stems,
            "path": pd.Series(
                [None if file is None else relative(file, root) for file in found], dtype="str"
            ),
            "label": table["Emotion"].str.lower(),
            "group": _groups(table, split, corpus, side),
            "tags": [[sentiment] for sentiment in table["Sentiment"]],
            "official_split": "validation" if split == "dev" else split,
        }
    )


def _groups(table: pd.DataFrame, split: str, corpus: CorpusParameters, side: str) -> pd.Series[str]:
    column = corpus.group_column or "Speaker"
    if column not in {"Speaker", "Dialogue_ID"}:
        raise AffettoError(
            f"{side}.corpus.group_column is {column!r}, but MELD is grouped by Speaker or by Dialogue_ID."
        )
    # Dialogues are numbered from 0 in each table.
    return table[column] if column == "Speaker" else f"{split} dialogue " + table[column]


SOURCE = Source(
    name="meld",
    title="Multimodal EmotionLines Dataset (MELD)",
    sides=("voice",),
    licence="GPL-3.0; clips of a television series, for research",
    citation="""@inproceedings{poria2019meld,
  title = {{MELD}: A Multimodal Multi-Party Dataset for Emotion Recognition in Conversations},
  author = {Poria, Soujanya and Hazarika, Devamanyu and Majumder, Navonil and Naik, Gautam and
            Cambria, Erik and Mihalcea, Rada},
  booktitle = {Proc. 57th Annual Meeting of the Association for Computational Linguistics},
  pages = {527--536},
  year = {2019},
  doi = {10.18653/v1/P19-1050}
}""",
    home_page="https://affective-meld.github.io",
    labels="meld",
    group_rule="the speaker's name; the main characters speak in all three splits, so that the official "
    "training part loses them; corpus.group_column=Dialogue_ID keeps it whole, as publications do",
    index=index_meld,
    speech="English dialogues of a television series",
    layout="train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv beside train_splits/dia0_utt0.wav, "
    "dev_splits_complete/… and output_repeated_splits_test/…, sound extracted from the videos",
    official_split="by dialogue; speakers are shared",
    expected=Expected(
        clips=13_708,
        labels={
            "anger": 1607,
            "disgust": 361,
            "fear": 358,
            "joy": 2308,
            "neutral": 6436,
            "sadness": 1002,
            "surprise": 1636,
        },
    ),
)
