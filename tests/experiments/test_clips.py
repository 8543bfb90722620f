import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from affetto.experiments.clips import choose_clips


def tables(emotions, fold):
    ids = [f"c/{i}" for i in range(len(emotions))]
    return pd.DataFrame({"clip_id": ids, "emotion": emotions}), pd.DataFrame({"clip_id": ids, "fold": fold})


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-1, 2)), min_size=1), st.integers(1, 9))
def test_no_fold_has_more_clips_than_asked_for_and_emotions_are_balanced(drawn, most):
    clips, folds = tables(*map(list, zip(*drawn, strict=True)))

    chosen = folds.merge(clips, on="clip_id").set_index("clip_id").loc[choose_clips(clips, folds, most)]

    assert -1 not in set(chosen["fold"])
    for fold, of_fold in folds[folds["fold"] >= 0].groupby("fold"):
        assert (chosen["fold"] == fold).sum() == min(most, len(of_fold))
        whole = clips[clips["clip_id"].isin(of_fold["clip_id"])]["emotion"].value_counts()
        taken = chosen[chosen["fold"] == fold]["emotion"].value_counts().reindex(whole.index, fill_value=0)
        short = taken[taken < whole]  # an emotion that has clips left has no fewer than any other, but one
        assert short.empty or taken.max() - short.min() <= 1


def test_without_a_limit_all_tested_clips_are_taken():
    clips, folds = tables(["a"] * 4, [0, -1, 1, 1])

    assert choose_clips(clips, folds, None) == ["c/0", "c/2", "c/3"]
