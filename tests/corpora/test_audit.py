"""The audit: what is measured, what is rejected and why, duplicates, and the memo."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.audio import decode as decode_module
from affetto.corpora import audit as audit_module
from affetto.corpora.audit import (
    audit_corpora,
    set_lone_emotions_aside,
    unite_groups_of_duplicates,
)
from affetto.corpora.audit_report import summarise_audit
from affetto.corpora.clips import AUDIT_COLUMNS, CLIP_COLUMNS, clip_table
from affetto.corpora.parameters import AuditParameters, CorpusParameters
from affetto.corpora.segments import cut_segments
from affetto.errors import AffettoError
from affetto.io.cache import ResultStore
from affetto.io.workers import ExecutorParameters

RATE_HZ = 8_000
HERE = ExecutorParameters(n_jobs=1, progress=False)
AUDIT = AuditParameters()


def tone(duration_s=0.5, amplitude=0.5, frequency_hz=500.0):
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def write(path, samples, rate_hz=RATE_HZ, subtype="FLOAT"):
    soundfile.write(path, samples, rate_hz, subtype=subtype)


def table(paths, **columns):
    paths = list(paths)
    rows = {"clip_id": [f"c/{path}" for path in paths], "path": paths, "emotion": "anger", "group": paths}
    return clip_table(pd.DataFrame(rows | columns), corpus="c", side="voice")


@pytest.fixture
def corpus(tmp_path):
    """Two good clips and one of every bad kind."""
    write(tmp_path / "good.wav", tone())
    write(tmp_path / "stereo.wav", np.stack([tone(), tone() * 0.5], axis=1), 16_000)
    write(tmp_path / "silent.wav", tone(amplitude=0.0005))
    write(tmp_path / "zeros.wav", np.zeros(RATE_HZ, dtype=np.float32))
    write(tmp_path / "offset.wav", np.full(RATE_HZ, 0.5, dtype=np.float32))
    write(tmp_path / "short.wav", tone(0.05))
    write(tmp_path / "none.wav", np.zeros(0, dtype=np.float32))
    write(tmp_path / "nan.wav", np.array([0.5, np.nan] * RATE_HZ, dtype=np.float32))
    write(tmp_path / "infinite.wav", np.array([0.5, np.inf] * RATE_HZ, dtype=np.float32))
    (tmp_path / "text.wav").write_text("not audio")
    (tmp_path / "empty.wav").touch()
    return tmp_path


def audited(clips, root, *others, **more):
    return audit_corpora(clips, CorpusParameters(name="c", root=root), *others, **more)


def names(root):
    return sorted(path.name for path in root.glob("*.wav"))


def test_every_clip_is_accepted_or_rejected_with_a_reason(corpus):
    clips, rejected = audited(table([*names(corpus), "missing.wav"]), corpus, AUDIT, HERE)

    kinds = dict(zip(rejected["path"], rejected["reason"].str.split(":").str[0], strict=True))
    assert clips["path"].tolist() == ["good.wav", "stereo.wav"]
    assert kinds == {
        "silent.wav": "too quiet",
        "zeros.wav": "too quiet",
        "offset.wav": "too quiet",
        "short.wav": "too short",
        "none.wav": "empty",
        "nan.wav": "not finite",
        "infinite.wav": "not finite",
        "text.wav": "unreadable",
        "empty.wav": "unreadable",
        "missing.wav": "unreadable",
    }
    assert list(rejected.columns) == ["clip_id", "corpus", "path", "reason"]
    assert "8000 of 16000 samples" in rejected.set_index("path")["reason"]["nan.wav"]
    assert "offset" in rejected.set_index("path")["reason"]["offset.wav"]
    assert "audit.silence_dbfs" in rejected.set_index("path")["reason"]["silent.wav"]


def test_measurements_have_known_values(corpus):
    clips, rejected = audited(table(["good.wav", "stereo.wav"]), corpus, AUDIT, HERE)

    assert list(clips.columns) == [*CLIP_COLUMNS, *AUDIT_COLUMNS]
    assert rejected.empty
    assert clips["duration_s"].tolist() == [0.5, 0.25]
    assert clips["sample_rate_hz"].tolist() == [8_000, 16_000]
    assert clips["channels"].tolist() == [1, 2]
    # The peak of a sine of 16 samples a period is its amplitude; that of the mean of 1 and 1/2 is 3/4 of it.
    np.testing.assert_allclose(clips["peak_dbfs"], [20 * np.log10(0.5), 20 * np.log10(0.375)], atol=1e-4)
    assert clips["content_hash"].str.len().tolist() == [32, 32]


def test_parts_of_files_are_measured_as_parts(tmp_path):
    write(tmp_path / "a.wav", np.concatenate([tone(1.0, 0.5), tone(1.0, 0.25)]))
    parts = table(["a.wav"] * 4, clip_id=list("1234"), start_s=[0, 1, 1.5, 5], end_s=[1, 1.25, np.nan, 6])

    clips, rejected = audited(parts, tmp_path, AuditParameters(max_duration_s=1), HERE)

    assert clips["duration_s"].tolist() == [1.0, 0.25, 0.5]
    np.testing.assert_allclose(10 ** (clips["peak_dbfs"] / 20), [0.5, 0.25, 0.25], atol=1e-4)
    assert rejected["reason"].tolist() == ["empty: there are no samples in this part of the file"]


def test_nothing_left_is_an_error_that_names_the_first(tmp_path):
    (tmp_path / "a.wav").touch()

    with pytest.raises(AffettoError, match=r"All 1 clips of c .* c/a.wav, is unreadable: .*0 bytes"):
        audited(table(["a.wav"]), tmp_path, AUDIT, HERE)


def test_equal_recordings_are_kept_in_one_group(tmp_path):
    for name in ("a.wav", "b.wav", "d.wav"):
        write(tmp_path / name, tone())
    write(tmp_path / "c.wav", tone(frequency_hz=600.0))
    write(tmp_path / "e.wav", tone(frequency_hz=700.0))
    clips = table(
        names(tmp_path), group=["g2", "g1", "g2", "g3", "g4"], emotion=["anger", "fear", "fear", None, None]
    )

    kept, rejected = audited(clips, tmp_path, AUDIT, HERE)
    summary = summarise_audit(kept, rejected, AUDIT)

    assert rejected.empty
    assert kept["group"].tolist() == ["g1", "g1", "g1", "g1", "g4"]
    assert summary["duplicates"] == [["c/a.wav", "c/b.wav", "c/d.wav"]] == summary["conflicting_labels"]


def utterance(seed, seconds=2.0):
    """A voice-like sound of its own: noise in changing bands."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    knots = np.linspace(0, seconds, 16)
    phases = [2 * np.pi * np.cumsum(np.interp(time_s, knots, rng.uniform(300, 2_000, 16))) for _ in range(4)]
    loudness = np.interp(time_s, knots, rng.uniform(0.2, 1, 16))
    sound = loudness * sum(np.sin(phase / RATE_HZ) for phase in phases) / 10
    return (sound + rng.normal(0, 0.002, len(sound))).astype(np.float32)


