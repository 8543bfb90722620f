"""Damaged files, odd names and traps go through index, audit and extraction: none stops the others."""

from __future__ import annotations

import io
import os
import random
import signal
import time

import numpy as np
import pytest
import soundfile
import symusic

from affetto.corpora import audit as audit_module
from affetto.corpora.audit import audit_corpora
from affetto.corpora.index import index_corpora
from affetto.corpora.measure import measure_clip
from affetto.corpora.parameters import AuditParameters, CorpusParameters
from affetto.features.extract import extract
from affetto.features.mfcc import MfccParameters
from affetto.io.workers import ExecutorParameters

RATE_HZ = 8_000
TAXONOMY = {"emotions": {"voice": ["anger"]}, "labels": {"generic_voice": {}}}
TWO = ExecutorParameters(n_jobs=2, progress=False)
AUDIT = AuditParameters(max_duration_s=60, time_limit_s=20)
FORMATS = ("wav", "flac", "ogg", "mp3", "aiff", "mid")
N_MUTATED = 200
NAMES = [
    "音乐 情感.wav",
    "with  spaces .wav",
    "'quotes' \"both\".wav",
    "line\nend.wav",
    "tab\tand\rreturn.wav",
    "-rf.wav",
    "--help.wav",
    "UPPER.WAV",
    "Mixed.WaV",
    "<script>alert(1)<script>.wav",
    "100%s {0} $HOME `id`.wav",
    "comma,semi;colon.wav",
    "=cmd|'calc'!A1.wav",
    "שלום.wav",
    "🎵.wav",
    "nfd-é.wav",
    "a.b.c.wav",
    "x" * 251 + ".wav",
]


