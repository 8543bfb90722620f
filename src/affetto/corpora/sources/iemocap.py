"""IEMOCAP: dialogues of two actors, annotated in `Session1/dialog/EmoEvaluation/Ses01F_impro01.txt`.

Each line in square brackets there is an utterance: its part of the dialogue in seconds, its name, the emotion
that most annotators chose. Its recording is `Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav`;
where that is missing, the part of the dialogue's recording, `Session1/dialog/wav/Ses01F_impro01.wav`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.annotated import by_stem, find_annotated, keep_recorded
from affetto.corpora.sources.files import relative
from affetto.corpora.sources.source import Expected, Source
from affetto.errors import AffettoError

UTTERANCE = re.compile(
    r"\[(?P<start>\d+\.\d+) - (?P<end>\d+\.\d+)\]\s+"
    r"(?P<name>(?P<dialogue>(?P<session>Ses\d\d)[FM]_(?P<kind>impro|script)\w*)_(?P<actor>[FM])\w*)\s+"
    r"(?P<label>\w+)"
)
KINDS = {"impro": "improvised", "script": "scripted"}


def index_iemocap(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the utterances; the speaker is the group."""
    annotations, recordings = find_annotated(root, _is_annotation)
    found = by_stem(recordings)
    rows = pd.DataFrame(
        _row(utterance, found, root) for path in annotations for utterance in _utterances(path)
    )
    if rows.empty:
        raise AffettoError(
            f"No annotation of IEMOCAP (dialog/EmoEvaluation/Ses01F_impro01.txt …) lies below {root}: "
            "unpack the release there."
        )
    return keep_recorded(rows, root, what="IEMOCAP", remedy="unpack sentences/wav or dialog/wav there, too")


def _is_annotation(path: Path) -> bool:
    # Folders inside EmoEvaluation hold the votes of single annotators, under names of the same form.
    return path.suffix == ".txt" and path.parent.name == "EmoEvaluation"


def _utterances(path: Path) -> Iterator[re.Match[str]]:
    text = path.read_text(encoding="utf-8", errors="replace")
    return (match for line in text.splitlines() if (match := UTTERANCE.match(line)))


def _row(utterance: re.Match[str], recordings: Mapping[str, Path], root: Path) -> dict[str, Any]:
    sentence = recordings.get(utterance["name"])
    path = recordings.get(utterance["dialogue"]) if sentence is None else sentence
    return {
        "stem": utterance["name"],
        "path": None if path is None else relative(path, root),
        "start_s": float(utterance["start"]) if sentence is None else None,
        "end_s": float(utterance["end"]) if sentence is None else None,
        "label": utterance["label"],
        "group": utterance["session"] + utterance["actor"],
        "tags": [KINDS[utterance["kind"]]],
    }


SOURCE = Source(
    name="iemocap",
    title="Interactive Emotional Dyadic Motion Capture Database (IEMOCAP)",
    sides=("voice",),
    licence="on request, under the licence agreement of the University of Southern California; research only",
    citation="""@article{busso2008iemocap,
  title = {{IEMOCAP}: Interactive emotional dyadic motion capture database},
  author = {Busso, Carlos and Bulut, Murtaza and Lee, Chi-Chun and Kazemzadeh, Abe and Mower, Emily and
            Kim, Samuel and Chang, Jeannette N. and Lee, Sungbok and Narayanan, Shrikanth S.},
  journal = {Language Resources and Evaluation},
  volume = {42},
  number = {4},
  pages = {335--359},
  year = {2008},
  doi = {10.1007/s10579-008-9076-6}
}""",
    home_page="https://sail.usc.edu/iemocap/",
    labels="iemocap",
    group_rule="the speaker: session and last letter of the name (Ses01F); the two speakers of a session "
    "talk to one another",
    index=index_iemocap,
    speech="acted and improvised English dialogues",
    layout="Session1/dialog/EmoEvaluation/Ses01F_impro01.txt beside "
    "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav or Session1/dialog/wav/Ses01F_impro01.wav",
    expected=Expected(
        clips=10_039,
        groups=10,
        labels={
            "ang": 1103,
            "dis": 2,
            "exc": 1041,
            "fea": 40,
            "fru": 1849,
            "hap": 595,
            "neu": 1708,
            "oth": 3,
            "sad": 1084,
            "sur": 107,
            "xxx": 2507,
        },
    ),
)