def write_copies(folder):
    """Two takes, the first as five files of different samples."""
    folder.mkdir(exist_ok=True)
    take = utterance(0)
    write(folder / "take.wav", take)
    soundfile.write(folder / "song.mp3", take, RATE_HZ)
    soundfile.write(folder / "song.ogg", take, RATE_HZ)
    write(folder / "quieter.wav", take / 2, subtype="PCM_16")
    write(folder / "rate.wav", soxr.resample(take, RATE_HZ, 48_000), 48_000)
    write(folder / "trimmed.wav", take[round(0.05 * RATE_HZ) :])
    write(folder / "another.wav", utterance(1))
    return sorted(path.name for path in folder.iterdir())


def test_copies_that_sound_alike_are_kept_in_one_group_and_named_after_the_first(tmp_path, caplog):
    caplog.set_level("INFO", "affetto")
    paths = write_copies(tmp_path / "c")

    kept, rejected = audited(table(paths), tmp_path / "c", AUDIT, HERE)
    summary = summarise_audit(kept, rejected, AUDIT)

    others = [f"c/{path}" for path in paths if path != "another.wav"]
    assert rejected.empty
    assert kept["content_hash"].is_unique
    assert kept["take"].tolist() == ["c/another.wav", *[others[0]] * 6]
    assert kept["group"].tolist() == ["another.wav", *["quieter.wav"] * 6]
    assert summary["copies"] == [others]
    assert [record.message for record in caplog.records if "united" in record.message] == [
        "5 groups have a recording of another one, or a copy of it, and are united with it: rate.wav with "
        "quieter.wav, song.mp3 with quieter.wav, song.ogg with quieter.wav, take.wav with quieter.wav, "
        "trimmed.wav with quieter.wav"
    ]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12))
