"""Corpora and stores on a real S3 server of this machine, and on the in-memory file system."""

import io
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from affetto.audio.decode import open_recording, read_audio
from affetto.cli.messages import explain
from affetto.corpora.audit import audit_corpora
from affetto.corpora.index import index_corpora
from affetto.corpora.parameters import AuditParameters, CorpusParameters
from affetto.datasets.estimator import EstimatorDataset
from affetto.datasets.features import FeaturesDataset
from affetto.errors import AffettoError
from affetto.features.extract import extract
from affetto.features.log_mel import LogMelParameters
from affetto.features.store import FeatureStore
from affetto.io.cache import CacheParameters, ResultStore
from affetto.io.paths import as_path
from affetto.io.workers import ExecutorParameters, end_workers

CONF = Path(__file__).parents[2] / "conf/base"
TAXONOMY = yaml.safe_load((CONF / "taxonomy.yml").read_text(encoding="utf-8"))["taxonomy"]
ONE_CLIP = pd.DataFrame({"clip_id": ["c"], "path": ["sad/0 声 'sad'.wav"]})
EMOTIONS = ("angry", "happy", "sad")
POOL = ExecutorParameters(n_jobs=2, progress=False)
ALONE = ExecutorParameters(n_jobs=1, progress=False)


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    """Address of a bucket; the environment tells this process and its workers how to get there."""
    pytest.importorskip("s3fs")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    end_workers()  # its workers were started without the environment below
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("NO_PROXY", host)
        environment.setenv("AFFETTO_CACHE", str(tmp_path_factory.mktemp("cache")))
        _forget_clients()
        as_path("s3://bucket").fs.mkdir("bucket")
        yield "s3://bucket"
        _forget_clients()
    end_workers()
    server.stop()


