"""Which recordings to answer, and which of them hold speech."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from affetto.audio.decode import AUDIO_EXTENSIONS, DecodeError, read_audio
from affetto.errors import AffettoError
from affetto.recommendation.parameters import VoiceActivityParameters
from affetto.recommendation.voice import SAMPLE_RATE_HZ, detect_speech

_MIDI = frozenset({".mid", ".midi"})
Reader = Callable[..., tuple[np.ndarray, int]]


def list_recordings(path: Path) -> pd.DataFrame:
    """List the recordings at a path.

    Parameters
    ----------
    path
        An audio file, or a folder of them (searched to any depth; hidden files are left out).

    Returns
    -------
    pandas.DataFrame
        `name` (unique: the stem, with the extension or a number where stems repeat) and `path`, sorted by
        path.

    Raises
    ------
    AffettoError
        When there is nothing at the path, or no audio.
    """
    kinds = AUDIO_EXTENSIONS - _MIDI
    if path.is_file():
        if path.suffix.lower() not in kinds:
            raise AffettoError(f"{path} is not audio that can be read here: give a file of {_kinds(kinds)}.")
        found = [path]
    elif path.is_dir():
        found = sorted(
            file for file in path.rglob("*") if file.suffix.lower() in kinds and _visible(file, path)
        )
    else:
        raise AffettoError(f"There is no voice recording at {path}: give an audio file or a folder of them.")
    if not found:
        raise AffettoError(f"The folder {path} holds no audio: put recordings there ({_kinds(kinds)}).")
    return pd.DataFrame({"name": _unique_names(found), "path": [str(file) for file in found]})


def screen_recordings(
    recordings: pd.DataFrame, parameters: VoiceActivityParameters, *, reader: Reader = read_audio
) -> pd.DataFrame:
    """Tell recordings with speech from those without and from unreadable ones.

    Parameters
    ----------
    recordings
        `name, path` of `list_recordings`.
    parameters
        Thresholds of the rule for speech.
    reader
        How to read a file as mono at a given rate.

    Returns
    -------
    pandas.DataFrame
        `name, path, status` (`ok`, `no_speech`, `unreadable`) and `message` (empty for `ok`).
    """
    verdicts = [_screen(Path(path), parameters, reader) for path in recordings["path"]]
    return recordings.assign(
        status=[status for status, _ in verdicts], message=[message for _, message in verdicts]
    )


def _screen(path: Path, parameters: VoiceActivityParameters, reader: Reader) -> tuple[str, str]:
    try:
        samples, _ = reader(path, sample_rate_hz=SAMPLE_RATE_HZ)
    except DecodeError as error:
        return "unreadable", readable(str(error))
    activity = detect_speech(samples, parameters)
    return (
        ("ok", "")
        if activity.speech
        else ("no_speech", f"No speech was found in {readable(path.name)}: {activity.reason}.")
    )


def readable(text: str) -> str:
    """Replace what no text file can hold: bytes of a file name that are not UTF-8."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _kinds(kinds: frozenset[str]) -> str:
    return ", ".join(sorted(kind.removeprefix(".") for kind in kinds))


def _visible(file: Path, folder: Path) -> bool:
    parts = file.relative_to(folder).parts
    return file.is_file() and not any(part.startswith(".") for part in parts)


def _unique_names(files: list[Path]) -> list[str]:
    """Name each file by its stem; where stems repeat, by its name; where names repeat too, with a number."""
    stems = Counter(file.stem.casefold() for file in files)
    names = [file.stem if stems[file.stem.casefold()] == 1 else file.name.replace(".", "_") for file in files]
    names = [readable(name) for name in names]
    taken: set[str] = set()
    unique = []
    for name in names:
        candidate, number = name, 2
        while candidate.casefold() in taken:
            candidate, number = f"{name}_{number}", number + 1
        taken.add(candidate.casefold())
        unique.append(candidate)
    return unique
