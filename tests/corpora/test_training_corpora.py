"""A corpus with training corpora: whose groups they are, which emotions they share, where their clips lie."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.corpora.audit import audit_corpora, keep_shared_emotions
from affetto.corpora.index import index_corpora
from affetto.corpora.parameters import AuditParameters, CorpusParameters
from affetto.errors import AffettoError
from affetto.io.cache import ResultStore
from affetto.io.workers import ExecutorParameters

ALONE = ExecutorParameters(n_jobs=1, progress=False)
AUDIT = AuditParameters()


def write(path, pitch):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.5 * np.sin(np.arange(2_000) * pitch), 8_000)


@pytest.fixture
def corpus(tmp_path):
    """Two corpora whose speakers have the same names, which share a recording, and one emotion not."""
    for emotion, pitch in {"angry": 0.1, "sad": 0.2, "fear": 0.3}.items():
        for speaker in (1, 2):
            write(tmp_path / "here" / emotion / f"s{speaker}_{emotion}.wav", pitch + speaker / 100)
    for emotion, pitch in {"angry": 0.5, "sad": 0.6, "happy": 0.7}.items():
        for speaker in (1, 2, 3):
            write(tmp_path / "there" / emotion / f"s{speaker}_{emotion}.wav", pitch + speaker / 100)
    write(tmp_path / "there" / "angry" / "s3_again.wav", 0.11)
    (tmp_path / "there" / "sad" / "s1_broken.wav").touch()
    other = CorpusParameters(root=tmp_path / "there", group_pattern=r"(s\d)_")
    return CorpusParameters(
        root=tmp_path / "here", name="here", group_pattern=r"(s\d)_", training_corpora={"there": other}
    )


def test_clips_of_both_corpora_keep_their_names_and_get_groups_of_their_own(corpus, taxonomy):
    clips = index_corpora(corpus, taxonomy, side="voice")

    assert clips["corpus"].unique().tolist() == ["here", "there"]
    assert clips["clip_id"].is_unique
    assert (clips["clip_id"].str.split("/").str[0] == clips["corpus"]).all()
    assert set(clips["group"]) == {"here/s1", "here/s2", "there/s1", "there/s2", "there/s3"}
    assert clips["path"].str.match(r"[a-z]+/s").all()


def test_the_audit_reads_each_corpus_below_its_root_and_sets_unshared_emotions_aside(
    corpus, taxonomy, tmp_path
):
    raw = index_corpora(corpus, taxonomy, side="voice")

    clips, rejected = audit_corpora(raw, corpus, AUDIT, ALONE, store=ResultStore(tmp_path / "memo"))

    assert set(clips["emotion"]) == {"anger", "sadness"}
    assert clips["corpus"].value_counts().to_dict() == {"there": 7, "here": 4}
    assert sorted([*clips["clip_id"], *rejected["clip_id"]]) == sorted(raw["clip_id"])
    reasons = rejected.set_index("clip_id")["reason"]
    assert reasons["there/sad/s1_broken"].startswith("unreadable: ")
    assert reasons["here/fear/s1_fear"] == "emotion not shared: fear has no clip in there"
    assert reasons["there/happy/s2_happy"] == "emotion not shared: happiness has no clip in here"
    assert len(reasons) == 6


def test_a_recording_in_both_corpora_unites_its_groups(corpus, taxonomy):
    clips, _ = audit_corpora(index_corpora(corpus, taxonomy, side="voice"), corpus, AUDIT, ALONE)

    groups = clips.set_index("clip_id")["group"]
    assert groups["here/angry/s1_angry"] == groups["there/angry/s3_again"] == "here/s1"
    assert groups["there/sad/s3_sad"] == "here/s1"
    assert groups["there/sad/s2_sad"] == "there/s2"


@pytest.mark.parametrize(("tested", "other"), [("ravdess", "ravdess_song"), ("ravdess_song", "ravdess")])
@pytest.mark.parametrize("name", [None, "mine"])
def test_actors_who_speak_in_one_corpus_and_sing_in_the_other_are_the_same(
    tmp_path, taxonomy, tested, other, name
):
    for channel in ("01", "02"):
        for emotion in ("04", "05"):
            write(tmp_path / "Actor_07" / f"03-{channel}-{emotion}-01-01-01-07.wav", 0.1)
    training = {"training": CorpusParameters(source=other, root=tmp_path)}
    both = CorpusParameters(source=tested, root=tmp_path, name=name, training_corpora=training)

    clips = index_corpora(both, taxonomy, side="voice")

    assert clips["corpus"].nunique() == 2
    assert set(clips["group"]) == {"ravdess/07"}


def test_what_is_wrong_with_a_training_corpus_names_its_own_parameter(corpus, taxonomy):
    gone = CorpusParameters(source="emodb", root=corpus.root / "nowhere")
    with pytest.raises(AffettoError, match=r"voice\.corpus\.training_corpora\.second\.root is .*nowhere"):
        index_corpora(
            corpus.model_copy(update={"training_corpora": {"second": gone}}), taxonomy, side="voice"
        )


def test_fewer_than_two_shared_emotions_are_one_sentence(corpus, taxonomy):
    other = corpus.training_corpora["there"].model_copy(update={"label_map": {"sad": "neutral"}})
    lacking = corpus.model_copy(update={"training_corpora": {"there": other}})

    with pytest.raises(AffettoError, match="share anger, and two emotions are needed") as caught:
        audit_corpora(index_corpora(lacking, taxonomy, side="voice"), lacking, AUDIT, ALONE)

    assert "here (anger, fear, sadness) and its training corpora (anger, happiness, neutral)" in str(
        caught.value
    )


EMOTIONS = st.sampled_from(["anger", "fear", "joy", None])


@settings(max_examples=15, deadline=None)
@given(here=st.lists(EMOTIONS, min_size=1, max_size=8), there=st.lists(EMOTIONS, min_size=1, max_size=8))
def test_only_shared_emotions_are_left_and_every_other_clip_has_its_reason(here, there):
    emotions = [*here, *there, "anger", "fear", "anger", "fear"]
    corpora = ["a"] * len(here) + ["b"] * len(there) + ["a", "a", "b", "c"]
    ids = [f"{index}" for index in range(len(emotions))]
    clips = pd.DataFrame({"clip_id": ids, "corpus": corpora, "path": ids, "side": "voice"})
    clips["emotion"] = pd.Series(emotions, dtype="str")

    kept, rejected = keep_shared_emotions(clips, tested="a")

    on_both = {"anger", "fear"} | ({"joy"} if "joy" in here and "joy" in there else set())
    assert set(kept["emotion"].dropna()) == on_both
    assert kept["emotion"].isna().sum() == clips["emotion"].isna().sum()
    assert sorted([*kept["clip_id"], *rejected["clip_id"]]) == sorted(ids)
    assert rejected["reason"].str.startswith("emotion not shared: joy has no clip in ").all()


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"demo": {"source": "emodb", "root": "x"}}, "has the name of the corpus itself"),
        ({"b": {"source": "demo", "root": "data"}}, "training_corpora.b is the same corpus as demo"),
        (
            {"b": {"source": "emodb", "root": "x"}, "c": {"source": "emodb", "root": "x"}},
            "training_corpora.c is the same corpus as b",
        ),
        ({"b": {"source": "emodb", "root": "x", "name": "c"}}, "nor a name of its own"),
        ({"b": {"training_corpora": {"c": {"root": "x"}}}}, "takes neither training_corpora"),
        ({"b": {"segment_hop_s": 1}}, "segment_hop_s needs segment_s"),
        ({"b/c": {"source": "emodb", "root": "x"}}, "should match pattern"),
        ({"b": {"sauce": "emodb"}}, "sauce"),
    ],
)
def test_training_corpora_that_cannot_be_meant_are_refused(others, message):
    with pytest.raises(ValueError, match=message):
        CorpusParameters.model_validate({"source": "demo", "root": "data", "training_corpora": others})


def test_training_corpora_are_told_by_their_keys():
    corpus = CorpusParameters.model_validate(
        {"source": "emodb", "root": "a", "training_corpora": {"x": {"source": "casia", "root": "b"}}}
    )

    assert [other.known_as for other in corpus.others] == ["x"]
    assert {name: str(root) for name, root in corpus.other_roots.items()} == {"x": "b"}
    assert corpus.title == "emodb + casia (x)"
    assert corpus.model_copy(update={"training_corpora": {}}).title == "emodb"