def tone(seed):
    time_s = np.arange(RATE_HZ // 2) / RATE_HZ
    return (0.4 * np.sin(2 * np.pi * (200 + 10 * seed) * time_s)).astype(np.float32)


def encoded(kind, seed):
    """Return a good file of a kind as bytes."""
    if kind == "mid":
        score = symusic.Score(480)
        score.tracks.append(symusic.Track())
        for beat in range(8):
            note = symusic.Note(time=60 * beat, duration=60, pitch=40 + (seed + beat) % 40, velocity=90)
            score.tracks[0].notes.append(note)
        return score.dumps_midi()
    buffer = io.BytesIO()
    soundfile.write(buffer, tone(seed), RATE_HZ, format=kind.upper())
    return buffer.getvalue()


def flip(data, rng, region):
    changed = bytearray(data)
    for _ in range(rng.choice([1, 3, 10])):
        changed[rng.randrange(min(region, len(changed)))] ^= 1 << rng.randrange(8)
    return bytes(changed)


MUTATIONS = {
    "truncated_header": lambda data, rng: data[: rng.randrange(1, 60)],
    "truncated": lambda data, rng: data[: rng.randrange(len(data) // 4, len(data))],
    "flipped_header": lambda data, rng: flip(data, rng, 60),
    "flipped": lambda data, rng: flip(data, rng, len(data)),
    "zeroed": lambda data, rng: data[: (cut := rng.randrange(len(data)))] + bytes(len(data) - cut),
    "noise": lambda data, rng: rng.randbytes(len(data)),
    "shifted": lambda data, rng: rng.randbytes(rng.randrange(1, 40)) + data,
}


def mutated_files(root, n_files):
    """Write damaged files, the same ones every time."""
    rng = random.Random(0)
    for number in range(n_files):
        kind, (how, mutate) = rng.choice(FORMATS), rng.choice(list(MUTATIONS.items()))
        extension = rng.choice(FORMATS) if number % 10 == 0 else kind
        data = mutate(encoded(kind, number), rng)
        (root / f"{number:03d}_{how}_{kind}.{extension}").write_bytes(data)


def traps(root):
    """Write what is no recording, or no small one; return how many clips the index should list of it."""
    (root / "empty.wav").touch()
    (root / "folder.wav").mkdir()
    (root / "folder.wav" / "inside.wav").write_bytes(encoded("wav", 1))
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "self.wav").symlink_to(root / "self.wav")
    (root / "dangling.wav").symlink_to(root / "nowhere.wav")
    os.mkfifo(root / "pipe.wav")
    (root / "device.wav").symlink_to("/dev/zero")
    silence = io.BytesIO()
    soundfile.write(silence, np.zeros(30 * 60 * RATE_HZ, dtype=np.float32), RATE_HZ, format="FLAC")
    bomb = bytearray(silence.getvalue())
    (root / "bomb.flac").write_bytes(bomb)
    bomb[21] &= 0xF0  # the number of frames, 36 bits of STREAMINFO: unknown
    bomb[22:26] = bytes(4)
    (root / "hidden_bomb.flac").write_bytes(bomb)
    return 8


def corpus_at(root, **parameters):
    return CorpusParameters(source="folders", root=root, label_map={"*": None}, **parameters)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile")
    mutated_files(root, N_MUTATED)
    n_traps = traps(root)
    for number, name in enumerate(NAMES):
        (root / name).write_bytes(encoded("wav", number))
    (root / os.fsdecode(b"latin-\xe9.wav")).write_bytes(encoded("wav", 0))
    return root, N_MUTATED + n_traps + len(NAMES)


@pytest.fixture(scope="module")
def audited(hostile):
    root, _ = hostile
    clips = index_corpora(corpus_at(root), TAXONOMY, side="voice")
    kept, rejected = audit_corpora(clips, corpus_at(root), AUDIT, TWO)
    return clips, kept, rejected


def test_every_file_is_accepted_or_rejected_with_a_reason_and_in_order(hostile, audited):
    clips, kept, rejected = audited

    assert len(clips) == hostile[1]
    accepted, refused = kept["clip_id"].tolist(), rejected["clip_id"].tolist()
    assert sorted([*accepted, *refused]) == clips["clip_id"].tolist()
    assert [name for name in clips["clip_id"] if name in set(accepted)] == accepted
    assert [name for name in clips["clip_id"] if name in set(refused)] == refused
    assert rejected["reason"].str.match(r"[a-z ]+: \S[^\n]+$").all()
    assert set(rejected["reason"].str.split(":").str[0]) >= {"unreadable", "too long"}
    assert len(refused) > N_MUTATED / 3


def test_no_file_holds_the_others_up(audited):
    assert not audited[2]["reason"].str.contains("did not end").any()


def test_odd_names_are_no_reason_to_reject(audited):
    _, kept, _ = audited

    assert set(kept["path"]) >= {*NAMES, "folder.wav/inside.wav"}


def test_traps_are_rejected_for_what_they_are(audited):
    reasons = audited[2].set_index("path")["reason"]

    for path, words in {
        "empty.wav": "the file is empty",
        "self.wav": "symbolic links",
        "dangling.wav": "no such file",
        "pipe.wav": "not a regular file",
        "device.wav": "not a regular file",
        "bomb.flac": "too long: 1800 s",
        "hidden_bomb.flac": "too long: 61 s",
    }.items():
        assert words in reasons[path]


def test_a_name_that_is_no_text_is_left_out_and_said(hostile, caplog):
    clips = index_corpora(corpus_at(hostile[0]), TAXONOMY, side="voice")

    assert not clips["path"].str.startswith("latin").any()
    assert "are left out, rename them: latin-\\udce9.wav" in caplog.text


def test_what_is_accepted_is_extracted(hostile, audited, tmp_path):
    kept = audited[1]

    found = extract(kept, hostile[0], {"mfcc": MfccParameters()}, tmp_path, TWO)["mfcc"]

    assert found.failures == {}
    assert found.computed == len(kept)
    assert all(np.isfinite(values).all() for values in found.features)


def dying_measure(path, start_s, end_s, *, audit):
    """A decoder with a mistake in C: it crashes on one file and never ends on another."""
    if path.name == "UPPER.WAV":
        os.kill(os.getpid(), signal.SIGSEGV)
    if path.name == "Mixed.WaV":
        time.sleep(600)
    return measure_clip(path, start_s, end_s, audit)


def test_a_decoder_that_crashes_or_hangs_costs_its_clip_only(hostile, audited, monkeypatch):
    clips, kept, rejected = audited
    monkeypatch.setattr(audit_module, "measure_clip", dying_measure)

    limited = AUDIT.model_copy(update={"time_limit_s": 4.0})
    fewer, more = audit_corpora(clips, corpus_at(hostile[0]), limited, TWO)

    lost = {"UPPER.WAV", "Mixed.WaV"}
    assert set(fewer["path"]) == set(kept["path"]) - lost
    reasons = more.set_index("path")["reason"]
    assert set(reasons.index) == set(rejected["path"]) | lost
    assert reasons["UPPER.WAV"].startswith("unreadable: the decoder of ")
    assert reasons["UPPER.WAV"].endswith("UPPER.WAV crashed")
    assert reasons["Mixed.WaV"].endswith("Mixed.WaV did not end within 4 s")
