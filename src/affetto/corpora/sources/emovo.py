"""EMOVO: `f1/dis-f1-b1.wav` is disgust, actress 1, sentence b1 (the codes are Italian)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.files import match_recordings, relative
from affetto.corpora.sources.source import Expected, Source

EMOTIONS = ("dis", "gio", "neu", "pau", "rab", "sor", "tri")
STEM = rf"(?i)(?P<emotion>{'|'.join(EMOTIONS)})-(?P<actor>[fm]\d)-(?P<sentence>[a-z]\d)"


def index_emovo(root: Path, _corpus: CorpusParameters, _side: str) -> pd.DataFrame:
    """List the utterances; the actor is the group."""
    return pd.DataFrame(
        {
            "stem": path.stem,
            "path": relative(path, root),
            "label": match["emotion"].lower(),
            "group": match["actor"].lower(),
            "second_group": match["sentence"].lower(),
            "tags": [f"sentence {match['sentence'].lower()}"],
        }
        for path, match in match_recordings(root, STEM, what="EMOVO")
    )


SOURCE = Source(
    name="emovo",
    title="EMOVO: an Italian emotional speech database",
    sides=("voice",),
    licence="none stated; given out freely for research",
    citation="""@inproceedings{costantini2014emovo,
  title = {{EMOVO} Corpus: an {Italian} Emotional Speech Database},
  author = {Costantini, Giovanni and Iaderola, Iacopo and Paoloni, Andrea and Todisco, Massimiliano},
  booktitle = {Proc. International Conference on Language Resources and Evaluation (LREC)},
  pages = {3501--3504},
  year = {2014},
  url = {https://aclanthology.org/L14-1478/}
}""",
    home_page="http://voice.fub.it/activities/corpora/emovo/index.html",
    labels="emovo",
    group_rule="the actor: second part of the name",
    second_group_rule="the sentence: last part of the name",
    index=index_emovo,
    speech="acted Italian speech",
    layout="f1/dis-f1-b1.wav",
    expected=Expected(clips=588, groups=6, labels=dict.fromkeys(EMOTIONS, 84)),
)
