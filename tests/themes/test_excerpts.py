import io

import numpy as np
import pandas as pd
import pytest
import soundfile

from affetto.datasets.named_files import SoundsDataset
from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.io.workers import ExecutorParameters
from affetto.themes.codebook import fit_codebook
from affetto.themes.excerpts import (
    RATE_HZ,
    Clips,
    Excerpt,
    cut_excerpts,
    nearest_excerpts,
)
from affetto.themes.parameters import CodebookParameters, DescriptorParameters

SERIAL = ExecutorParameters(n_jobs=1, progress=False)


@pytest.fixture(scope="module")
def heard():
    """Ten clips of frames 0.1 s apart near 0, in which one frame each is near 10: at place 5 + clip."""
    rng = np.random.default_rng(0)
    arrays = []
    for clip in range(10):
        frames = rng.normal(0, 0.5, (40, 2))
        frames[5 + clip] = 10 + 0.01 * clip
        arrays.append(frames.astype(np.float32))
    arrays.append(np.zeros((0, 2), np.float32))
    ids = [f"c/{clip}" for clip in range(11)]
    mfcc = ClipFeatures.from_arrays("mfcc", ids, arrays, dimensions=("mfcc_0", "mfcc_1"), hop_s=0.1)
    descriptor = DescriptorParameters(dimensions=("mfcc_",), n_words=2, frame_step=1)
    features = FeatureSet({"mfcc": mfcc})
    codebook = fit_codebook(features, CodebookParameters(descriptors={"timbre": descriptor}))
    rare = int(codebook.vocabularies["timbre"].words.sum(axis=1).argmax())
    return codebook, features, f"timbre/{rare}"


@pytest.fixture
def clips(tmp_path):
    table = pd.DataFrame({"clip_id": [f"c/{i}" for i in range(11)], "corpus": "x", "start_s": np.nan})
    table["path"] = [f"{i}.wav" for i in range(11)]
    for i in range(9):
        soundfile.write(tmp_path / f"{i}.wav", 0.1 * np.sin(np.arange(4 * RATE_HZ) / (5 + i)), RATE_HZ)
    (tmp_path / "9.wav").write_bytes(b"no sound")
    return Clips(table, tmp_path, {})


def test_a_word_is_found_where_it_is_heard_most_purely(heard):
    codebook, features, word = heard
    (found,) = nearest_excerpts(codebook, features, [word], SERIAL).values()
    assert len({excerpt.clip_id for excerpt in found}) == 6
    for excerpt in found:
        clip = int(excerpt.clip_id.removeprefix("c/"))
        assert excerpt.start_s <= 0.1 * (5 + clip) <= excerpt.end_s
        assert excerpt.end_s - excerpt.start_s == pytest.approx(0.4)


def test_excerpts_are_joined_and_leave_out_what_cannot_be_read(clips):
    excerpts = [Excerpt("c/0", 1.0, 1.5), Excerpt("c/9", 1.0, 1.5), Excerpt("c/1", 0.0, 0.5)]
    sheet = clips.join(excerpts)
    assert len(sheet) == pytest.approx(2 * (0.5 + 0.15) * RATE_HZ, rel=0.02)
    assert np.abs(sheet).max() == pytest.approx(0.5, abs=0.01)
    assert clips.join([Excerpt("c/9", 0, 1)]).size == 0
    with pytest.raises(AffettoError, match=r"9\.wav"):
        clips.cut(Excerpt("c/9", 0, 1))


def test_excerpts_end_with_their_segment(tmp_path):
    soundfile.write(tmp_path / "long.wav", 0.1 * np.sin(np.arange(4 * RATE_HZ) / 5), RATE_HZ)
    table = pd.DataFrame(
        {"clip_id": ["c/a"], "corpus": "x", "path": "long.wav", "start_s": 1.0, "end_s": 2.0}
    )
    excerpt = Clips(table, tmp_path, {}).cut(Excerpt("c/a", 0.75, 1.5))
    assert len(excerpt) == pytest.approx(0.25 * RATE_HZ, abs=2)


def test_material_is_named_after_what_is_heard(heard, clips, tmp_path):
    codebook, features, word = heard
    exemplars = [{"clip_id": f"c/{i}", "highlight_start_s": 0.0, "highlight_end_s": 2.0} for i in (0, 9, 3)]
    cards = [{"exemplars": exemplars, "words": [{"word": word}]}]
    audio, failed = cut_excerpts(cards, clips, codebook, features, SERIAL)
    assert set(audio) == {"exemplars/c/0", "exemplars/c/3", f"words/{word}"}
    assert "9.wav" in failed["c/9"]
    assert soundfile.info(io.BytesIO(audio["exemplars/c/0"])).samplerate == RATE_HZ
    dataset = SoundsDataset(filepath=str(tmp_path / "audio"))
    dataset.save(audio)
    dataset.save(audio)
    assert dataset.load() == audio
