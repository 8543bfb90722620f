"""openSMILE's low-level descriptors, their functionals and correlations: features of speech emotion."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any, Literal

import numpy as np
from pydantic import Field

from affetto.audio.decode import LARGEST_SAMPLE
from affetto.errors import AffettoError
from affetto.features.parameters import FeatureParameters
from affetto.features.spectrum import prepare_samples
from affetto.io.native_libraries import require_safe_opensmile, uninterrupted

OPENSMILE_RATE_HZ = 16_000
OPENSMILE_HOP_S = 0.01
MIN_DURATION_S = 0.06
MAX_DURATION_S = 600.0
PAIR = "~"
"""Between the names of two descriptors, in the name of their correlation."""
FeatureSetName = Literal["ComParE_2016", "eGeMAPSv02"]
Level = Literal["functionals", "lld", "correlations"]
_SOURCE = "extsource"
Run = Literal["functionals", "lld"]
"""What openSMILE itself yields."""
_SINKS: dict[Run, str] = {"functionals": "extsinkfunc", "lld": "extsinklld"}


class OpenSmileParameters(FeatureParameters):
    """Low-level descriptors (LLD) of openSMILE, or statistics of them over a clip; at 16 kHz."""

    extractor = "opensmile"
    version = 1
    libraries = ("soxr", "opensmile")

    feature_set: FeatureSetName = Field(
        default="ComParE_2016", description="ComParE_2016 (6373 functionals, 65 LLD) or eGeMAPSv02 (88, 25)."
    )
    level: Level = Field(
        default="functionals",
        description="functionals: one vector a clip; lld: a frame every 10 ms; correlations: one vector a "
        "clip, the rank correlation of each pair of LLD.",
    )

    @property
    def rate_hz(self) -> int:
        """16 kHz: the descriptors change with the rate."""
        return OPENSMILE_RATE_HZ

    @property
    def frame_s(self) -> float | None:
        """10 ms for LLD; functionals and correlations are one vector a clip."""
        return OPENSMILE_HOP_S if self.level == "lld" else None

    def dimensions(self) -> tuple[str, ...]:
        """Return openSMILE's own names, e.g. `F0final_sma`; of correlations `<first>~<second>`."""
        if self.level == "correlations":
            return correlation_names(_smile(self.feature_set, "lld").feature_names)
        return tuple(_smile(self.feature_set, self.level).feature_names)

    def measure(self, samples: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """Run openSMILE, and keep what the level wants; see `run_opensmile`."""
        return self.of_run(*run_opensmile(samples, sample_rate_hz, self.feature_set))

    def of_run(self, functionals: np.ndarray, lld: np.ndarray) -> np.ndarray:
        """Return the feature from both results of a run."""
        if self.level == "correlations":
            return rank_correlations(lld)
        return functionals if self.level == "functionals" else lld


def run_opensmile(
    samples: np.ndarray, sample_rate_hz: int, feature_set: FeatureSetName
) -> tuple[np.ndarray, np.ndarray]:
    """Run openSMILE on a recording, once for functionals and LLD: each costs nearly as much alone.

    The samples are brought to 16 kHz (the descriptors change with the rate) and clipped to [-1,
    32767/32768]: openSMILE converts to 16-bit integers, where a sample of 1.0 would wrap to -1. A recording
    shorter than 60 ms, the longest window of the feature sets, is padded with zeros on both sides to that
    length.

    Parameters
    ----------
    samples
        [n_samples], mono, full scale 1.0.
    sample_rate_hz
        Resampled to 16 kHz when it differs.
    feature_set
        Of both.

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
    padded = _prepare(samples, sample_rate_hz)
    extractor = _smile(feature_set, "functionals")
    from opensmile.core.lib import OpenSMILE, OpenSmileException

    found: dict[Run, list[np.ndarray]] = {level: [] for level in _SINKS}
    run = OpenSMILE()
    try:
        run.initialize(config_file=extractor.config_path, options=_two_sinks(extractor), loglevel=0)
        for level, sink in _SINKS.items():
            run.external_sink_set_callback(sink, lambda values, kept=found[level]: kept.append(values.copy()))
        run.external_audio_source_write_data(_SOURCE, (padded * 32_768).astype(np.int16).tobytes())
        run.external_audio_source_set_eoi(_SOURCE)
        with uninterrupted():
            run.run()
    except OpenSmileException as error:
        raise AffettoError(f"openSMILE refused the clip: {error}.") from error
    finally:
        run.free()
    return _finite(np.vstack(found["functionals"])), _finite(np.vstack(found["lld"]))


def correlation_names(descriptors: Sequence[str]) -> tuple[str, ...]:
    """Return the name of each pair, `<first>~<second>`, in the order of `rank_correlations`."""
    return tuple(f"{first}{PAIR}{second}" for first, second in combinations(descriptors, 2))


def rank_correlations(descriptors: np.ndarray) -> np.ndarray:
    """Correlate each pair of finite descriptors, [n_frames, n_descriptors], over the frames of a clip.

    Statistics of single descriptors depend on the speaker and the microphone, the order of their values in
    time hardly does: rank correlation keeps that alone. Correlations between the channels of a voice were
    found to tell states of the speaker by Williamson et al., "Vocal and facial biomarkers of depression based
    on motor incoordination and timing", AVEC 2014.

    Returns
    -------
    numpy.ndarray
        float32 [1, n_pairs], Spearman's coefficients, equal values sharing a rank; 0 where a descriptor is
        constant.
    """
    from scipy.stats import rankdata

    ranks = rankdata(descriptors, axis=0)
    centred = ranks - ranks.mean(axis=0)
    lengths = np.sqrt(np.einsum("ij,ij->j", centred, centred))
    unit = centred / np.where(lengths > 0, lengths, 1.0)
    correlations = np.clip(unit.T @ unit, -1.0, 1.0)[np.triu_indices(descriptors.shape[1], 1)]
    found: np.ndarray = correlations[None, :].astype(np.float32)
    return found


def _two_sinks(extractor: Any) -> dict[str, object]:
    """Return openSMILE's options for samples from memory and both levels to memory."""
    shared = f"{extractor.default_config_root}/shared"
    return {
        "source": f"{shared}/standard_external_wave_input.conf.inc",
        "sink": f"{shared}/standard_external_data_output_multi.conf.inc",
        "bufferModeRbConf": f"{shared}/BufferModeRb.conf.inc",
        "frameModeFunctionalsConf": f"{shared}/FrameModeFunctionals.conf.inc",
        "sampleRate": OPENSMILE_RATE_HZ,
        "nBits": 16,
    }


def _prepare(samples: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Resample, clip and pad; refuse what is too long."""
    mono = prepare_samples(samples, sample_rate_hz, OPENSMILE_RATE_HZ)
    duration_s = len(mono) / OPENSMILE_RATE_HZ
    if duration_s > MAX_DURATION_S:
        raise AffettoError(
            f"The clip lasts {duration_s:.0f} s and openSMILE is run on at most {MAX_DURATION_S:.0f} s; "
            "let corpus.segment_s cut it into segments."
        )
    return _pad(np.clip(mono, -1.0, LARGEST_SAMPLE))


def _finite(values: np.ndarray) -> np.ndarray:
    """Put 0 where openSMILE leaves a value undefined; it leaves all of them so when it came to no result."""
    if np.isnan(values).all():
        raise AffettoError("openSMILE gave no value for the clip.")
    finite: np.ndarray = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    return finite.astype(np.float32)


def _pad(samples: np.ndarray) -> np.ndarray:
    missing = max(0, int(np.ceil(MIN_DURATION_S * OPENSMILE_RATE_HZ)) - len(samples))
    return np.pad(samples, (missing // 2, missing - missing // 2)) if missing else samples


@lru_cache(maxsize=4)
def _smile(feature_set: FeatureSetName, level: Run) -> Any:
    """Return the extractor, made once a process: reading its configuration takes a second."""
    require_safe_opensmile()
    import opensmile

    levels = {
        "functionals": opensmile.FeatureLevel.Functionals,
        "lld": opensmile.FeatureLevel.LowLevelDescriptors,
    }
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet[feature_set],
        feature_level=levels[level],
        num_workers=1,
    )