def test_united_groups_are_the_connected_components(pairs):
    """Against the definition: the closure of "same group or same content", by repeated merging."""
    clips = pd.DataFrame(pairs, columns=["group", "content_hash"]).astype("str")
    clips = clips.assign(clip_id="c/x", corpus="c", path="x.wav")
    components = [({group}, {content}) for group, content in pairs]
    for _ in pairs:
        for groups, contents in components:
            for group, content in pairs:
                if group in groups or content in contents:
                    groups.add(group)
                    contents.add(content)

    united = unite_groups_of_duplicates(clips)["group"].tolist()

    assert united == [str(min(groups)) for groups, _ in components]


def test_a_second_audit_decodes_only_what_changed(corpus, tmp_path_factory, monkeypatch):
    store = ResultStore(tmp_path_factory.mktemp("store"))
    clips = table(names(corpus))
    first = audited(clips, corpus, AUDIT, HERE, store=store)
    decoded = []
    measure = audit_module.measure_clip
    monkeypatch.setattr(
        audit_module,
        "measure_clip",
        lambda path, *part, audit: decoded.append(path.name) or measure(path, *part, audit),
    )

    second = audited(clips, corpus, AUDIT, HERE, store=store)
    assert decoded == []
    for old, new in zip(first, second, strict=True):
        pd.testing.assert_frame_equal(old, new)

    audited(clips, corpus, AuditParameters(level_outlier_db=5), HERE, store=store)
    assert decoded == []

    write(corpus / "good.wav", tone(0.6))
    third, _ = audited(clips, corpus, AUDIT, HERE, store=store)
    assert "good.wav" in decoded
    assert third["duration_s"].iloc[0] == pytest.approx(0.6)


@pytest.mark.parametrize("fault", ["away", "error"])
@pytest.mark.parametrize("name", ["b.wav", "b.mid"])
def test_a_fault_of_the_storage_is_not_remembered(tmp_path, tmp_path_factory, monkeypatch, fault, name):
    write(tmp_path / "a.wav", tone())
    write(tmp_path / "b.wav", tone(0.7))
    score = symusic.Score(480)
    score.tracks.append(symusic.Track())
    score.tracks[0].notes.append(symusic.Note(time=0, duration=960, pitch=60, velocity=90))
    score.dump_midi(tmp_path / "b.mid")
    store = ResultStore(tmp_path_factory.mktemp("store"))
    check = decode_module._check_is_file

    def fail(path):
        if path.name != name:
            return check(path)
        if fault == "error":
            raise decode_module.UnreachableError(f"Cannot read {path}: Input/output error.")
        path.rename(tmp_path / "elsewhere")
        try:
            return check(path)
        finally:
            (tmp_path / "elsewhere").rename(path)

    def run():
        _, rejected = audited(table(["a.wav", name]), tmp_path, AUDIT, HERE, store=store)
        return rejected["path"].tolist(), len(
            cut_segments(table([name]), tmp_path, 0.3, None, HERE, store=store)
        )

    with monkeypatch.context() as patch:
        patch.setattr(decode_module, "_check_is_file", fail)
        assert run() == ([name], 1)
    rejected, n_segments = run()
    assert rejected == []
    assert n_segments > 1


@pytest.mark.parametrize(
    ("emotions", "aside"),
    [
        (["anger"] * 2 + ["fear"] * 2 + ["disgust", None], ["disgust"]),
        (["anger"] * 2 + ["fear"] * 2 + ["disgust", "calm"], ["calm", "disgust"]),
        (["anger"] * 2 + ["fear", "disgust"], []),  # one emotion alone would be left
        (["anger"] * 2 + ["fear"] * 2 + [None], []),
    ],
)
def test_the_only_clip_of_an_emotion_is_set_aside_with_its_reason(emotions, aside, caplog):
    ids = [f"c/{number}" for number in range(len(emotions))]
    clips = pd.DataFrame({"clip_id": ids, "corpus": "c", "path": ids, "emotion": emotions})
    rejected = pd.DataFrame({"clip_id": ["c/x"], "corpus": "c", "path": "x", "reason": "too quiet: …"})

    kept, out = set_lone_emotions_aside(clips.astype({"emotion": "str"}), rejected)
    reasons = [f"lone emotion: the only clip of {emotion}" for emotion in aside]
    assert sorted(out["reason"].tolist()[1:]) == reasons
    assert len(kept) + len(out) == len(clips) + 1
    assert kept.index.tolist() == list(range(len(kept)))
    assert ("one clip only of " + ", ".join(aside) in caplog.text) == bool(aside)
