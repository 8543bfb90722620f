"""The published corpora, where they lie beside the project: known numbers of clips, groups and emotions."""

from __future__ import annotations

import pytest

from affetto.corpora.index import index_corpora
from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.corpora.splits import make_folds

pytestmark = pytest.mark.corpora

EMODB = {
    "anger": 127,
    "boredom": 81,
    "disgust": 46,
    "fear": 69,
    "happiness": 71,
    "neutral": 79,
    "sadness": 62,
}
QUADRANTS = dict.fromkeys(("happy", "tense", "sad", "calm"), 225)
EMOPIA = {"happy": 250, "tense": 265, "sad": 253, "calm": 310}


@pytest.fixture
def index(request, taxonomy):
    def read(source, side, folder):
        root = request.config.rootpath.parent / "shared" / "data" / folder
        if not root.is_dir():
            pytest.skip(f"the corpus {source} is not part of the project and not at {root}")
        return index_corpora(CorpusParameters(source=source, root=root), taxonomy, side=side)

    return read


@pytest.mark.parametrize(
    ("source", "side", "folder", "emotions", "n_groups"),
    [
        ("emodb", "voice", "voice/emodb", EMODB, 10),
        ("panda_4q", "music", "music/4q", QUADRANTS, 664),  # 661 artists, 3 clips of unknown ones
        ("emopia", "music", "music/emopia", EMOPIA, 387),
    ],
)
def test_published_numbers(index, source, side, folder, emotions, n_groups):
    clips = index(source, side, folder)

    assert clips["emotion"].value_counts().to_dict() == emotions
    assert clips["group"].nunique() == n_groups


def test_speakers_and_sentences_of_emodb_are_left_out_together(index):
    clips = index("emodb", "voice", "voice/emodb")
    folds = make_folds(clips, SplitParameters(protocol="leave_one_group_out", second_folds="each"))

    assert clips["second_group"].nunique() == 10
    assert folds["fold"].nunique() == len(clips[["group", "second_group"]].drop_duplicates())


def test_official_split_of_emopia(index):
    folds = make_folds(index("emopia", "music", "music/emopia"), SplitParameters(protocol="official"))

    assert folds["fold"].value_counts().to_dict() == {-1: 767 + 198, 0: 86}
