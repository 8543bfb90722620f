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


def _check(result: int, problem: str) -> None:
    if result != 0:
        raise RuntimeError(f"eSpeak NG {problem} (code {result})")


def main() -> None:
    """Speak what standard input lists and write the samples to standard output.

    Raises
    ------
    RuntimeError
        When the library cannot start, lacks a voice, or cannot speak.
    """
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
    data = str(espeakng_loader.get_data_path()).encode()
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data, 0)
    if rate != SAMPLE_RATE_HZ:
        raise RuntimeError(f"eSpeak NG started with {rate} Hz instead of {SAMPLE_RATE_HZ}")
    library.espeak_ng_SetRandSeed(1)
    chunks: list[bytes] = []

    def collect(samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int) -> int:
        if samples and count > 0:
            chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _CALLBACK(collect)  # by a name: ctypes does not hold it alive
    library.espeak_SetSynthCallback(callback)
    for voice, text, *settings in json.load(sys.stdin):
        chunks.clear()
        _check(library.espeak_SetVoiceByName(voice.encode()), f"has no voice {voice}")
        for parameter, value in zip((_RATE, _VOLUME, _PITCH, _RANGE), settings, strict=True):
            _check(library.espeak_SetParameter(parameter, value, 0), f"refuses {value}")
        encoded = text.encode() + b"\0"
        result = library.espeak_Synth(encoded, len(encoded), 0, 0, 0, _UTF8, None, None)
        _check(result, f"cannot say {text!r}")
        _check(library.espeak_Synchronize(), f"did not finish {text!r}")
        speech = b"".join(chunks)
        sys.stdout.buffer.write(struct.pack("<I", len(speech)) + speech)


if __name__ == "__main__":
    main()
