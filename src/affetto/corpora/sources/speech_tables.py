"""Speech corpora whose emotions lie in tables beside the recordings."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import find_recordings, find_tables, match_recordings, relative
from affetto.corpora.sources.source import Expected, Source, cited
from affetto.corpora.sources.tables import keep_recorded, read_columns, recordings_by_stem, scale_ratings
from affetto.errors import AffettoError, name_some

logger = logging.getLogger(__name__)

_UTTERANCE = re.compile(
    r"\[(?P<start>\d+\.\d+) - (?P<end>\d+\.\d+)\]\s+"
    r"(?P<name>(?P<dialogue>(?P<session>Ses\d\d)[FM]_(?P<kind>impro|script)\w*)_(?P<actor>[FM])\w*)\s+"
    r"(?P<label>\w+)"
    r"(\s+\[(?P<valence>[\d.]+), (?P<arousal>[\d.]+), [\d.]+\])?"
)


def index_iemocap(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the utterances of IEMOCAP, dialogues of two actors; the speaker is the group.

    Each line in square brackets of `Session1/dialog/EmoEvaluation/Ses01F_impro01.txt` is an utterance: its
    part of the dialogue in seconds, its name, the emotion that most annotators chose, the means of their
    ratings of valence, activation and dominance from 1 to 5 (a few of the release, 5.5, count as 5). Its
    recording is
    `Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav`; where that is missing, the part of the
    dialogue's recording, `Session1/dialog/wav/Ses01F_impro01.wav`. Folders inside `EmoEvaluation` hold the
    votes of single annotators, under names of the same form, and are not read.
    """
    pattern = "EmoEvaluation/*.txt"
    recordings = recordings_by_stem(root)
    rows: list[dict[str, Any]] = []
    for path in find_tables(root, [pattern], what="IEMOCAP")[pattern]:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for utterance in filter(None, map(_UTTERANCE.match, lines)):
            sentence = recordings.get(utterance["name"])
            is_part = sentence is None
            rows.append(
                {
                    "stem": utterance["name"],
                    "path": recordings.get(utterance["dialogue"]) if is_part else sentence,
                    "start_s": float(utterance["start"]) if is_part else None,
                    "end_s": float(utterance["end"]) if is_part else None,
                    "label": utterance["label"],
                    "group": utterance["session"] + utterance["actor"],
                    "official_split": f"fold {int(utterance['session'].removeprefix('Ses'))}",
                    "tags": [{"impro": "improvised", "script": "scripted"}[utterance["kind"]]],
                    **{name: _from_1_to(5, utterance[name] or "nan") for name in ("valence", "arousal")},
                }
            )
    if not rows:
        raise AffettoError(f"No file {pattern} below {root} holds an utterance: unpack the release there.")
    remedy = "unpack sentences/wav or dialog/wav there, too"
    return keep_recorded(pd.DataFrame(rows), root, what="IEMOCAP", remedy=remedy)


IEMOCAP = Source(
    name="iemocap",
    title="Interactive Emotional Dyadic Motion Capture Database (IEMOCAP)",
    sides=("voice",),
    licence="on request, under the licence agreement of the University of Southern California; research only",
    citation=cited("busso2008iemocap"),
    home_page="https://sail.usc.edu/iemocap/",
    group_rule="the speaker: session and last letter of the name (Ses01F); the two speakers of a session "
    "talk to one another",
    index=index_iemocap,
    speech="acted and improvised English dialogues",
    official_split="five folds, each tests the two speakers of one session",
    layout="Session1/dialog/EmoEvaluation/Ses01F_impro01.txt beside "
    "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav or Session1/dialog/wav/Ses01F_impro01.wav",
    expected=Expected(
        10_039,
        10,
        {"ang": 1103, "dis": 2, "exc": 1041, "fea": 40, "fru": 1849, "hap": 595}
        | {"neu": 1708, "oth": 3, "sad": 1084, "sur": 107, "xxx": 2507},
    ),
)


def _from_1_to(high: float, rating: str) -> float:
    """Bring a rating from 1 to `high` to the scale from -1 to 1."""
    return float(np.clip(2 * (float(rating) - 1) / (high - 1) - 1, -1, 1))


