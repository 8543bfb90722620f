"""Which recordings to answer, and which of them hold speech."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from affetto.audio.decode import DecodeError
from affetto.audio.formats import HEAD_BYTES, is_midi
from affetto.audio.silero import SAMPLE_RATE_HZ
from affetto.audio.speech import SpeechParameters, find_speech_in_blocks
from affetto.corpora.sources.files import is_text, walk_files
from affetto.errors import AffettoError, one_line
from affetto.recommendation.blocks import Samples, read_blocks
from affetto.recommendation.parameters import TimelineParameters
from affetto.recommendation.steps import Step, plan_steps

_NAME_BYTES = 200
_VERDICT = {"status": "str", "message": "str", "duration_s": "float64", "steps": "object"}
Reader = Callable[[Path, Sequence[int], list[str]], Iterable[Samples]]


def list_recordings(path: Path, *, what: str = "voice recording") -> pd.DataFrame:
    """List the recordings at a path.

    Parameters
    ----------
    path
        A file with sound, or a folder of them, searched to any depth. Whether a file can be decoded is found
        when it is screened; only hidden files are left out, and those that cannot be named in a table, of
        which the log tells.
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
        When there is nothing at the path, or the path is not UTF-8.
    """
    if not is_text(str(path)):
        raise AffettoError(f"The name {one_line(str(path))} is not UTF-8: rename the file or folder.")
    if path.is_file():
        found, folder = [path], path.parent
    elif path.is_dir():
        found, folder = sorted(walk_files(path)), path
    else:
        raise AffettoError(f"There is no {what} at {path}: give an audio file or a folder of them.")
    if not found:
        raise AffettoError(f"The folder {path} holds no file: put recordings there.")
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
        How to read a file as blocks of mono samples at some rates; see `read_blocks`.

    Returns
    -------
    pandas.DataFrame
        `name, path, status` (`ok`, `no_speech`, `unreadable`), `message` (why there is no speech, or what is
        wrong with the file although it is used; empty where nothing is), `duration_s`
        (NaN when unreadable) and `steps` (a list of `Step`; empty unless `ok`).
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    chosen = timeline or TimelineParameters()
    with threadpool_limits(1, user_api="blas"):  # for matrices this small, threads only wait
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
    notes: list[str] = []
    try:
        with path.open("rb") as file:
            if is_midi(file.read(HEAD_BYTES)):
                return "unreadable", f"Cannot hear {path}: it is MIDI, notes and no voice.", np.nan, []
        blocks = (block[SAMPLE_RATE_HZ] for block in reader(path, [SAMPLE_RATE_HZ], notes))
        found = find_speech_in_blocks(blocks, parameters)
    except DecodeError as error:
        return "unreadable", str(error), np.nan, []
    except OSError as error:
        return "unreadable", f"Cannot read {path}: {error.strerror or error}.", np.nan, []
    damage = f"{path.name}: {'; '.join(notes)}; what can be decoded is used." if notes else ""
    duration_s = round(found.duration_s, 3)
    steps = plan_steps(duration_s, found.stretches, timeline)
    if any(step.window for step in steps):
        return "ok", damage, duration_s, steps
    reason = found.reason or "no part of it is speech for long enough"
    message = f"No speech was found in {path.name}: {reason}."
    return "no_speech", f"{message} {damage}".rstrip(), duration_s, []


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
