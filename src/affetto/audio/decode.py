"""Decode recordings of any format, by their content, to float samples.

libsndfile reads first, PyAV (FFmpeg) what it refuses, and MIDI is rendered. Whatever can be decoded of a
damaged file is used; `Recording.notes` says so.
"""

from __future__ import annotations

import codecs
import io
import math
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from affetto.audio.decoders import UndecodableError, open_sound
from affetto.audio.midi import MidiRecording
from affetto.audio.recording import (
    DecodeError,
    NotFiniteError,
    Recording,
    Samples,
    UnreachableError,
    mix,
    resample,
)
from affetto.io.paths import as_path, is_remote


def _extensions(names: str) -> frozenset[str]:
    return frozenset(f".{name}" for name in names.split())


MIDI_EXTENSIONS = _extensions("mid midi")
AUDIO_EXTENSIONS = MIDI_EXTENSIONS | _extensions(
    """
    3ga 3gp 8svx aac ac3 aif aifc aiff amr ape au avr awb caf flac htk iff m4a m4b mka mp2 mp3 mpc nist
    oga ogg opus ra rf64 sf snd sph spx svx tta voc w64 wav wave weba webm wma wv xi
    """
)
"""Extensions of recordings. Only corpora that know their clips by name look at them: what a file holds is
decided by its content."""
OTHER_EXTENSIONS = _extensions(
    """
    7z ann arff beats bib bmp bz2 c cfg cha conf cpp css csv cue db doc docx ds_store eaf egg elan
    exe f0 gif gz h h5 hdf5 heic htm html ico ini ipynb jams java joblib jpeg jpg js json jsonl lab
    log lnk lrc m m3u m3u8 mat md md5 mlf musicxml mxl nfo npy npz nra ods odt par parquet part pdf
    phn pickle pitch pitchtier pkl pls png pq ps psd pt pth py r rar rst rtf sfv sh sha1 sha256 sql
    srt sub svg tar tex textgrid tgz tif tiff toml torrent trs tsv txt url vtt webp wrd xls xlsx xml
    xspf xz yaml yml zip zst
    """
)
"""Extensions of what lies beside recordings and is evidently none: texts, tables, annotations, pictures,
archives, arrays."""
_HEAD_BYTES = 4096
_ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"\x28\xb5\x2f\xfd")
_FETCHED_WHOLE_BYTES = 64 << 20  # larger ones are read in pieces
_SHORT_S, _QUIET = 5.0, 1e-3
_CANCELLED = 0.05
"""Power of the mean of the channels, in that of the channels: so little is left of two equally loud ones that
are correlated below -0.9; independent ones leave a half."""


def read_audio(
    path: Path, *, sample_rate_hz: int | None = None, start_s: float = 0.0, end_s: float | None = None
) -> tuple[Samples, int]:
    """Decode a recording, or a part of it, to the mean of its channels (where that cancels: the loudest).

    Parameters
    ----------
    path
        A file with sound of any format, or MIDI, which is rendered; the content decides, not the name.
    sample_rate_hz
        Rate to resample to, Hz (soxr, high quality); None keeps the file's own.
    start_s, end_s
        Part to decode, s; only that part is read. None is the end of the file; an end behind it is that end.

    Returns
    -------
    samples
        float32 [n]. Nominally within [-1, 1] but not normalised: formats that hold floats may go beyond. No
        samples where the file has none in that part.
    sample_rate_hz
        Their rate, Hz.

    Raises
    ------
    DecodeError
        When the file is missing, a folder, empty, or not audio.
    """
    with open_recording(path) as recording:
        rate = recording.header.sample_rate_hz
        parts = recording.blocks(start_s, math.inf if end_s is None else end_s)
        blocks = [mix(block, recording.header.channel) for block in parts]
    samples = blocks[0] if blocks else np.zeros(0, np.float32)
    if len(blocks) > 1:
        samples = np.concatenate(blocks)
    wanted = rate if sample_rate_hz is None else sample_rate_hz
    return resample(samples, rate, wanted), wanted


