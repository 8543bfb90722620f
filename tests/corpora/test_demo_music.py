import hashlib
from dataclasses import replace
from pathlib import Path

import music21
import numpy as np
import pytest
import soundfile

from affetto.corpora.demo import music as demo_music
from affetto.corpora.demo.music import ORIGIN_TAGS, build_demo_music
from affetto.corpora.demo.performance import CUES, STYLES, draw_cues, ratings_of
from affetto.corpora.demo.scores import SCORES, read_score
from affetto.errors import AffettoError
from affetto.io.workers import ExecutorParameters

SUBSET = {"jig": SCORES["jig"][:1], "chorale": SCORES["chorale"][:1]}


def folder_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.flac")):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    folder = tmp_path_factory.mktemp("music")
    return folder, build_demo_music(folder, scores=SUBSET)


def test_catalogue_has_five_families_of_five_different_scores():
    names = [path for paths in SCORES.values() for path in paths]
    assert len(SCORES) == 5
    assert all(len(paths) == 5 for paths in SCORES.values())
    assert len(set(names)) == len(names) == 25
    assert set(SCORES) == set(STYLES) == set(ORIGIN_TAGS)


def test_a_chorale_is_read_like_music21_strips_its_ties():
    path = SCORES["chorale"][0]
    notes = read_score("chorale", path)
    file = Path(music21.__file__).parent / "corpus" / path
    reference = music21.converter.parseFile(file, forceSource=True, storePickle=False)
    expected = sorted(
        (float(note.offset), pitch.midi, float(note.quarterLength))
        for part in reference.parts
        for note in part.stripTies().flatten().notes
        for pitch in note.pitches
    )
    assert sorted(zip(notes.onset, notes.pitch, notes.duration, strict=True)) == expected
    assert np.mean(notes.pitch[notes.part == 0]) > np.mean(notes.pitch[notes.part == 3])


def test_missing_score_is_an_error_that_names_it():
    with pytest.raises(AffettoError, match=r"bach/none\.mxl"):
        read_score("chorale", "bach/none.mxl")


def test_each_score_is_played_in_each_emotion(music):
    folder, rows = music
    assert len(rows) == 2 * len(CUES)
    assert {(row["group"], row["emotion"]) for row in rows} == {
        (group, emotion) for group in {row["group"] for row in rows} for emotion in CUES
    }
    assert {row["theme"] for row in rows} == {"jig", "chorale"}
    for row in rows:
        info = soundfile.info(folder / row["file"])
        assert (info.samplerate, info.channels, info.subtype) == (22050, 1, "PCM_16")
        assert 27 < info.duration < 33
        samples, _ = soundfile.read(folder / row["file"])
        assert -40 < 20 * np.log10(np.std(samples)) < -12
        assert np.max(np.abs(samples)) < 1.0
    assert len({row["title"] for row in rows}) == len(rows)
    assert not any(emotion in row["title"].lower() for row in rows for emotion in CUES)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_building_again_gives_the_same_bytes_in_workers_too(music, tmp_path, monkeypatch, n_jobs):
    folder, rows = music
    monkeypatch.setattr(demo_music, "_SCORES_A_SHARD", 1)
    again = build_demo_music(
        tmp_path / "again", scores=SUBSET, executor=ExecutorParameters(n_jobs=n_jobs, progress=False)
    )
    assert again == rows
    assert folder_hash(tmp_path / "again") == folder_hash(folder)


def test_a_clip_depends_on_the_seed_and_not_on_the_scores_before_it(music, tmp_path):
    folder, _ = music
    for seed in (0, 1):
        build_demo_music(tmp_path / str(seed), scores={"chorale": SUBSET["chorale"]}, seed=seed)
        same = folder_hash(tmp_path / str(seed) / "chorale") == folder_hash(folder / "chorale")
        assert same == (seed == 0)


@pytest.mark.parametrize(
    ("cue", "order"),
    [
        ("tempo_octaves", ("sad", "calm", "tense", "happy")),
        ("level_db", ("sad", "calm", "happy", "tense")),
        ("articulation", ("happy", "tense", "calm", "sad")),
        ("register_st", ("tense", "sad", "calm", "happy")),
        ("brightness", ("sad", "calm", "tense", "happy")),
        ("timing_ms", ("happy", "calm", "sad", "tense")),
    ],
)
def test_drawn_cues_keep_the_published_order(cue, order):
    def mean(emotion):
        generator = np.random.default_rng(0)
        return np.mean([getattr(draw_cues(emotion, generator), cue) for _ in range(400)])

    assert all(np.diff([mean(emotion) for emotion in order]) > 0)


def test_ratings_lie_in_the_quadrant_of_the_emotion_and_follow_the_cues():
    signs = {
        name: tuple(float(each) > 0 for each in ratings_of(cues).values()) for name, cues in CUES.items()
    }

    expected = {"happy": (True, True), "tense": (False, True), "sad": (False, False), "calm": (True, False)}
    assert signs == expected
    faster = replace(CUES["calm"], tempo_octaves=0.2)
    assert float(ratings_of(faster)["arousal"]) > float(ratings_of(CUES["calm"])["arousal"])
