"""Speech synthesis for the demo voices: lists of utterances in, samples out, the same on every run."""

import json
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affetto.errors import AffettoError

TIME_LIMIT_S = 120
PITCH_OCTAVE = 50
"""Steps of eSpeak's pitch setting to an octave: 0 is an octave below the voice's own pitch, 50 its own."""


@dataclass(frozen=True)
class Utterance:
    """What eSpeak NG shall say, and how.

    Attributes
    ----------
    voice
        Language and variant, such as ``en-us+f3``.
    text
        The sentence.
    rate
        Words a minute, 80 to 450.
    volume, pitch, pitch_range
        0 to 200, 0 to 99 and 0 to 99; 100, 50 and 50 are the voice's own.
    """

    voice: str
    text: str
    rate: int = 175
    volume: int = 100
    pitch: int = 50
    pitch_range: int = 50


def speak(utterances: Sequence[Utterance]) -> list[NDArray[np.float32]]:
    """Speak a list of utterances in a fresh process, which makes them the same on every run.

    Parameters
    ----------
    utterances
        What to say, in order. The samples of one may depend on those before it in the list.

    Returns
    -------
    list[NDArray[np.float32]]
        Mono samples [n] in [-1, 1] at 22,050 Hz, one array an utterance.

    Raises
    ------
    AffettoError
        eSpeak NG cannot be started or refuses an utterance.
    """
    script = Path(__file__).with_name("espeak.py")
    request = json.dumps([astuple(utterance) for utterance in utterances]).encode()
    # -P: the script's folder must not come before the standard library in the path.
    command = [sys.executable, "-P", str(script)]
    try:
        done = subprocess.run(  # noqa: S603  (a fixed command: this interpreter and a file of this package)
            command, input=request, capture_output=True, timeout=TIME_LIMIT_S, check=True
        )
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise AffettoError(f"speech synthesis failed: {reason}; reinstall espeakng-loader.") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AffettoError(f"speech synthesis did not run ({error}); try again.") from error
    return [samples.astype(np.float32) / np.float32(32768) for samples in _split(done.stdout)]


def _split(data: bytes) -> Iterator[NDArray[np.int16]]:
    position = 0
    while position < len(data):
        (length,) = struct.unpack_from("<I", data, position)
        position += 4
        yield np.frombuffer(data[position : position + length], dtype=np.int16)
        position += length
