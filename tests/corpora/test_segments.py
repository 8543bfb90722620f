"""Long recordings are cut: nothing is lost, nothing is long, and what belongs together stays together."""

from __future__ import annotations

import io
import logging

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from affetto.audio.decode import read_audio
from affetto.corpora import segments as segments_module
from affetto.corpora.audit import audit_corpora
from affetto.corpora.clips import CLIP_COLUMNS, clip_table
from affetto.corpora.index import index_corpora
from affetto.corpora.parameters import AuditParameters, CorpusParameters, SplitParameters
from affetto.corpora.segments import cut_segments, plan_segments
from affetto.corpora.splits import make_folds
from affetto.io.workers import ExecutorParameters

RATE_HZ = 8_000
HERE = ExecutorParameters(n_jobs=1, progress=False)
TAXONOMY = {
    "emotions": {"voice": ["anger", "sadness"]},
    "labels": {"generic_voice": {"anger": "anger", "sadness": "sadness"}},
}


@given(st.floats(0.01, 500), st.floats(0.5, 60), st.floats(0.1, 1))
def test_segments_cover_the_recording_and_none_is_long(duration_s, segment_s, overlap):
    hop_s = overlap * segment_s
    plan = plan_segments(duration_s, segment_s, hop_s)

    starts, ends = np.array(plan).T
    assert starts[0] == 0
    assert ends[-1] == pytest.approx(duration_s)
    np.testing.assert_allclose(np.diff(starts), hop_s)
    assert (starts[1:] <= ends[:-1] + 1e-9).all()
    lengths = ends - starts
    assert (lengths < 1.5 * segment_s + 1e-9).all()
    assert (lengths[:-1] == pytest.approx(segment_s)) if len(plan) > 1 else True
    assert lengths.min() >= min(duration_s, segment_s / 2) - 1e-9


@pytest.mark.parametrize(
    ("duration_s", "plan"),
    [
        (3.0, [(0, 3)]),
        (4.0, [(0, 4)]),
        (5.9, [(0, 5.9)]),
        (6.0, [(0, 4), (4, 6)]),
        (9.0, [(0, 4), (4, 9)]),
        (10.5, [(0, 4), (4, 8), (8, 10.5)]),
    ],
)
def test_the_last_stretch_stands_alone_from_half_a_segment_on(duration_s, plan):
    assert plan_segments(duration_s, 4.0) == plan


def noise(duration_s, seed=0):
    samples = np.random.default_rng(seed).normal(scale=0.1, size=round(duration_s * RATE_HZ))
    return samples.astype(np.float32)


def table(rows):
    frame = pd.DataFrame(rows, columns=["clip_id", "path", "start_s", "end_s", "group"])
    return clip_table(frame.assign(emotion="anger"), corpus="c", side="voice")


@pytest.fixture
def recordings(tmp_path):
    soundfile.write(tmp_path / "long.wav", noise(10.5), RATE_HZ, subtype="FLOAT")
    soundfile.write(tmp_path / "short.wav", noise(2.0, 1), RATE_HZ, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("not audio")
    return tmp_path


ROWS = [
    ("c/long", "long.wav", None, None, "anna"),
    ("c/part", "long.wav", 1.1, 9.1, "anna"),
    ("c/rest", "long.wav", 4.25, None, "anna"),
    ("c/short", "short.wav", None, None, "berta"),
    ("c/text", "text.wav", None, None, "c/text"),
]


def test_segments_of_recordings_and_of_parts(recordings, caplog):
    caplog.set_level(logging.INFO, "affetto")

    segments = cut_segments(table(ROWS), recordings, 4.0, None, HERE)

    assert list(segments.columns) == list(CLIP_COLUMNS)
    assert segments["clip_id"].tolist() == [
        "c/long@0-4",
        "c/long@4-8",
        "c/long@8-10.5",
        "c/part@1.1-5.1",
        "c/part@5.1-9.1",
        "c/rest@4.25-8.25",
        "c/rest@8.25-10.5",
        "c/short",
        "c/text",
    ]
    assert segments["start_s"].tolist()[:3] == [0, 4, 8]
    assert segments["end_s"].tolist()[:3] == [4, 8, 10.5]
    assert segments[["start_s", "end_s"]].tail(2).isna().all(axis=None)
    assert segments["group"].tolist() == ["anna"] * 7 + ["berta", "c/text"]
    assert "3 of 5 recordings were cut into 7 segments" in caplog.text


def test_the_samples_of_the_segments_are_those_of_the_recording(recordings):
    segments = cut_segments(table(ROWS[:1]), recordings, 0.7, None, HERE)
    kept, rejected = audit_corpora(
        segments, CorpusParameters(name="c", root=recordings), AuditParameters(), HERE
    )

    parts = [
        read_audio(recordings / "long.wav", start_s=row.start_s, end_s=row.end_s)[0]
        for row in kept.sort_values("start_s").itertuples()
    ]
    np.testing.assert_array_equal(np.concatenate(parts), noise(10.5))
    assert rejected.empty
    assert kept["duration_s"].sum() == pytest.approx(10.5)


def test_gaps_and_overlaps(recordings):
    wide = cut_segments(table(ROWS[:1]), recordings, 2.0, 20.0, HERE)
    dense = cut_segments(table(ROWS[:1]), recordings, 4.0, 1.0, HERE)

    assert wide["clip_id"].tolist() == ["c/long@0-2"]
    assert sorted(dense["start_s"]) == list(range(8))
    assert dense["end_s"].max() == 10.5


def test_a_stream_that_does_not_tell_its_length_is_decoded_to_know_it(tmp_path):
    buffer = io.BytesIO()
    soundfile.write(buffer, noise(10.5), RATE_HZ, format="FLAC")
    data = bytearray(buffer.getvalue())
    data[21] &= 0xF0  # the number of frames, 36 bits of STREAMINFO: unknown
    data[22:26] = bytes(4)
    (tmp_path / "stream.flac").write_bytes(data)

    segments = cut_segments(table([("c/s", "stream.flac", None, None, "g")]), tmp_path, 4.0, None, HERE)

    assert segments["end_s"].tolist() == [4, 8, 10.5]


def corpus_of(root, **parameters):
    for name, emotion in [("a", "anger"), ("b", "anger"), ("c", "sadness"), ("d", "sadness")]:
        (root / emotion).mkdir(exist_ok=True)
        soundfile.write(root / emotion / f"{name}.wav", noise(9.0, ord(name)), RATE_HZ)
    corpus = CorpusParameters(source="folders", root=root, **parameters)
    return index_corpora(corpus, TAXONOMY, side="voice", executor=HERE)


def test_segments_of_a_recording_are_on_one_side_of_every_split(tmp_path):
    segments = corpus_of(tmp_path, segment_s=2, segment_hop_s=1)

    folds = make_folds(segments, SplitParameters(protocol="kfold", n_folds=2)).merge(segments, on="clip_id")

    assert len(segments) == 4 * 8
    assert segments["group"].nunique() == 4
    assert segments["emotion"].value_counts().to_dict() == {"anger": 16, "sadness": 16}
    assert len(folds[["path", "fold"]].drop_duplicates()) == 4
    assert folds["fold"].nunique() == 2


def test_a_limit_draws_recordings_and_then_segments(tmp_path, monkeypatch):
    opened = []
    read = segments_module.open_recording
    monkeypatch.setattr(segments_module, "open_recording", lambda path: opened.append(path) or read(path))

    segments = corpus_of(tmp_path, segment_s=3, limit=2)

    assert len(segments) == len(opened) == 2
    assert sorted(segments["emotion"]) == ["anger", "sadness"]
