"""Is there speech in a recording? A simple rule, so that silence and noise get no emotion.

A recording is cut into Hann-windowed frames of 40 ms every 10 ms at 16 kHz. A frame is *active* when its
level is near that of the loudest frame and above an absolute floor. An active frame is *voiced* when its
autocorrelation, divided by the window's (Boersma 1993), has a peak of at least `periodicity` at a lag between
1/400 and 1/60 s. The autocorrelation is that of the band 70-2500 Hz with power weighted by frequency: this
flattens pink noise and rumble, which otherwise resemble themselves at short lags, and leaves out the hiss
above the voice. There is speech when the voiced frames are long enough together, are a fair share of the
active ones, and when the level of the active frames moves: the level of speech goes up and down with its
syllables, that of a tone or of mains hum does not.

The rule tells speech from silence, noise, clicks, tones and hum. It does not tell speech from singing or from
music with one melody, and it does not hear whispering.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, rfft

from affetto.recommendation.parameters import VoiceActivityParameters

SAMPLE_RATE_HZ = 16_000
_FRAME = 640
_HOP = 160
_FFT = 1024
_BAND_HZ = (70.0, 2500.0)
_LAG_MIN = SAMPLE_RATE_HZ // 400
_LAG_MAX = SAMPLE_RATE_HZ // 60
_CHUNK = 1000
_TINY = 1e-12


@dataclass(frozen=True)
class VoiceActivity:
    """What the rule found.

    Attributes
    ----------
    speech
        Whether the recording counts as speech.
    reason
        Why it does not; empty when it does.
    voiced_s
        Total length of the voiced frames, s.
    """

    speech: bool
    reason: str
    voiced_s: float


def detect_speech(samples: np.ndarray, parameters: VoiceActivityParameters | None = None) -> VoiceActivity:
    """Apply the rule to a recording.

    Parameters
    ----------
    samples
        Mono samples at 16 kHz, float [n_samples], full scale 1.
    parameters
        Thresholds of the rule.

    Returns
    -------
    VoiceActivity
        The verdict and its reason.
    """
    parameters = parameters or VoiceActivityParameters()
    level, periodicity = frame_measures(samples)
    threshold = max(level.max(initial=-np.inf) - parameters.range_db, parameters.floor_db)
    active = level >= threshold
    if not active.any():
        return VoiceActivity(False, "it is silent", 0.0)
    voiced = active & (periodicity >= parameters.periodicity)
    voiced_s = float(voiced.sum() * _HOP / SAMPLE_RATE_HZ)
    if voiced_s < parameters.min_voiced_s:
        return VoiceActivity(False, f"only {voiced_s:.2f} s of it are voiced", voiced_s)
    if voiced.sum() < parameters.min_voiced_fraction * active.sum():
        return VoiceActivity(
            False, f"only {voiced.sum() / active.sum():.0%} of its sound is voiced", voiced_s
        )
    if level[active].std() < parameters.min_level_deviation_db:
        return VoiceActivity(False, "its level is as steady as a tone's", voiced_s)
    return VoiceActivity(True, "", voiced_s)


def frame_measures(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure level and periodicity of each frame.

    Parameters
    ----------
    samples
        Mono samples at 16 kHz, float [n_samples].

    Returns
    -------
    tuple of numpy.ndarray
        Level in dB re full scale (RMS 1 = 0 dB; silence -120) and the greatest normalised autocorrelation at
        the lags
        of a voice, both float [n_frames]; a recording shorter than a frame is padded to one.
    """
    samples = np.nan_to_num(np.asarray(samples, dtype=np.float32))
    padded = np.pad(samples, (0, max(0, _FRAME - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
    chunks = [frames[start : start + _CHUNK] for start in range(0, len(frames), _CHUNK)]
    level = [10 * np.log10(np.mean(chunk**2, axis=1) + _TINY) for chunk in chunks]
    return np.concatenate(level), np.concatenate([_periodicity(chunk) for chunk in chunks])


def _periodicity(frames: np.ndarray) -> np.ndarray:
    """Return the highest inner peak of the normalised autocorrelation of each frame, at least 0."""
    window = np.hanning(_FRAME + 2)[1:-1].astype(np.float32)
    frequency = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE_HZ)
    weight = np.where((frequency >= _BAND_HZ[0]) & (frequency <= _BAND_HZ[1]), frequency, 0.0)
    spectrum = rfft((frames - frames.mean(axis=1, keepdims=True)) * window, _FFT)
    correlation = irfft(np.abs(spectrum) ** 2 * weight.astype(np.float32), _FFT)
    of_window = irfft(np.abs(rfft(window, _FFT)) ** 2, _FFT)
    lags = np.arange(_LAG_MIN - 1, _LAG_MAX + 2)
    normalised = correlation[:, lags] / (correlation[:, :1] + _TINY) / (of_window[lags] / of_window[0])
    inner = normalised[:, 1:-1]
    peak = (inner >= normalised[:, :-2]) & (inner >= normalised[:, 2:])
    highest: np.ndarray = np.where(peak, inner, 0.0).max(axis=1)
    return highest
