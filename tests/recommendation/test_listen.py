import os
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from affetto.audio.speech import SpeechParameters
from affetto.errors import AffettoError
from affetto.recommendation.listen import list_recordings, screen_recordings
from affetto.recommendation.parameters import TimelineParameters


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_file_or_a_folder_of_any_depth(tmp_path):
    touch(tmp_path, "b.wav", "sub/a.FLAC", "notes.txt", ".hidden.wav", ".git/c.wav", "tune.mid")
    table = list_recordings(tmp_path)
    assert table["name"].tolist() == ["b", "notes", "a", "tune"]
    assert table["path"].tolist()[2] == str(tmp_path / "sub/a.FLAC")
    assert list_recordings(tmp_path / "b.wav")["name"].tolist() == ["b"]


def test_folders_tell_files_of_one_name_apart(tmp_path):
    touch(tmp_path, "sad/01.wav", "happy/01.wav", "happy/02.wav", "03.wav", "03.flac")
    table = list_recordings(tmp_path)
    named = {
        Path(path).relative_to(tmp_path).as_posix(): name for name, path in table.itertuples(index=False)
    }
    assert named == {
        "sad/01.wav": "sad_01",
        "happy/01.wav": "happy_01",
        "happy/02.wav": "02",
        "03.wav": "03_wav",
        "03.flac": "03_flac",
    }


def test_names_leave_room_for_the_endings_of_files(tmp_path):
    touch(tmp_path, f"{'ä' * 120}1.wav", f"{'ä' * 120}2.wav", f"{'n' * 251}.wav")
    names = list_recordings(tmp_path)["name"].tolist()
    assert len(set(names)) == 3
    assert max(len(name.encode()) for name in names) <= 210


def test_names_that_are_not_utf_8_are_left_out_and_told(tmp_path, caplog):
    touch(tmp_path, "good.wav")
    bad = tmp_path / os.fsdecode(b"lat\xedn.wav")
    bad.touch()
    assert list_recordings(tmp_path)["name"].tolist() == ["good"]
    assert "not UTF-8" in caplog.text
    with pytest.raises(AffettoError, match="not UTF-8: rename the file"):
        list_recordings(bad)
    folder = tmp_path / os.fsdecode(b"fold\xedr")
    touch(folder, "good.wav")
    with pytest.raises(AffettoError, match="not UTF-8: rename the file or folder"):
        list_recordings(folder)


def test_what_cannot_be_heard_is_a_row_with_its_reason(tmp_path):
    contents = {
        "notes.txt": b"to do",
        "odd.3gp": bytes(range(256)) * 4,
        "pointer.wav": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "tune.mid": b"MThd",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    screened = screen_recordings(list_recordings(tmp_path), SpeechParameters(), TimelineParameters())
    assert screened["status"].tolist() == ["unreadable"] * 4
    for reason, message in zip(["text", "neither", "git lfs pull", "MIDI"], screened["message"], strict=True):
        assert reason in message


@pytest.mark.parametrize(
    ("path", "said"),
    [("gone", "There is no voice recording"), ("empty", "holds no file")],
)
def test_nothing_to_answer(tmp_path, path, said):
    touch(tmp_path, "empty/.readme.txt")
    with pytest.raises(AffettoError, match=said) as caught:
        list_recordings(tmp_path / path)
    assert str(tmp_path / path) in str(caught.value)


def test_one_bad_recording_does_not_stop_the_others(tmp_path, voice_of):
    touch(tmp_path, "a.wav")
    sf.write(tmp_path / "b.wav", voice_of(2.0), 16_000)
    sf.write(tmp_path / "c.wav", np.zeros(32_000), 16_000)
    screened = screen_recordings(list_recordings(tmp_path), SpeechParameters(), TimelineParameters())
    assert screened["duration_s"].tolist() == [pytest.approx(np.nan, nan_ok=True), 2.0, 2.0]
    assert [len(windows) for windows in screened["windows"]] == [0, 1, 0]
    assert screened["status"].tolist() == ["unreadable", "ok", "no_speech"]
    assert "a.wav" in screened["message"][0]
    assert screened["message"].tolist()[1:] == [
        "",
        "No speech was found in c.wav: nothing in it is louder than -80 dBFS.",
    ]
