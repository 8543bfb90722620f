"""Which recordings to answer, and which of them hold speech."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from affetto.audio.decode import AUDIO_EXTENSIONS, DecodeError
from affetto.audio.silero import SAMPLE_RATE_HZ
from affetto.audio.speech import SpeechParameters, find_speech_in_blocks
from affetto.corpora.sources.files import find_recordings, is_text
from affetto.errors import AffettoError, one_line
from affetto.recommendation.blocks import Samples, read_blocks
from affetto.recommendation.parameters import TimelineParameters
from affetto.recommendation.steps import Step, plan_steps

_NAME_BYTES = 200
_MIDI = frozenset({".mid", ".midi"})
_VERDICT = {"status": "str", "message": "str", "duration_s": "float64", "steps": "object"}
Reader = Callable[[Path, Sequence[int]], Iterable[Samples]]


def list_recordings(path: Path, *, what: str = "voice recording") -> pd.DataFrame:
    """List the recordings at a path.

    Parameters
    ----------
    path
        An audio file, or a folder of them (searched to any depth; hidden files are left out, and files that
        cannot be decoded or named in a table, of which the log tells).
    what
        What is looked for, for messages.

    Returns
    -------
    pandas.DataFrame
        `name` (unique: the stem, with the extension, the folders or a number where stems repeat) and
        `path`, sorted by path.

    Raises
    ------
    AffettoError
        When there is nothing at the path, or no audio, or the path is not UTF-8.
    """
    kinds = AUDIO_EXTENSIONS - _MIDI
    if not is_text(str(path)):
        raise AffettoError(f"The name {one_line(str(path))} is not UTF-8: rename the file or folder.")
    if path.is_file():
        if path.suffix.lower() not in kinds:
            raise AffettoError(f"{path} is not audio that can be read here: give a file of {_kinds(kinds)}.")
        found, folder = [path], path.parent
    elif path.is_dir():
        found, folder = sorted(file for file in find_recordings(path) if file.suffix.lower() in kinds), path
    else:
        raise AffettoError(f"There is no {what} at {path}: give an audio file or a folder of them.")
    if not found:
        raise AffettoError(f"The folder {path} holds no audio: put recordings there ({_kinds(kinds)}).")
    names = _unique_names([file.relative_to(folder) for file in found])
    return pd.DataFrame({"name": names, "path": [str(file) for file in found]})


def screen_recordings(
    recordings: pd.DataFrame,
    parameters: SpeechParameters,
    timeline: TimelineParameters | None = None,
    *,
    reader: Reader = read_blocks,
) -> pd.DataFrame:
    """Tell recordings with speech from those without and from unreadable ones, and where the speech is.

    Parameters
    ----------
    recordings
        `name, path` of `list_recordings`.
    parameters
        What counts as speech.
    timeline
        How recordings are divided into steps.
    reader
        How to read a file as blocks of mono samples at some rates.

    Returns
    -------
    pandas.DataFrame
        `name, path, status` (`ok`, `no_speech`, `unreadable`), `message` (empty for `ok`), `duration_s`
        (NaN when unreadable) and `steps` (a list of `Step`; empty unless `ok`).
    """
    chosen = timeline or TimelineParameters()
    verdicts = [_screen(Path(path), parameters, chosen, reader) for path in recordings["path"]]
    columns = list(zip(*verdicts, strict=True)) or [()] * len(_VERDICT)
    return recordings.assign(
        **{
            name: pd.Series(list(values), index=recordings.index, dtype=kind)
            for (name, kind), values in zip(_VERDICT.items(), columns, strict=True)
        }
    )


def _screen(
    path: Path, parameters: SpeechParameters, timeline: TimelineParameters, reader: Reader
) -> tuple[str, str, float, list[Step]]:
    try:
        blocks = (block[SAMPLE_RATE_HZ] for block in reader(path, [SAMPLE_RATE_HZ]))
        found = find_speech_in_blocks(blocks, parameters)
    except DecodeError as error:
        return "unreadable", str(error), np.nan, []
    duration_s = round(found.duration_s, 3)
    steps = plan_steps(duration_s, found.stretches, timeline)
    if any(step.window for step in steps):
        return "ok", "", duration_s, steps
    reason = found.reason or "no part of it is speech for long enough"
    return "no_speech", f"No speech was found in {path.name}: {reason}.", duration_s, []


def _kinds(kinds: frozenset[str]) -> str:
    return ", ".join(sorted(kind.removeprefix(".") for kind in kinds))


def _unique_names(files: Sequence[Path]) -> list[str]:
    """Name each file by the first that no other shares: stem, name, folders and stem, folders and name.

    Files that even so have one name get a number; names are cut to what is left for a file's own endings.
    """
    proposals = [[_cut(proposal) for proposal in _proposals(file)] for file in files]
    shared = [Counter(name.casefold() for name in level) for level in zip(*proposals, strict=True)]
    taken: set[str] = set()
    unique = []
    for proposed in proposals:
        alone = (name for name, counts in zip(proposed, shared, strict=True) if counts[name.casefold()] == 1)
        name = next(alone, proposed[-1])
        candidate, number = name, 2
        while candidate.casefold() in taken:
            candidate, number = f"{name}_{number}", number + 1
        taken.add(candidate.casefold())
        unique.append(candidate)
    return unique


def _proposals(file: Path) -> tuple[str, str, str, str]:
    folders, name = "".join(f"{part}_" for part in file.parts[:-1]), file.name.replace(".", "_")
    return file.stem, name, f"{folders}{file.stem}", f"{folders}{name}"


def _cut(name: str) -> str:
    """Cut a name that a file system could not take with an ending; most allow 255 bytes."""
    return name.encode("utf-8")[:_NAME_BYTES].decode("utf-8", errors="ignore")
