"""What a run says at its end."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from affetto.evaluation.comparison import compare
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.wording import comparison_text
from affetto.run_summary import replaced_sentence


def clips(corpus, hashes):
    return pd.DataFrame({"corpus": corpus, "content_hash": list(hashes)})


def test_a_model_of_other_clips_is_told_to_be_replaced():
    told = replaced_sentence(clips("demo", "abcd"), clips("folders", "xyz"), "benchmark")
    assert told == (
        "Replaced: the models of the environment benchmark were those of 4 clips of demo, and are those of "
        "3 clips of folders now."
    )


def test_a_corpus_that_has_grown_replaces_nothing():
    assert replaced_sentence(clips("mine", "abcd"), clips("mine", "abcxyz"), None) is None


def predictions(right, groups):
    labels = np.array(["anger", "sadness"] * (len(groups) // 2))
    predicted = np.where(np.arange(len(groups)) < right, labels, "anger")
    return pd.DataFrame(
        {
            "clip_id": [f"c{number}" for number in range(len(groups))],
            "group": groups, "fold": 0, "seed": 0, "label": labels, "predicted": predicted,
            "p_anger": np.where(predicted == "anger", 0.9, 0.1),
            "p_sadness": np.where(predicted == "anger", 0.1, 0.9),
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("groups", "size"),
    [(list("aabbccdd"), "8 clips of 4 groups"), (list("abcdefgh"), "8 clips, each its own group")],
)
def test_the_table_on_the_terminal(groups, size):
    tables = {"ours": predictions(8, groups), "theirs": predictions(0, groups)}
    roles = {"ours": "proposed", "theirs": "baseline"}
    quick = EvaluationParameters(n_resamples=100, n_permutations=100)
    compared = compare(
        tables, roles, protocol="kfold", corpus="folders (mine)", task="voice_emotion", parameters=quick
    )
    head, names, ours, theirs, summary = comparison_text(compared, "voice_emotion").splitlines()
    assert head.startswith("Voice emotion: ") and size in head and "folders (mine), kfold" in head
    assert names.split()[:2] == ["model", "role"]
    assert ours.split()[:3] == ["ours", "proposed", "1.000"]
    assert theirs.split()[:3] == ["theirs", "baseline", "0.500"]
    assert summary.startswith("The proposed model ours reaches a UAR of 1.000")


def test_a_task_without_labels_is_named():
    told = comparison_text(pd.DataFrame(), "theme")
    assert told == "Themes: No clip with a label was scored."