_MELD_TABLES = {"train_sent_emo.csv": "train", "dev_sent_emo.csv": "dev", "test_sent_emo.csv": "test"}
_MELD_COLUMNS = ("Dialogue_ID", "Utterance_ID", "Speaker", "Emotion", "Sentiment")
# Folders of the release are train_splits, dev_splits_complete and output_repeated_splits_test.
_MELD_FOLDER = re.compile(r"(train|dev|test|output_repeated_splits_test)")


def index_meld(root: Path, corpus: CorpusParameters, side: str) -> pd.DataFrame:
    """List the utterances of MELD, one table and one folder a split; the speaker is the group.

    Where `group_column` says so it is the dialogue. The release holds videos
    (`train_splits/dia0_utt0.mp4`): their sound has to be extracted first, beside them or into folders of the
    same names.
    """
    column = corpus.group_column or "Speaker"
    if column not in {"Speaker", "Dialogue_ID"}:
        raise AffettoError(
            f"{side}.corpus.group_column is {column!r}, but MELD is grouped by Speaker or by Dialogue_ID."
        )
    tables = [path for paths in find_tables(root, (), optional=_MELD_TABLES).values() for path in paths]
    if not tables:
        raise AffettoError(
            f"None of the tables of MELD ({', '.join(_MELD_TABLES)}) lies below {root}: put them there, "
            "beside the recordings."
        )
    recordings = {
        f"{_split_of(path.relative_to(root))}/{path.stem}": relative(path, root)
        for path in reversed(find_recordings(root))
    }
    return keep_recorded(
        pd.concat([_meld_rows(table, recordings, column) for table in tables], ignore_index=True),
        root,
        what="MELD",
        remedy="the release holds videos; extract their sound first, for each as "
        "`ffmpeg -i dia0_utt0.mp4 -ac 1 -ar 16000 dia0_utt0.wav`",
    )


def _split_of(path: Path) -> str | None:
    """Tell the split by the innermost folder that is named after one."""
    matches = [match[1] for part in path.parts[:-1] if (match := _MELD_FOLDER.match(part.lower()))]
    return matches[-1].rpartition("_")[2] if matches else None


def _meld_rows(path: Path, recordings: Mapping[str, str], column: str) -> pd.DataFrame:
    table, split = read_columns(path, _MELD_COLUMNS, "MELD"), _MELD_TABLES[path.name]
    stems = f"{split}/dia" + table["Dialogue_ID"] + "_utt" + table["Utterance_ID"]
    return pd.DataFrame(
        {
            "stem": stems,
            "path": stems.map(recordings).astype("str"),
            "label": table["Emotion"].str.lower(),
            # Dialogues are numbered from 0 in each table.
            "group": table[column] if column == "Speaker" else f"{split} dialogue " + table[column],
            "tags": [[sentiment] for sentiment in table["Sentiment"]],
            "official_split": "validation" if split == "dev" else split,
        }
    )


MELD = Source(
    name="meld",
    title="Multimodal EmotionLines Dataset (MELD)",
    sides=("voice",),
    licence="GPL-3.0; clips of a television series, for research",
    citation=cited("poria2019meld"),
    home_page="https://affective-meld.github.io",
    group_rule="the speaker's name; the main characters speak in all three splits, so that the official "
    "training part loses them; corpus.group_column=Dialogue_ID keeps it whole, as publications do",
    index=index_meld,
    options=("group_column",),
    speech="English dialogues of a television series",
    layout="train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv beside train_splits/dia0_utt0.wav, "
    "dev_splits_complete/… and output_repeated_splits_test/…, sound extracted from the videos",
    official_split="by dialogue; speakers are shared",
    expected=Expected(
        13_708,
        labels={"anger": 1607, "disgust": 361, "fear": 358, "joy": 2308}
        | {"neutral": 6436, "sadness": 1002, "surprise": 1636},
    ),
)

