"""openSMILE's low-level descriptors, their functionals and correlations: features of speech emotion."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from itertools import combinations
from typing import Any, Literal

import numpy as np

from affetto.audio.recording import LARGEST_SAMPLE
from affetto.errors import AffettoError
from affetto.features.parameters import FeatureParameters
from affetto.io.native_libraries import require_safe_opensmile, uninterrupted

MAX_DURATION_S = 600.0
PAIR = "~"
"""Between the names of two descriptors, in the name of their correlation."""
FeatureSetName = Literal["ComParE_2016", "eGeMAPSv02"]
_RATE_HZ = 16_000
_LEAST_SAMPLES = 960  # 60 ms, the longest window of the feature sets
_SINKS = {"functionals": "extsinkfunc", "lld": "extsinklld"}


class OpenSmileParameters(FeatureParameters):
    """Low-level descriptors (LLD) of openSMILE, or statistics of them over a clip; at 16 kHz."""

    extractor = "opensmile"
    version = 1
    libraries = ("soxr", "opensmile")

    feature_set: FeatureSetName = "ComParE_2016"
    """ComParE_2016 (6373 functionals, 65 LLD) or eGeMAPSv02 (88, 25)."""
    level: Literal["functionals", "lld", "correlations"] = "functionals"
    """functionals: one vector a clip; lld: a frame every 10 ms; correlations: one vector a clip, the rank
    correlation of each pair of LLD."""

    @property
    def rate_hz(self) -> int:
        """16 kHz: the descriptors change with the rate."""
        return _RATE_HZ

    @property
    def frame_s(self) -> float | None:
        """10 ms for LLD; functionals and correlations are one vector a clip."""
        return 0.01 if self.level == "lld" else None

    def dimensions(self) -> tuple[str, ...]:
        """Return openSMILE's own names, e.g. `F0final_sma`; of correlations `<first>~<second>`."""
        if self.level == "correlations":
            pairs = combinations(_smile(self.feature_set, "lld").feature_names, 2)
            return tuple(f"{first}{PAIR}{second}" for first, second in pairs)
        return tuple(_smile(self.feature_set, self.level).feature_names)

    def measure(self, samples: np.ndarray) -> np.ndarray:
        """Run openSMILE, and keep what the level wants; see `run_opensmile`."""
        return self.of_run(self.run(samples))

    @property
    def shared(self) -> Hashable:
        """One run gives all levels of a feature set."""
        return self.feature_set, self.speech

    def run(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute functionals and LLD; see `run_opensmile`."""
        return run_opensmile(samples, self.feature_set)

    def of_run(self, run: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Take the level from functionals and LLD."""
        functionals, lld = run
        if self.level == "correlations":
            return rank_correlations(lld)
        return functionals if self.level == "functionals" else lld


def run_opensmile(samples: np.ndarray, feature_set: FeatureSetName) -> tuple[np.ndarray, np.ndarray]:
    """Run openSMILE on a recording at 16 kHz, once for functionals and LLD: each costs nearly as much alone.

    The samples are clipped to [-1, 32767/32768]: openSMILE converts to 16-bit integers, where a sample of 1.0
    would wrap to -1. A recording shorter than 60 ms, the longest window of the feature sets, is padded with
    zeros on both sides to that length.

    Returns
    -------
    tuple of numpy.ndarray
        Functionals, float32 [1, n_functionals], and LLD, float32 [n_frames, n_descriptors], a frame every
        10 ms, exactly as the package `opensmile` gives them; values that openSMILE leaves undefined are 0.

    Raises
    ------
    AffettoError
        When the recording is longer than 10 minutes: openSMILE would take 40 MB a minute, and statistics
        over so much speech say little about one emotion.
    """
    mono = np.clip(samples, -1.0, LARGEST_SAMPLE)
    duration_s = len(mono) / _RATE_HZ
    if duration_s > MAX_DURATION_S:
        raise AffettoError(
            f"The clip lasts {duration_s:.0f} s and openSMILE is run on at most {MAX_DURATION_S:.0f} s; "
            "let corpus.segment_s cut it into segments."
        )
    missing = max(0, _LEAST_SAMPLES - len(mono))
    padded = np.pad(mono, (missing // 2, missing - missing // 2))
    extractor = _smile(feature_set, "functionals")
    shared = f"{extractor.default_config_root}/shared"
    options = {
        "source": f"{shared}/standard_external_wave_input.conf.inc",
        "sink": f"{shared}/standard_external_data_output_multi.conf.inc",
        "bufferModeRbConf": f"{shared}/BufferModeRb.conf.inc",
        "frameModeFunctionalsConf": f"{shared}/FrameModeFunctionals.conf.inc",
        "sampleRate": _RATE_HZ,
        "nBits": 16,
    }
    from opensmile.core.lib import OpenSMILE, OpenSmileException

    found: dict[str, list[np.ndarray]] = {level: [] for level in _SINKS}
    run = OpenSMILE()
    try:
        run.initialize(config_file=extractor.config_path, options=options, loglevel=0)
        for level, sink in _SINKS.items():
            run.external_sink_set_callback(sink, lambda values, kept=found[level]: kept.append(values.copy()))
        run.external_audio_source_write_data("extsource", (padded * 32_768).astype(np.int16).tobytes())
        run.external_audio_source_set_eoi("extsource")
        with uninterrupted():
            run.run()
    except OpenSmileException as error:
        raise AffettoError(f"openSMILE refused the clip: {error}.") from error
    finally:
        run.free()
    functionals, lld = (np.vstack(found[level]) for level in _SINKS)
    if np.isnan(functionals).all() or np.isnan(lld).all():
        raise AffettoError("openSMILE gave no value for the clip.")
    return _finite(functionals), _finite(lld)


def _finite(values: np.ndarray) -> np.ndarray:
    finite: np.ndarray = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
    return finite


def rank_correlations(descriptors: np.ndarray) -> np.ndarray:
    """Correlate each pair of finite descriptors, [n_frames, n_descriptors], over the frames of a clip.

    Statistics of single descriptors depend on the speaker and the microphone, the order of their values in
    time hardly does: rank correlation keeps that alone. Correlations between the channels of a voice were
    found to tell states of the speaker by Williamson et al., "Vocal and facial biomarkers of depression based
    on motor incoordination and timing", AVEC 2014.

    Returns Spearman's coefficients, float32 [1, n_pairs], equal values sharing a rank; 0 where a descriptor
    is constant.
    """
    from scipy.stats import rankdata

    ranks = rankdata(descriptors, axis=0)
    centred = ranks - ranks.mean(axis=0)
    lengths = np.sqrt(np.einsum("ij,ij->j", centred, centred))
    unit = centred / np.where(lengths > 0, lengths, 1.0)
    correlations = np.clip(unit.T @ unit, -1.0, 1.0)[np.triu_indices(descriptors.shape[1], 1)]
    found: np.ndarray = correlations[None, :].astype(np.float32)
    return found


@lru_cache(maxsize=4)
def _smile(feature_set: FeatureSetName, level: str) -> Any:
    """Return the extractor, made once a process: reading its configuration takes a second."""
    require_safe_opensmile()
    import opensmile

    levels = opensmile.FeatureLevel
    wanted = levels.Functionals if level == "functionals" else levels.LowLevelDescriptors
    return opensmile.Smile(opensmile.FeatureSet[feature_set], wanted, num_workers=1)
