"""The attention LSTM of the music side, and the same network without attention as its baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from affetto.models import sequences
from affetto.models.network import KerasEstimator, make_inputs
from affetto.models.training import Batch, Inputs, TrainingParameters

if TYPE_CHECKING:
    from affetto.features.clip_features import ClipFeatures, FeatureSet

_DEFAULT_HOP_S = 512 / 22050


class LstmParameters(TrainingParameters):
    """Architecture, augmentation and training of the recurrent music models."""

    window_s: float = Field(1.2, ge=0, description="Length of a texture window; 0 reads the raw frames.")
    window_hop_s: float = Field(0.6, gt=0, description="Time between the starts of two texture windows.")
    midterm: bool = Field(
        False, description="Each texture window also holds the mid-term features around its middle."
    )
    units: int = Field(48, ge=1, description="Size of the LSTM's state in one direction.")
    layers: int = Field(1, ge=1, description="LSTMs on top of each other.")
    bidirectional: bool = Field(True, description="Read the clip from its end as well.")
    projection: int = Field(
        0, ge=0, description="Units of a dense layer (tanh) on every step before the LSTM; 0: none."
    )
    skip: bool = Field(False, description="Pool the LSTM's input beside its output.")
    pooled_deviation: bool = Field(False, description="Pool the weighted deviation beside the weighted mean.")
    input_dropout: float = Field(
        0.2, ge=0, lt=1, description="Dropout of input dimensions, the same at every step."
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="Dropout before the last layer.")
    noise: float = Field(0.0, ge=0, description="Deviation of Gaussian noise on the standardised input.")
    shift: float = Field(
        0.0, ge=0, description="Deviation of an offset of each dimension, one a clip (another mix)."
    )
    crop_fraction: float = Field(
        1.0, gt=0, le=1, description="Shortest share of a clip that a training batch keeps."
    )


class AttentionLstm(KerasEstimator):
    """LSTM over texture windows of MFCC frames, pooled by attention with a learnt query.

    Mirsamadi et al., ICASSP 2017, on texture windows (Tzanetakis & Cook 2002) in place of frames. The weights
    of the attention say which part of a track speaks for its emotion.
    """

    name: ClassVar[str] = "attention_lstm"
    attends: ClassVar[bool] = True
    Parameters: ClassVar[type[LstmParameters]] = LstmParameters
    parameters: LstmParameters

    @property
    def features(self) -> tuple[str, ...]:
        """`mfcc` (MFCC, their deltas and whatever else was extracted a frame) and perhaps `midterm`."""
        return ("mfcc", "midterm") if self.parameters.midterm else ("mfcc",)

    def attention(self, x: FeatureSet) -> list[np.ndarray] | None:
        """Return the weight of each texture window, float64 [n_steps] a clip, summing to 1."""
        return self._mean_attention(x, "steps")

    def attention_times(self, x: FeatureSet) -> list[np.ndarray] | None:
        """Return the start of each texture window in seconds, float64 [n_steps] a clip."""
        hop_s = x["mfcc"].hop_s or _DEFAULT_HOP_S
        window, hop = self._window(hop_s)
        counts = [max(1, int(n)) for n in x["mfcc"].n_frames]
        return [sequences.window_starts(n, window, hop) * hop_s for n in counts]

    def _window(self, hop_s: float) -> tuple[int, int]:
        if self.parameters.window_s == 0:
            return 1, 1
        window = sequences.window_frames(self.parameters.window_s, hop_s)
        return window, sequences.window_frames(self.parameters.window_hop_s, hop_s)

    def _steps(self, x: FeatureSet) -> list[np.ndarray]:
        windows = self._texture_windows(x["mfcc"])
        if not self.parameters.midterm:
            return windows
        rows, layout = x["midterm"], self._layout(x["mfcc"].hop_s, x["midterm"].hop_s)
        return [_join_nearest(steps, rows[i], layout) for i, steps in enumerate(windows)]

    def _texture_windows(self, clips: ClipFeatures) -> list[np.ndarray]:
        if self.parameters.window_s == 0:
            empty = np.zeros((1, len(clips.dimensions)), np.float32)
            return [np.asarray(clips[i]) if len(clips[i]) else empty for i in range(len(clips))]
        window, hop = self._window(clips.hop_s or _DEFAULT_HOP_S)
        return [sequences.texture_windows(clips[i], window, hop) for i in range(len(clips))]

    def _layout(self, hop_s: float | None, row_hop_s: float | None) -> dict[str, float]:
        """Return where texture windows and the rows of the mid-term features lie, for `nearest_rows`."""
        frame_s = hop_s or _DEFAULT_HOP_S
        window, hop = self._window(frame_s)
        return {"window_s": window * frame_s, "hop_s": hop * frame_s, "row_hop_s": row_hop_s or frame_s}

    def _learn_inputs(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> Inputs:
        steps = self._steps(x)
        mean, deviation = sequences.standardisation(steps)
        sizes = np.array([len(x[name].dimensions) for name in self.features])
        self.statistics_ = {"mean": mean, "deviation": deviation, "sizes": sizes}
        return self._standardised(steps)

    def _inputs(self, x: FeatureSet) -> Inputs:
        return self._standardised(self._steps(x))

    def _standardised(self, steps: list[np.ndarray]) -> Inputs:
        return {
            "steps": sequences.standardise(steps, self.statistics_["mean"], self.statistics_["deviation"])
        }

    def _augment(self, batch: Batch, rng: np.random.Generator) -> Batch:
        parameters, steps = self.parameters, batch["steps"]
        if parameters.crop_fraction < 1:
            sequences.crop_steps(steps, batch["steps_lengths"], parameters.crop_fraction, rng)
        if parameters.noise > 0:
            steps += parameters.noise * rng.standard_normal(steps.shape, dtype=np.float32)
        if parameters.shift > 0:
            steps += parameters.shift * rng.standard_normal((len(steps), 1, steps.shape[2]), dtype=np.float32)
        return batch

    def _build(self, example: Batch, n_classes: int) -> Any:
        import keras

        inputs = make_inputs(example)
        encoded = self._encode(inputs["steps"], inputs["steps_lengths"])
        pooled, extra = self._pool(encoded, inputs["steps_lengths"])
        dropped = keras.layers.Dropout(self.parameters.dropout, name="dropout")(pooled)
        logits = keras.layers.Dense(n_classes, name="logits")(dropped)
        return keras.Model(inputs, {"logits": logits, **extra}, name=self.name)

    def _encode(self, steps: Any, lengths: Any) -> Any:
        import keras

        from affetto.models.layers import SequenceLstm

        parameters = self.parameters
        x = keras.layers.SpatialDropout1D(parameters.input_dropout, name="input_dropout")(steps)
        if parameters.projection:
            x = keras.layers.Dense(parameters.projection, activation="tanh", name="projection")(x)
            x = keras.layers.SpatialDropout1D(parameters.input_dropout, name="projection_dropout")(x)
        bottom = x
        for layer in range(parameters.layers):
            lstm = SequenceLstm(
                parameters.units, bidirectional=parameters.bidirectional, name=f"lstm_{layer}"
            )
            x = lstm(x, lengths)
        return keras.layers.Concatenate(name="skip")([x, bottom]) if parameters.skip else x

    def _pool(self, encoded: Any, lengths: Any) -> tuple[Any, dict[str, Any]]:
        from affetto.models.layers import AttentionPooling

        pool = AttentionPooling(deviation=self.parameters.pooled_deviation, name="pooling")
        pooled, weights = pool(encoded, lengths)
        return pooled, {"attention": weights}


class LastStateLstm(AttentionLstm):
    """The attention LSTM without attention: the classic reading of an LSTM, its last state."""

    name: ClassVar[str] = "lstm"
    attends: ClassVar[bool] = False

    def attention(self, x: FeatureSet) -> list[np.ndarray] | None:
        """Return None: this model does not attend."""
        return None

    def attention_times(self, x: FeatureSet) -> list[np.ndarray] | None:
        """Return None: this model does not attend."""
        return None

    def _pool(self, encoded: Any, lengths: Any) -> tuple[Any, dict[str, Any]]:
        from affetto.models.layers import LastState

        return LastState(bidirectional=self.parameters.bidirectional, name="pooling")(encoded, lengths), {}


def _join_nearest(windows: np.ndarray, rows: np.ndarray, layout: Mapping[str, float]) -> np.ndarray:
    nearest = sequences.nearest_rows(len(windows), **layout)
    return np.concatenate([windows, rows[np.minimum(nearest, len(rows) - 1)]], axis=1)