# Test2 is drawn at random from other podcasts, Test3 is published without labels: each is a test of its own.
# Both share speakers with Test1, so that neither may be trained on.
_MSP_SPLITS = {"Train": "train", "Development": "validation", "Validation": "validation", "Test1": "test"}


def index_msp_podcast(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the annotated turns of MSP-Podcast; the speaker is the group.

    Of an unknown speaker it is the podcast's recording, in which the same speaker most likely speaks again.
    """
    pattern = "labels_con[sc]ensus.csv"  # early releases spell it so
    path = find_tables(root, [pattern], what="MSP-Podcast")[pattern][0]
    table = read_columns(path, ("FileName", "EmoClass", "Split_Set"), "MSP-Podcast")
    stems = table["FileName"].map(lambda name: Path(name).stem)
    groups = table["FileName"].str.extract(r"^(MSP-PODCAST_\d+)_", expand=False)
    if "SpkrID" in table:
        speakers = table["SpkrID"].mask(table["SpkrID"].str.lower() == "unknown")
        groups = ("speaker " + speakers).fillna(groups)
    rows = pd.DataFrame(
        {
            "stem": stems,
            "path": stems.map(recordings_by_stem(root)).astype("str"),
            "label": table["EmoClass"],
            "group": groups,
            "tags": [[split] for split in table["Split_Set"]],
            "official_split": table["Split_Set"].map(_MSP_SPLITS),
        }
    )
    if {"EmoVal", "EmoAct"} <= set(table):
        rows = rows.assign(**scale_ratings(table, path, valence="EmoVal", arousal="EmoAct", scale=(1, 7)))
    return keep_recorded(rows, root, what="MSP-Podcast", remedy="unpack the folder Audios there, too")


MSP_PODCAST = Source(
    name="msp_podcast",
    title="MSP-Podcast",
    sides=("voice",),
    licence="on request, under an agreement with the University of Texas at Dallas",
    citation=cited("lotfian2019building"),
    home_page="https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Podcast.html",
    group_rule="the speaker (SpkrID); of an unknown one the podcast's recording, first number of the name",
    index=index_msp_podcast,
    speech="spontaneous English speech of podcasts",
    layout="Labels/labels_consensus.csv beside Audios/MSP-PODCAST_0001_0008.wav",
    official_split="Split_Set: Train, Development and Test1; Test2 and Test3 are in no split",
    expected=None,  # it grows from release to release
)


def index_nemo(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the recordings of nEMO that its table describes; the speaker is the group."""
    named = match_recordings(root, r"[A-Z]+\d+_[a-z]+_\d+", what="nEMO")
    path = find_tables(root, ["data.tsv"], what="nEMO")["data.tsv"][0]
    columns = ["file_id", "emotion", "raw_text", "speaker_id", "gender"]
    table = read_columns(path, columns, "nEMO")[columns]
    table = table.apply(lambda column: column.str.strip())  # speakers are padded with blanks
    stems = table["file_id"].str.removesuffix(".wav")
    undescribed = sorted(set(named["stem"]) - set(stems))
    if undescribed:
        logger.warning(
            "%d recordings of nEMO are not in data.tsv and are left out: %s",
            len(undescribed),
            name_some(undescribed),
        )
    rows = pd.DataFrame(
        {
            "stem": stems,
            "path": stems.map(dict(zip(named["stem"], named["path"], strict=True))),
            "label": table["emotion"],
            "group": table["speaker_id"],
            "second_group": table["raw_text"],
            "tags": [[gender] for gender in table["gender"]],
            "title": table["raw_text"],
        }
    )
    return keep_recorded(rows, root, what="nEMO", remedy="put the folder samples beside data.tsv")


NEMO = Source(
    name="nemo",
    title="nEMO: emotional speech in Polish",
    sides=("voice",),
    licence="CC BY-NC-SA 4.0",
    citation=cited("christop2024nemo"),
    home_page="https://github.com/amu-cai/nEMO",
    group_rule="the speaker: column speaker_id of the table",
    second_group_rule="the text: raw_text of data.tsv",
    index=index_nemo,
    speech="acted Polish speech",
    layout="samples/EB0_anger_1.wav beside data.tsv",
    expected=Expected(4481, 9),
)
