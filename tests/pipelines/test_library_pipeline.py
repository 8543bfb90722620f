"""A small library from files to its table, with a model and themes fitted on synthetic music."""

import json
import shutil
from pathlib import Path

import mutagen
import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml
from kedro.io import DataCatalog

from affetto.corpora.parameters import AuditParameters, CorpusParameters
from affetto.datasets.results import ResultsDataset
from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.table import FeatureTable, MfccParameters, MidtermParameters
from affetto.io.workers import ExecutorParameters
from affetto.models.estimator import build_estimator
from affetto.pipelines.corpora.pipeline import create_clips_pipeline, create_features_pipeline
from affetto.pipelines.recommend.pipeline import create_library_pipeline
from affetto.recommendation.parameters import LibraryExportParameters
from affetto.recommendation.recognition import find_themes
from affetto.themes.codebook import fit_codebook
from affetto.themes.model import fit_themes
from affetto.themes.parameters import CodebookParameters, DescriptorParameters, TopicParameters
from affetto.themes.words import count_words

RATE = 22_050
HERE = ExecutorParameters(n_jobs=1, progress=False)
CONF = Path(__file__).parents[2] / "conf/base"
KINDS = {
    "mfcc": MfccParameters(delta_order=0),
    "midterm": MidtermParameters(groups=("key", "notes"), window_s=1.0),
}


