"""What every feature is to the rest: parameters that say what is computed, and that compute it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable
from importlib.metadata import version
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from affetto.audio.speech import PREPARATION_VERSION, SpeechParameters, prepare_speech
from affetto.features.spectrum import prepare_samples
from affetto.io.configuration import Parameters

SampleRate = Annotated[int, Field(ge=4_000, le=96_000)]
"""Clips are resampled to this rate, Hz."""
FftSize = Annotated[int, Field(ge=64, le=16_384, multiple_of=2)]
"""Window in samples (512 at 16 kHz: 32 ms)."""
Hop = Annotated[int, Field(ge=16, le=16_384)]
"""Hop in samples (256 at 16 kHz: 16 ms)."""
MelBands = Annotated[int, Field(ge=8, le=512)]
"""Mel bands."""


class FeatureParameters(Parameters):
    """Parameters of a feature; a subclass is a kind of feature.

    Attributes
    ----------
    extractor, version
        Name of what computes the feature, and a number that is raised when it computes other values.
    libraries
        Those that values depend on: values of two versions are never mixed in a store. A model does not ask
        for them, as they differ little.
    """

    extractor: ClassVar[str]
    version: ClassVar[int]
    libraries: ClassVar[tuple[str, ...]] = ("soxr",)

    speech: SpeechParameters | None = None
    """How recordings of voices are prepared before the feature is measured; null: not at all."""

    @property
    @abstractmethod
    def rate_hz(self) -> int:
        """Sample rate that the feature is measured at, Hz."""

    @property
    @abstractmethod
    def frame_s(self) -> float | None:
        """Seconds from a frame to the next; None: the feature is one vector a clip."""

    @abstractmethod
    def dimensions(self) -> tuple[str, ...]:
        """Return the name of each column."""

    @abstractmethod
    def measure(self, samples: np.ndarray) -> np.ndarray:
        """Compute the feature of a recording that `prepare` returned; as `extract`."""

    @property
    def shared(self) -> Hashable:
        """What features have in common that one `run` serves; by default a feature has its own."""
        return self

    def run(self, samples: np.ndarray) -> Any:
        """Compute, of a recording that `prepare` returned, what features share; by default the feature."""
        return self.measure(samples)

    def of_run(self, run: Any) -> np.ndarray:
        """Take the feature, as `measure` computes it, from what `run` returned."""
        values: np.ndarray = run
        return values

    def extract(self, samples: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """Compute the feature of a recording.

        Parameters
        ----------
        samples
            [n_samples], mono, full scale 1.0; any length from one sample.
        sample_rate_hz
            Resampled to `rate_hz` when it differs.

        Returns
        -------
        numpy.ndarray
            float32 [n_frames, n_dimensions]; one row where the feature is a vector.

        Raises
        ------
        AffettoError
            When the recording is empty, not finite, or not fit for the feature.
        """
        return self.measure(self.prepare(samples, sample_rate_hz))

    def prepare(self, samples: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """Bring a recording to `rate_hz`, and do what `speech` wants done to it."""
        mono = prepare_samples(samples, sample_rate_hz, self.rate_hz)
        return mono if self.speech is None else prepare_speech(mono, self.rate_hz, self.speech)

    def describe(self) -> dict[str, Any]:
        """Return what values depend on, as JSON values; `table.parse_description` reads it."""
        described = {"extractor": self.extractor, "version": self.version, **self.model_dump(mode="json")}
        return described if self.speech is None else {**described, "preparation": PREPARATION_VERSION}

    def check_available(self) -> None:
        """Raise an AffettoError when the weights of an encoder are not on this machine, or damaged."""

    def library_versions(self) -> dict[str, str]:
        """Return the installed version of each of the libraries."""
        return {library: version(library) for library in self.libraries}


class FrameParameters(FeatureParameters):
    """Parameters of a feature of mel bands in overlapping frames."""

    sample_rate_hz: SampleRate
    n_fft: FftSize
    hop: Hop
    n_mels: MelBands

    @property
    def rate_hz(self) -> int:
        """Sample rate that the feature is measured at, Hz."""
        return self.sample_rate_hz

    @property
    def frame_s(self) -> float:
        """Hop in seconds."""
        return self.hop / self.sample_rate_hz
