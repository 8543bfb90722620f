"""To which group of low-level descriptors each column of openSMILE's features belongs.

The groups of the ComParE set are those of its authors: Weninger, Eyben, Schuller, Mortillaro & Scherer, "On
the acoustics of emotion in audio: what speech, music, and sound have in common", Frontiers in Psychology
4:292, 2013, table of the LLD: 4 energy related, 6 voicing related and 55 spectral, of which the 14 MFCC are
called cepstral there and are a group of their own here; the auditory bands with RASTA filtering are spectral.

eGeMAPS (Eyben et al., IEEE Transactions on Affective Computing 7(2), 2016) puts jitter and F0 under
frequency, shimmer and HNR under energy, and rates under time. So that both sets can be read side by side,
what both have is grouped as in ComParE here, the level and the peaks of loudness are energy, and what is read
off voiced segments is voicing; formants and what compares harmonics describe the spectrum's shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from affetto.errors import AffettoError
from affetto.features.opensmile import PAIR

LldGroup = Literal["energy", "voicing", "spectral", "cepstral"]
LLD_GROUPS: tuple[LldGroup, ...] = get_args(LldGroup)

_FFT = "pcm_fftMag_"
_COMPARE: dict[LldGroup, tuple[str, ...]] = {
    "energy": ("audspec_lengthL1norm", "audspecRasta_lengthL1norm", "pcm_RMSenergy", "pcm_zcr"),
    "voicing": ("F0final", "voicingFinalUnclipped", "jitterLocal", "jitterDDP", "shimmerLocal", "logHNR"),
    "spectral": (
        "audSpec_Rfilt",
        *(f"{_FFT}fband{band}" for band in ("250-650", "1000-4000")),
        *(f"{_FFT}spectralRollOff{share}" for share in ("25.0", "50.0", "75.0", "90.0")),
        *(f"{_FFT}spectral{shape}" for shape in ("Flux", "Centroid", "Entropy", "Slope", "Harmonicity")),
        *(f"{_FFT}spectral{moment}" for moment in ("Variance", "Skewness", "Kurtosis")),
        f"{_FFT}psySharpness",
    ),
    "cepstral": ("mfcc",),
}
_FORMANTS = ("frequency", "bandwidth", "amplitudeLogRelF0")
_EGEMAPS: dict[LldGroup, tuple[str, ...]] = {
    "energy": ("loudness", "Loudness", "loudnessPeaksPerSec", "equivalentSoundLevel_dBp"),
    "voicing": (
        *("F0semitoneFrom27.5Hz", "jitterLocal", "shimmerLocaldB", "HNRdBACF", "VoicedSegmentsPerSec"),
        *("MeanVoicedSegmentLengthSec", "StddevVoicedSegmentLengthSec"),
        *("MeanUnvoicedSegmentLength", "StddevUnvoicedSegmentLength"),
    ),
    "spectral": (
        *("spectralFlux", "spectralFluxV", "spectralFluxUV", "logRelF0-H1-H2", "logRelF0-H1-A3"),
        *(f"{ratio}{voiced}" for ratio in ("alphaRatio", "hammarbergIndex") for voiced in ("", "V", "UV")),
        *(f"slope{voiced}{band}" for voiced in ("", "V", "UV") for band in ("0-500", "500-1500")),
        *(f"F{number}{what}" for number in (1, 2, 3) for what in _FORMANTS),
    ),
    "cepstral": tuple(f"mfcc{number}{voiced}" for number in (1, 2, 3, 4) for voiced in ("", "V")),
}
_GROUP_OF: dict[str, LldGroup] = {
    descriptor: group
    for table in (_COMPARE, _EGEMAPS)
    for group, descriptors in table.items()
    for descriptor in descriptors
}


def group_of(dimension: str) -> LldGroup:
    """Return the group of a column of `functionals`, `lld` or `egemaps`.

    Parameters
    ----------
    dimension
        openSMILE's name, such as `F0final_sma_de_amean`: the descriptor is what stands before `_sma`, its
        smoothing; deltas and statistics belong to the group of their descriptor.

    Raises
    ------
    AffettoError
        When no group is known for it.
    """
    descriptor = dimension.split("_sma", maxsplit=1)[0]
    if descriptor not in _GROUP_OF:
        raise AffettoError(
            f"The column {dimension!r} belongs to no known group of LLD: add its descriptor to "
            "affetto.experiments.descriptors."
        )
    return _GROUP_OF[descriptor]


def columns_by_group(dimensions: Sequence[str]) -> dict[LldGroup, np.ndarray]:
    """Return the positions of the columns of each group, int64 arrays; together they are all columns.

    A column belongs to one group, except the correlation of two descriptors: it says something of both and so
    belongs to the groups of both.
    """
    groups = [{group_of(descriptor) for descriptor in dimension.split(PAIR)} for dimension in dimensions]
    return {
        group: np.array([i for i, own in enumerate(groups) if group in own], dtype=np.int64)
        for group in LLD_GROUPS
    }