def music(pitch_hz, seed, seconds=3.0):
    rng = np.random.default_rng(seed)
    t = np.arange(int(RATE * seconds)) / RATE
    wave = sum(np.sin(2 * np.pi * k * pitch_hz * t) / k for k in range(1, 6))
    return (0.1 * wave * (1 + 0.3 * np.sin(2 * np.pi * 3 * t)) + 0.01 * rng.normal(size=len(t))).astype(
        np.float32
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What the theme pipeline leaves: a fitted model, a codebook, themes and their cards."""
    pieces = [music(pitch, seed) for seed in range(8) for pitch in (110.0, 440.0)]
    ids, emotions = [f"t/{i}" for i in range(16)], ["calm", "happy"] * 8
    features = FeatureSet(
        {
            name: ClipFeatures.from_arrays(
                name,
                ids,
                [kind.extract(piece, RATE) for piece in pieces],
                dimensions=kind.dimensions(),
                hop_s=kind.frame_s,
                parameters=kind.describe(),
            )
            for name, kind in KINDS.items()
        }
    )
    model = build_estimator("statistics_svm", {})
    model.fit(FeatureSet({"mfcc": features["mfcc"]}), emotions, ids)
    directory = tmp_path_factory.mktemp("model") / "fit"
    model.save(directory)
    codebook = fit_codebook(
        features,
        CodebookParameters(
            descriptors={
                "timbre": DescriptorParameters(dimensions=("mfcc_",), n_words=6),
                "notes": DescriptorParameters(
                    feature="midterm", dimensions=("notes_",), n_words=4, frame_step=1
                ),
            }
        ),
    )
    words = count_words(codebook, features, HERE)
    themes, _ = fit_themes(words, emotions, ids, TopicParameters(candidates=(2,)), HERE, all_emotions=["sad"])
    cards = [
        {"theme": theme, "emotion": theme.split("/")[0], "name": f"name of {theme}"}
        for theme in themes.themes
    ]
    return str(directory), codebook, themes, cards


@pytest.fixture
def library(tmp_path):
    root = tmp_path / "library"
    (root / "artist").mkdir(parents=True)
    soundfile.write(root / "artist/low.flac", music(110.0, 50), RATE)
    soundfile.write(root / "artist/high.wav", music(440.0, 51, seconds=20.0), RATE)
    soundfile.write(root / "silent.wav", np.zeros(RATE), RATE)
    (root / "broken.wav").write_bytes(b"RIFF, but no more")
    return root


@pytest.fixture
def describe(run, trained, library, tmp_path):
    """Return what describes the library as the catalog has it: the folder of reports and the tracks."""
    root = tmp_path / "data"

    def describe(*, model=trained[0], write_tags=False):
        texts = [(CONF / f"catalog/{name}.yml").read_text() for name in ("corpora", "features", "library")]
        places = "\n".join(texts).replace("${globals:music,${globals:data}}", str(root))
        entries = DataCatalog.from_config(yaml.safe_load(places.replace("${globals:data}", str(root))))
        _, codebook, themes, cards = trained
        values = {
            "params:library.corpus": CorpusParameters(source="library", root=str(library)),
            "params:library.audit": AuditParameters(),
            "params:library.export": LibraryExportParameters(write_tags=write_tags),
            "params:taxonomy": yaml.safe_load((CONF / "taxonomy.yml").read_text())["taxonomy"],
            "params:music.features": FeatureTable(**KINDS),
            "music.emotion.m.model": Path(model),
            "music.theme.codebook": codebook,
            "music.theme.model": themes,
            "music.theme.cards": cards,
        }
        pipeline = (
            create_clips_pipeline("library", kind="music")
            + create_features_pipeline("library", tuple(KINDS), parameters_of="music")
            + create_library_pipeline("m", ["mfcc"])
        )
        run(pipeline, values, {name: entries[name] for name in pipeline.all_outputs()})
        folder = root / "08_reporting/library"
        return folder, pd.read_csv(folder / "tracks.csv").set_index("clip_id")

    return describe


def test_every_track_gets_emotion_theme_highlight_and_confidence(describe, trained):
    folder, tracks = describe()
    assert sorted(tracks.index) == ["library/artist/high", "library/artist/low"]
    assert tracks["emotion"].to_dict() == {"library/artist/high": "happy", "library/artist/low": "calm"}
    for _, row in tracks.iterrows():
        assert row["theme"].startswith(row["emotion"])
        assert row["theme_name"] == f"name of {row['theme']}"
        assert row["confidence"] == pytest.approx(row["emotion_probability"] * row["theme_probability"])
        assert 0 < row["confidence"] <= row["emotion_probability"] <= 1
    high = tracks.loc["library/artist/high"]
    assert high["highlight_end_s"] - high["highlight_start_s"] == pytest.approx(15.0)
    told = ResultsDataset(filepath=str(folder / "tables")).load()
    pd.testing.assert_index_equal(told["tracks"].columns[1:], tracks.columns)
    assert set(told["mixtures"]["clip_id"]) == set(tracks.index)
    assert told["cards"] == trained[3]
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["tracks"] == 2
    assert summary["set_aside"] == {"too quiet": 1, "unreadable": 1}
    assert summary["themes"]["sad/1"] == {"emotion": "sad", "name": "name of sad/1", "tracks": 0}
    assert summary["unsure"] == (tracks["emotion_probability"] < 0.5).sum()
    assert not (folder / "tagged").exists()


def test_tags_are_written_into_copies(describe, library):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in library.rglob("*.*")}
    folder, tracks = describe(write_tags=True)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in library.rglob("*.*")} == before
    tags = mutagen.File(folder / "tagged/artist/low.flac").tags
    assert tags["MOOD"] == ["calm"]
    assert tags["AFFETTO_THEME"] == [tracks.loc["library/artist/low", "theme"]]
    assert pd.read_csv(folder / "tagged/tagged.csv")["tagged"].all()


def test_a_second_run_asks_the_model_nothing(describe, trained, tmp_path, monkeypatch):
    _, first = describe()
    shutil.copytree(trained[0], tmp_path / "elsewhere")  # the same model, wherever it lies

    def refuse(*_):
        raise AssertionError("asked again")

    monkeypatch.setattr("affetto.recommendation.recognition.detect_speech", refuse)
    monkeypatch.setattr("affetto.recommendation.recognition.predict_clips", refuse)
    _, second = describe(model=tmp_path / "elsewhere")
    pd.testing.assert_frame_equal(first, second)


def test_speech_in_a_library_is_noted_and_stays_in_it(describe, library, voice_of, caplog):
    pause = np.zeros(4_000, np.float32)
    spoken = np.concatenate([part for i in range(3) for part in (voice_of(2.5, 0.2 + 0.1 * i), pause)])
    soundfile.write(library / "lecture.wav", spoken, 16_000)
    soundfile.write(library / "greeting.wav", voice_of(1.5), 16_000)
    song = np.concatenate([voice_of(1.5), music(220.0, 3, 20.0)])  # announced: the rest is music
    soundfile.write(library / "announced.flac", song, RATE)
    caplog.set_level("INFO")

    folder, tracks = describe()

    notes = tracks["note"].fillna("").to_dict()
    assert {name for name, note in notes.items() if note} == {"library/lecture", "library/greeting"}
    assert set(notes.values()) == {"", "not music: mostly speech"}
    summary = json.loads((folder / "summary.json").read_text())
    assert sorted(summary["mostly_speech"]) == ["library/greeting", "library/lecture"]
    assert "2 of the tracks are mostly speech, not music." in caplog.text


def test_tracks_without_words_have_no_theme(trained):
    _, codebook, themes, _ = trained
    frames = {name: np.empty((0, len(dimensions))) for name, dimensions in codebook.dimensions.items()}
    features = {
        name: ClipFeatures.from_arrays(name, ["l/a"], [empty], dimensions=codebook.dimensions[name])
        for name, empty in frames.items()
    }
    mixtures, wordless = find_themes(codebook, themes, FeatureSet(features), HERE)
    assert wordless == ["l/a"]
    assert mixtures.empty


def test_clips_of_other_dimensions_than_the_codebook_are_refused(trained):
    _, codebook, themes, _ = trained
    features = {name: ClipFeatures.from_arrays(name, ["l/a"], [np.zeros((3, 2))]) for name in KINDS}
    with pytest.raises(AffettoError, match="of mfcc, but the clips have 2 others"):
        find_themes(codebook, themes, FeatureSet(features), HERE)
