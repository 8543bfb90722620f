"""The rules of the clip table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from affetto.corpora.clips import CLIP_COLUMNS, clip_table, validate_clips
from affetto.errors import AffettoError

EMOTIONS = ("anger", "sadness")


def table(**columns):
    rows = {
        "clip_id": ["c/a", "c/b"],
        "path": ["a.wav", "b.wav"],
        "emotion": ["anger", None],
        "group": ["x", "y"],
    }
    return clip_table(pd.DataFrame(rows | columns), corpus="c", side="voice")


def test_columns_are_completed_typed_and_sorted():
    clips = table(clip_id=["c/b", "c/a"])

    assert list(clips.columns) == list(CLIP_COLUMNS)
    assert clips["clip_id"].tolist() == ["c/a", "c/b"]
    assert clips["start_s"].dtype == np.float64
    assert clips["theme"].isna().all()
    assert clips["tags"].tolist() == [[], []]
    assert validate_clips(clips, EMOTIONS) is clips


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"emotion": ["anger", "joy"]},
            "Corpus c, clip c/b: emotion must be an emotion of the taxonomy .it is joy",
        ),
        ({"group": ["x", None]}, "Corpus c, clip c/b: group must not be missing"),
        ({"group": ["", "y"]}, "Corpus c, clip c/a: group must not be empty"),
        ({"path": [None, "b.wav"]}, "Corpus c, clip c/a: path must not be missing"),
        ({"start_s": [0.0, -0.5]}, "Corpus c, clip c/b: start_s must not be negative .it is -0.5"),
        ({"start_s": [1.0, 2.0], "end_s": [1.5, 2.0]}, "Corpus c, clip c/b: end_s must be after start_s"),
        ({"end_s": [0.0, 1.0]}, "Corpus c, clip c/a: end_s must be above 0"),
        (
            {"official_split": ["train", "dev"]},
            "Corpus c, clip c/b: official_split must be train, validation or test",
        ),
    ],
)
def test_a_broken_rule_is_one_sentence_naming_corpus_clip_and_rule(columns, message):
    with pytest.raises(AffettoError, match=message):
        validate_clips(table(**columns), EMOTIONS)
