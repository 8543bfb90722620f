"""Speak with eSpeak NG in a process of its own (run as a script; imports nothing of Affetto).

eSpeak NG keeps static state between utterances (flutter of the pitch, phase of the noise) that no call
of its C API resets, so the same sentence sounds different the second time. A fresh process always begins
in the same state: a list of utterances spoken in one gives the same samples on every run.

Standard input: JSON list of ``[voice, text, rate, volume, pitch, pitch_range]``. Standard output: for
each utterance the number of bytes (unsigned 32 bit, little endian), then 16-bit little-endian mono
samples.
"""

import ctypes
import json
import struct
import sys

SAMPLE_RATE_HZ = 22050
_SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: AUDIO_OUTPUT_SYNCHRONOUS
_UTF8 = 1  # espeakCHARS_UTF8
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4  # espeak_PARAMETER
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Synthesizer:
    """eSpeak NG's C API, one utterance at a time.

    Raises
    ------
    RuntimeError
        The library cannot start, lacks a voice, or cannot speak.
    """

    def __init__(self) -> None:
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
        data = str(espeakng_loader.get_data_path()).encode()
        rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, 0)
        if rate != SAMPLE_RATE_HZ:
            raise RuntimeError(f"eSpeak NG started with {rate} Hz instead of {SAMPLE_RATE_HZ}")
        self._library.espeak_ng_SetRandSeed(1)
        self._chunks: list[bytes] = []
        # Kept as an attribute: ctypes does not hold the callback alive.
        self._callback = _CALLBACK(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int) -> int:
        if samples and count > 0:
            self._chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    def speak(self, voice: str, text: str, rate: int, volume: int, pitch: int, pitch_range: int) -> bytes:
        """Speak one utterance.

        Parameters
        ----------
        voice
            Language and variant, such as ``en-us+f3``.
        text
            What to say.
        rate
            Words a minute, 80 to 450.
        volume, pitch, pitch_range
            0 to 200, 0 to 99 and 0 to 99 (middle 100, 50 and 50).

        Returns
        -------
        bytes
            16-bit samples in the machine's byte order, mono, ``SAMPLE_RATE_HZ``.
        """
        self._chunks.clear()
        self._check(self._library.espeak_SetVoiceByName(voice.encode()), f"has no voice {voice}")
        for parameter, value in ((_RATE, rate), (_VOLUME, volume), (_PITCH, pitch), (_RANGE, pitch_range)):
            self._check(self._library.espeak_SetParameter(parameter, value, 0), f"refuses {value}")
        encoded = text.encode() + b"\0"
        result = self._library.espeak_Synth(encoded, len(encoded), 0, 0, 0, _UTF8, None, None)
        self._check(result, f"cannot say {text!r}")
        self._check(self._library.espeak_Synchronize(), f"did not finish {text!r}")
        return b"".join(self._chunks)

    @staticmethod
    def _check(result: int, problem: str) -> None:
        if result != 0:
            raise RuntimeError(f"eSpeak NG {problem} (code {result})")


def main() -> None:
    """Speak what standard input lists and write the samples to standard output."""
    synthesizer = Synthesizer()
    for voice, text, *settings in json.load(sys.stdin):
        speech = synthesizer.speak(voice, text, *settings)
        sys.stdout.buffer.write(struct.pack("<I", len(speech)) + speech)


if __name__ == "__main__":
    main()
