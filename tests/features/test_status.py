import pytest

from affetto.features.extract import extract
from affetto.features.log_mel import LogMelParameters
from affetto.features.status import store_status
from affetto.features.store import FeatureStore
from affetto.io.workers import ExecutorParameters

MEL = LogMelParameters()
EMPTY = "Cannot decode …: the file is empty (0 bytes)."


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "log_mel")


@pytest.fixture
def clips(corpus):
    return corpus[0][:6].reset_index(drop=True)


@pytest.fixture
def run(store, corpus):
    """Return a function that extracts clips into the store."""

    def run(clips, parameters=MEL, root=corpus[1], **options):
        executor = ExecutorParameters(n_jobs=1, progress=False)
        extract(clips, root, {"log_mel": parameters}, store.root.parent, executor, **options)

    return run


@pytest.fixture
def status(store, corpus):
    """Return a function that compares the store with what a run would extract."""

    def status(clips, parameters=MEL, root=corpus[1], other_roots=None):
        return store_status(store, parameters, clips, root, other_roots or {})

    return status


@pytest.mark.parametrize(
    "change",
    [
        lambda clips: clips[:-1],
        lambda clips: clips[::-1],
        lambda clips: clips.assign(start_s=0.1),
        lambda clips: clips.assign(clip_id="d" + clips["clip_id"]),
    ],
)
def test_every_change_of_the_clips_is_noticed(clips, run, status, change):
    run(clips)
    assert status(change(clips)).state == "clips changed"


def test_reasons_are_counted_without_the_paths_of_clips(corpus, clips, run, status, tmp_path):
    for name in ("a.wav", "b.wav", "c.wav"):
        (tmp_path / name).write_bytes(b"" if name != "c.wav" else b"no sound")
    clips = clips[:4].assign(
        corpus=["other", "other", "other", "c"],
        path=["a.wav", "b.wav", "c.wav", clips["path"][3]],
        content_hash=["a", "b", "c", "d"],
    )
    run(clips, other_roots={"other": tmp_path})
    found = status(clips, other_roots={"other": tmp_path})
    assert (found.planned, found.extracted, found.state) == (4, 1, "fresh")
    assert list(found.set_aside.values()) == [2, 1]
    assert next(iter(found.set_aside)) == EMPTY