@contextmanager
def open_recording(path: Path) -> Iterator[Recording]:
    """Open a recording, to read its header and its samples of any length in little memory.

    Samples that no sound has (infinite, not a number, far beyond full scale) are silenced, and noted.

    Raises
    ------
    DecodeError
        As `read_audio` does, and whatever goes wrong while blocks are read.
    """
    with _open(path) as sound:
        if sound.header.channels > 1 or sound.holds_floats:
            with _open(path) as other:
                channel, limit = _survey(other)
            sound.header = replace(sound.header, channel=channel)
            sound = _Sane(sound, limit, path) if sound.holds_floats else sound  # noqa: PLW2901
        yield sound


def is_midi(path: Path) -> bool:
    """Tell Standard MIDI Files, also those in the container of Windows, by how they begin."""
    with path.open("rb") as file:
        return _begins_like_midi(file.read(_HEAD_BYTES))


def once_a_folder(failures: Iterable[tuple[str, str]]) -> list[str]:
    """Say for all files of a folder at once what they have in common.

    Parameters
    ----------
    failures
        Path, and message that names it, of files that cannot be used.

    Returns
    -------
    list of str
        A sentence a folder and reason, in the order of their first files.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for path, message in failures:
        folder, name = str(as_path(path).parent), as_path(path).name
        before, _, reason = message.partition(f"{name}: ")
        reason = re.sub("^it is ", "each is ", reason)
        groups.setdefault((folder, reason or before), []).append(message)
    told = []
    for (folder, reason), messages in groups.items():
        several = f"{len(messages)} files in {folder}: {reason}"
        told.append(several if len(messages) > 1 else messages[0])
    return told


def _survey(sound: Recording) -> tuple[int | None, float]:
    """Look at stretches all over a recording, or its beginning where that takes too long.

    Return the channel that stands for all (see `AudioHeader.channel`; decided once, for all parts of the
    recording) and the largest magnitude that a sample can have.
    """
    length_s, limit = sound.header.duration_s, math.inf
    samples = np.zeros((sound.header.channels, 0), np.float32)
    if sound.seekable and _SHORT_S < length_s < math.inf:
        starts = np.linspace(0, length_s - 0.1, 16).tolist()
        samples = _parts(sound, [(start_s, start_s + 0.1) for start_s in starts])
    # It is a short one, or what sounds lies between the stretches.
    if np.abs(samples).max(initial=0) < _QUIET:
        samples = _parts(sound, [(0.0, 30.0)])
    if sound.holds_floats:
        magnitudes = np.abs(samples[np.isfinite(samples)])
        loud = float(np.quantile(magnitudes, 0.9)) if magnitudes.size else 0.0
        # Full scale, or what is loud in files that hold integers as floats.
        limit = 100.0 * max(1.0, loud)
        samples = np.where(np.abs(samples) <= limit, samples, np.float32(0))
    if len(samples) == 1 or samples.shape[1] == 0:
        return None, limit
    powers = np.array([np.var(channel, dtype=np.float64) for channel in samples])
    left = np.var(mix(samples), dtype=np.float64)
    cancels = left < _CANCELLED * powers.mean()
    return int(powers.argmax()) if cancels else None, limit


def _parts(sound: Recording, parts: list[tuple[float, float]]) -> Samples:
    """Return the samples of parts, [channels, n], as far as they are not damaged (reading will say so)."""
    blocks = [np.zeros((sound.header.channels, 0), np.float32)]
    with suppress(DecodeError):
        for part in parts:
            blocks.extend(sound.blocks(*part))
    return np.concatenate(blocks, axis=1)


class _Sane:
    """A recording in which samples that no sound has are silent."""

    def __init__(self, sound: Recording, limit: float, path: Path) -> None:
        self.header, self.notes = sound.header, sound.notes
        self.holds_floats, self.seekable = sound.holds_floats, sound.seekable
        self._sound, self._limit, self._path = sound, np.float32(limit), path

    def blocks(self, start_s: float, end_s: float) -> Iterator[Samples]:
        n_silenced = n_frames = 0
        for block in self._sound.blocks(start_s, end_s):
            n_frames += block.shape[1]
            if not (block.size and -self._limit <= block.min() and block.max() <= self._limit):
                sane = np.abs(block) <= self._limit
                n_silenced += int(np.count_nonzero(~sane.all(axis=0)))
                block = np.where(sane, block, np.float32(0))  # noqa: PLW2901
            yield block
        what = f"{n_silenced} of {n_frames} samples are not finite, or far beyond full scale"
        if n_silenced > 1e-3 * n_frames + 1:
            raise NotFiniteError(f"Cannot use {self._path}: {what}; export it again.")
        if n_silenced:
            self.notes.append(f"{what}: silenced")


@contextmanager
def _open(path: Path) -> Iterator[Recording]:
    """Open a file with the first decoder that takes it; whatever goes wrong becomes a `DecodeError`."""
    _check_is_file(path)
    try:
        with _content(path) as content:
            head = content.read(_HEAD_BYTES)
            if _begins_like_midi(head):
                yield MidiRecording(path, content)
                return
            if other := _what_else(head, path):
                raise DecodeError(f"Cannot decode {path}: it is {other}.")
            with open_sound(path, content) as sound:
                yield sound
    except UndecodableError as error:
        raise DecodeError(f"Cannot decode {path}: {_why(path, head, error)}") from error
    except OSError as error:
        raise UnreachableError(f"Cannot read {path}: {error.strerror or error}.") from error


def _check_is_file(path: Path) -> None:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        missing = isinstance(error, FileNotFoundError | NotADirectoryError | ValueError)
        reason = getattr(error, "strerror", None) or error
        if missing:
            reason = "there is no such file"
        kind = DecodeError if isinstance(error, ValueError) else UnreachableError
        raise kind(f"Cannot decode {path}: {reason}.") from error
    if stat.S_ISDIR(status.st_mode):
        raise DecodeError(f"Cannot decode {path}: it is a folder, not a recording.")
    if not stat.S_ISREG(status.st_mode):
        raise DecodeError(f"Cannot decode {path}: it is not a regular file.")
    if status.st_size == 0:
        raise DecodeError(f"Cannot decode {path}: the file is empty (0 bytes).")


@contextmanager
def _content(path: Path) -> Iterator[Any]:
    """Open a file; one that is elsewhere is fetched, unless it is large."""
    if not is_remote(path):
        with path.open("rb", buffering=0) as local:
            yield local
        return
    status: Any = path.stat()
    if status.st_size <= _FETCHED_WHOLE_BYTES:
        yield io.BytesIO(_fetch(path, str(status.as_info())))
    else:
        with path.open("rb") as file:
            yield file


@lru_cache(maxsize=1)
def _fetch(path: Path, version: str) -> bytes:
    """Fetch a file once for its header, samples and next segment; `version` tells a changed file apart."""
    return path.read_bytes()


def _begins_like_midi(head: bytes) -> bool:
    return head.startswith(b"MThd") or (head.startswith(b"RIFF") and head[8:12] == b"RMID")


def _what_else(head: bytes, path: Path) -> str | None:
    """Say what a file that begins so is instead of a recording, with what to do; None where it may be one."""
    text = _text(head).lstrip("\ufeff \t\r\n").lower()
    if text.startswith("version https://git-lfs.github.com/spec/"):
        return f"a Git LFS pointer, not the recording itself: run `git lfs pull` in {path.parent}"
    if text.startswith(("<!doctype html", "<html", "<head", "<body")):
        return "a web page, not a recording: download the file itself"
    kinds = {
        "text, not audio": bool(text),
        "a PDF": head.startswith(b"%PDF"),
        "a picture": head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8")),
        "an archive: unpack it": head.startswith(_ARCHIVES) or head[257:262] == b"ustar",
        "nothing but zeros: copy or download it again": not any(head),
    }
    return next((what for what, is_so in kinds.items() if is_so), None)


def _text(head: bytes) -> str:
    """Decode text: UTF-8 or, with its mark, UTF-16, without other control characters; of others nothing."""
    encoding = "utf-16" if head[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE} else "utf-8"
    try:
        # A character cut off at the end of the head is no mistake.
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return ""
    return text if all(letter >= " " or letter in "\t\r\n\f\x1b" for letter in text) else ""


def _why(path: Path, head: bytes, error: Exception) -> str:
    """Say why no decoder takes a file."""
    if path.suffix.lower() == ".raw":
        return "raw samples do not tell their rate; give them a WAV header."
    reason = str(error).rstrip(".")
    if head[4:8] == b"ftyp" and "Invalid data" in reason:
        return (
            "its index (the moov atom) is missing or damaged: it was not closed, "
            "or a copy broke off; copy it again from the device."
        )
    return f"neither libsndfile nor FFmpeg can ({reason}); is it an audio file?"
