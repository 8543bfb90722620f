import numpy as np
import pytest
from pydantic import TypeAdapter

from affetto.audio.conditions import Condition
from affetto.audio.recording import UnreachableError
from affetto.errors import AffettoError
from affetto.features.clip_features import FeatureSet
from affetto.features.extract import extract, extract_degraded
from affetto.features.table import LogMelParameters, MfccParameters
from affetto.io.workers import ExecutorParameters

HERE = ExecutorParameters(n_jobs=1, progress=False)
PARAMETERS = {
    "mfcc": MfccParameters(sample_rate_hz=16_000, n_fft=512, hop=160),
    "log_mel": LogMelParameters(),
}


@pytest.fixture(scope="module")
def clean(corpus, tmp_path_factory):
    clips, root = corpus
    found = extract(clips[:6], root, PARAMETERS, tmp_path_factory.mktemp("clean"), HERE)
    return FeatureSet({name: each.features for name, each in found.items()})


@pytest.fixture
def degrade(clean, corpus, tmp_path):
    """Return a function that extracts the clean clips in a condition."""

    def run(entry, features=clean, *, folder="a", n_jobs=1, clips=corpus[0]):
        return extract_degraded(
            features,
            clips,
            TypeAdapter(Condition).validate_python(entry),
            root=corpus[1],
            other_roots={},
            stores=tmp_path / folder,
            executor=ExecutorParameters(n_jobs=n_jobs, progress=False),
            name="test",
        )

    return run


def assert_equal(one, other):
    assert one.fingerprint == other.fingerprint
    for name in one:
        for values, others in zip(one[name], other[name], strict=True):
            np.testing.assert_array_equal(values, others)


def test_a_lossless_copy_has_the_features_of_the_clip(clean, degrade):
    copies = degrade({"kind": "codec", "format": "flac"})
    assert copies.clip_ids == clean.clip_ids
    for name in clean:
        assert copies[name].parameters == clean[name].parameters
        for copy, clip in zip(copies[name], clean[name], strict=True):
            np.testing.assert_allclose(copy, clip, atol=0.05)  # the clips hold floats, FLAC 24 bits


def test_a_condition_changes_the_features_and_each_has_keys_of_its_own(clean, degrade):
    soft = degrade({"kind": "level", "peak_dbfs": -30.0})
    longer = degrade({"kind": "silence", "seconds": 0.5})
    assert (longer["log_mel"].n_frames - clean["log_mel"].n_frames >= 62).all()
    assert np.mean(soft["log_mel"][3]) < np.mean(clean["log_mel"][3]) - 10
    keys = [set(each["mfcc"].keys) for each in (clean, soft, longer)]
    assert len(set.union(*keys)) == sum(map(len, keys)) == 18


def test_copies_are_extracted_once_here_or_in_workers(clean, degrade, monkeypatch):
    entry = {"kind": "pink_noise", "snr_db": 20.0}
    first = degrade(entry, n_jobs=2)
    assert_equal(first, degrade(entry, folder="b"))

    def refuse(*_):
        raise AssertionError("extracted again")

    monkeypatch.setattr("affetto.features.extract.extract_together", refuse)
    assert_equal(first, degrade({**entry, "tolerance": 3.0}))
    one = degrade(entry, FeatureSet({"mfcc": clean["mfcc"].take([2, 0])}))
    np.testing.assert_array_equal(one["mfcc"][0], first["mfcc"][2])


def test_a_clip_that_cannot_be_decoded_is_left_out(clean, corpus, degrade, tmp_path, caplog):
    clips = corpus[0].copy()
    clips.loc[clips["clip_id"] == clean.clip_ids[1], "path"] = "gone.wav"
    copies = degrade({"kind": "stereo"}, clips=clips)
    assert copies.clip_ids == (clean.clip_ids[0], *clean.clip_ids[2:])
    assert "1 clips are left out" in caplog.text
    assert not list(tmp_path.rglob("copy*"))


@pytest.mark.parametrize(
    "error",
    [
        OSError("No space left on device"),
        MemoryError(),
        UnreachableError("Cannot read x: the share is gone."),
    ],
)
def test_a_full_disk_leaves_no_copy_out(error, degrade, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr("affetto.features.extract.write_copy", fail)
    with pytest.raises(AffettoError, match=r"cannot be copied .*run again"):
        degrade({"kind": "stereo"})