def _forget_clients():
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """Address of a folder in memory, which only this process sees."""
    monkeypatch.setenv("AFFETTO_CACHE", str(tmp_path / "cache"))
    yield f"memory://{tmp_path.name}"
    root = as_path(f"memory://{tmp_path.name}")
    if root.exists():
        root.fs.rm(root.path, recursive=True)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A corpus of folders: 24 clips, a duplicate, one that is no audio, names that need quoting."""
    root = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    for emotion in EMOTIONS:
        (root / emotion).mkdir()
        for i in range(8):
            path = root / emotion / f"{i} 声 '{emotion}'.wav"
            soundfile.write(path, 0.1 * rng.standard_normal(8_000), 16_000)
    (root / "sad" / "copy.wav").write_bytes((root / "sad" / "0 声 'sad'.wav").read_bytes())
    (root / "sad" / "broken.wav").write_bytes(b"RIFF and no more")
    (root / "sad" / ".hidden.wav").write_bytes(b"x")
    return root


def upload(folder: Path, address: str) -> None:
    target = as_path(address)
    for path in folder.rglob("*"):
        if path.is_file():
            (target / path.relative_to(folder).as_posix()).write_bytes(path.read_bytes())


def run(root: str, store: str, audit_store: str, executor):
    """Index, audit and extract a corpus of folders; return clips, rejected and features."""
    parameters = CorpusParameters(source="folders", root=root)
    clips = index_corpora(parameters, TAXONOMY, side="voice")
    memo = ResultStore(as_path(audit_store))
    clips, rejected = audit_corpora(clips, parameters, AuditParameters(), executor, store=memo)
    found = log_mel(clips, parameters.root, store, executor)
    return clips, rejected, found.features, found


def log_mel(clips, root, stores, executor=ALONE):
    return extract(clips, root, {"log_mel": LogMelParameters()}, as_path(stores), executor)["log_mel"]


@pytest.mark.parametrize("place", ["s3", "memory"])
def test_a_corpus_elsewhere_gives_what_it_gives_here(place, corpus, tmp_path, request):
    address = request.getfixturevalue(place)
    executor = POOL if place == "s3" else ALONE
    upload(corpus, f"{address}/corpus")
    here = run(str(corpus), str(tmp_path / "store"), str(tmp_path / "audit"), ALONE)
    there = run(f"{address}/corpus", f"{address}/store", f"{address}/audit", executor)
    pd.testing.assert_frame_equal(there[0], here[0])
    assert there[1]["clip_id"].tolist() == here[1]["clip_id"].tolist() == ["folders/sad/broken"]
    assert there[2].fingerprint == here[2].fingerprint
    for a, b in zip(there[2], here[2], strict=True):
        np.testing.assert_array_equal(a, b)
    assert (there[3].computed, there[3].reused) == (25, 0)
    again = run(f"{address}/corpus", f"{address}/store", f"{address}/audit", executor)
    assert (again[3].computed, again[3].reused) == (0, 25)
    assert not as_path(address).fs.glob(f"{as_path(address).path}/**/*.partial")


@pytest.mark.parametrize("place", ["s3", "memory"])
def test_a_store_elsewhere_is_collected(place, tmp_path, request, corpus):
    address = f"{request.getfixturevalue(place)}/collected"
    store = FeatureStore(as_path(address) / "log_mel")
    clips = pd.DataFrame({"clip_id": [f"c/{i}" for i in range(8)]})
    clips = clips.assign(path=[f"sad/{i} 声 'sad'.wav" for i in range(8)], content_hash=clips["clip_id"])
    first = log_mel(clips, corpus, address).features
    log_mel(clips[2:5], corpus, address)
    assert (store.usage().rows_used, store.usage().rows_unused, store.usage().shards) == (3, 5, 1)
    assert store.collect()[0] == 5
    assert (store.usage().rows_used, store.usage().rows_unused, store.usage().shards) == (3, 0, 1)
    for i, array in enumerate(store.features(), start=2):
        np.testing.assert_array_equal(array, first[i])


def test_recordings_elsewhere_decode_as_here(memory, corpus, monkeypatch):
    upload(corpus, f"{memory}/corpus")
    name = "happy/3 声 'happy'.wav"
    there, here = as_path(f"{memory}/corpus") / name, corpus / name
    with open_recording(there) as first, open_recording(here) as second:
        assert first.header == second.header
    for part in ({}, {"start_s": 0.1, "end_s": 0.3}, {"sample_rate_hz": 8_000}):
        np.testing.assert_array_equal(read_audio(there, **part)[0], read_audio(here, **part)[0])
    monkeypatch.setattr("affetto.audio.decode._FETCHED_WHOLE_BYTES", 0)  # as if it were too large for that
    np.testing.assert_array_equal(read_audio(there, start_s=0.2)[0], read_audio(here, start_s=0.2)[0])


def test_a_recording_that_changed_is_fetched_again(memory):
    path = as_path(f"{memory}/a.wav")
    for level in (0.1, 0.2):
        content = io.BytesIO()
        soundfile.write(content, np.full(100, level), 16_000, format="WAV", subtype="FLOAT")
        path.write_bytes(content.getvalue())
        assert read_audio(path)[0][0] == np.float32(level)


@pytest.mark.parametrize("place", ["s3", "memory"])
def test_results_and_features_elsewhere_are_found_again(place, request, corpus, tmp_path):
    address = request.getfixturevalue(place)
    store = CacheParameters(features=address, results=f"{address}/results", models="m", degraded="d").store
    assert store.get({"seed": 1}) is None
    store.compute({"seed": 1}, lambda: {"array": np.arange(3), "value": 2.5})
    again = store.compute({"seed": 1}, lambda: pytest.fail("it was there"))
    assert (again["value"], again["array"].tolist()) == (2.5, [0, 1, 2])
    features = log_mel(ONE_CLIP, corpus, f"{address}/store").features
    for note in (f"{address}/voice.json", str(tmp_path / "voice.json")):
        dataset = FeaturesDataset(filepath=note)
        assert not dataset.exists()
        dataset.save({"log_mel": features})
        assert dataset.load()["log_mel"].fingerprint == features.fingerprint


def test_models_stay_on_this_machine():
    for name, what in (("models", "models"), ("degraded", "d")):
        places = {**dict.fromkeys(("features", "results", "models", "degraded"), what), name: "s3://bucket/x"}
        with pytest.raises(AffettoError, match="cannot hold what workers write"):
            CacheParameters.model_validate(places)
    with pytest.raises(AffettoError, match="cannot hold a model"):
        EstimatorDataset(filepath="s3://bucket/model", command="kedro run")


def test_a_scheme_that_is_not_known_or_not_installed(monkeypatch):
    with pytest.raises(AffettoError, match="'nosuch'"):
        as_path("nosuch://bucket/corpus")
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(AffettoError, match="install gcsfs"):
        as_path("gs://bucket/corpus")


def test_a_bucket_that_is_not_there(s3, corpus):
    with pytest.raises(AffettoError, match="bucket does not exist"):
        log_mel(ONE_CLIP, corpus, "s3://nobody/store")
    with pytest.raises(AffettoError, match="not there"):
        index_corpora(CorpusParameters(source="folders", root="s3://nobody/corpus"), TAXONOMY, side="voice")


def test_missing_credentials_and_a_server_that_is_away_are_explained(s3, monkeypatch):
    from botocore.exceptions import BotoCoreError

    def explained():
        _forget_clients()
        with pytest.raises(BotoCoreError) as error:
            as_path("s3://bucket/corpus").is_dir()
        return explain(error.value)

    with monkeypatch.context() as patch:
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        assert "locate credentials" in explained()
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        assert "cannot be reached" in explained()
    _forget_clients()
