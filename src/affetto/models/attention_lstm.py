"""The attention LSTM of the music side, and the same network without attention as its baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from affetto.models.network import KerasEstimator
from affetto.models.training import Inputs, TrainingParameters
from affetto.models.windows import nearest_rows, texture_windows, window_starts

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet

_DEFAULT_HOP_S = 512 / 22050
_LIMIT = 5.0
_SMALLEST = 1e-6


class LstmParameters(TrainingParameters):
    """Architecture and training of the recurrent music models."""

    window_s: float = Field(1.2, gt=0, description="Length of a texture window.")
    window_hop_s: float = Field(0.6, gt=0, description="Time between the starts of two texture windows.")
    midterm: bool = Field(
        False, description="Each texture window also holds the mid-term features around its middle."
    )
    units: int = Field(48, ge=1, description="Size of the LSTM's state in one direction.")
    input_dropout: float = Field(
        0.2, ge=0, lt=1, description="Dropout of input dimensions, the same at every step."
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="Dropout before the last layer.")


class AttentionLstm(KerasEstimator):
    """Bidirectional LSTM over texture windows of MFCC frames, pooled by attention with a learnt query.

    Mirsamadi et al., ICASSP 2017, on texture windows (Tzanetakis & Cook 2002) in place of frames. The weights
    of the attention say which part of a track speaks for its emotion. Windows are standardised on the
    training clips and clipped to ± 5 deviations, so that no outlier overwhelms the network.
    """

    name: ClassVar[str] = "attention_lstm"
    attends: ClassVar[bool] = True
    Parameters: ClassVar[type[LstmParameters]] = LstmParameters
    parameters: LstmParameters

    @property
    def features(self) -> tuple[str, ...]:
        """`mfcc` (MFCC, their deltas and whatever else was extracted a frame) and perhaps `midterm`."""
        return ("mfcc", "midterm") if self.parameters.midterm else ("mfcc",)

    def attention_times(self, x: FeatureSet) -> list[np.ndarray] | None:
        """Return the start of each texture window in seconds, float64 [n_steps] a clip."""
        return [starts * _hop_s(x) for starts in self._starts(x)] if self.attends else None

    def _window(self, x: FeatureSet) -> tuple[int, int]:
        """Return frames of a window and between two."""
        lengths_s = self.parameters.window_s, self.parameters.window_hop_s
        window, hop = (max(1, round(length_s / _hop_s(x))) for length_s in lengths_s)
        return window, hop

    def _starts(self, x: FeatureSet) -> list[np.ndarray]:
        return [window_starts(max(1, int(n)), *self._window(x)) for n in x["mfcc"].n_frames]

    def _n_steps(self, x: FeatureSet) -> list[int]:
        return [len(starts) for starts in self._starts(x)]

    def _steps(self, x: FeatureSet) -> list[np.ndarray]:
        window, hop = self._window(x)
        windows = [texture_windows(frames, window, hop) for frames in x["mfcc"]]
        if not self.parameters.midterm:
            return windows
        frame_s, joined = _hop_s(x), []
        layout = {"window_s": window * frame_s, "hop_s": hop * frame_s}
        for steps, rows in zip(windows, x["midterm"], strict=True):
            nearest = nearest_rows(len(steps), **layout, row_hop_s=x["midterm"].hop_s or frame_s)
            joined.append(np.concatenate([steps, rows[np.minimum(nearest, len(rows) - 1)]], axis=1))
        return joined

    def _learn_inputs(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> Inputs:
        steps = self._steps(x)
        stacked = np.concatenate(steps)
        mean, deviation = stacked.mean(axis=0, dtype=np.float64), stacked.std(axis=0, dtype=np.float64)
        deviation[deviation < _SMALLEST] = 1
        self.statistics_ = {"mean": mean.astype(np.float32), "deviation": deviation.astype(np.float32)}
        return self._standardised(steps)

    def _inputs(self, x: FeatureSet) -> Inputs:
        return self._standardised(self._steps(x))

    def _standardised(self, steps: list[np.ndarray]) -> Inputs:
        mean, deviation = self.statistics_["mean"], self.statistics_["deviation"]
        scaled = [np.clip((each - mean) / deviation, -_LIMIT, _LIMIT) for each in steps]
        return {"steps": [each.astype(np.float32) for each in scaled]}

    def _build(self, inputs: dict[str, Any], n_classes: int) -> Any:
        import keras

        from affetto.models.layers import SequenceLstm

        chosen, lengths = self.parameters, inputs["steps_lengths"]
        steps = keras.layers.SpatialDropout1D(chosen.input_dropout, name="input_dropout")(inputs["steps"])
        encoded = SequenceLstm(chosen.units, name="lstm")(steps, lengths)
        pooled, extra = self._pool(encoded, lengths)
        dropped = keras.layers.Dropout(chosen.dropout, name="dropout")(pooled)
        logits = keras.layers.Dense(n_classes, name="logits")(dropped)
        return keras.Model(inputs, {"logits": logits, **extra}, name=self.name)

    def _pool(self, encoded: Any, lengths: Any) -> tuple[Any, dict[str, Any]]:
        from affetto.models.layers import AttentionPooling

        pooled, weights = AttentionPooling(name="pooling")(encoded, lengths)
        return pooled, {"attention": weights}


class LastStateLstm(AttentionLstm):
    """The attention LSTM without attention: the classic reading of an LSTM, its last state."""

    name: ClassVar[str] = "lstm"
    attends: ClassVar[bool] = False

    def _pool(self, encoded: Any, lengths: Any) -> tuple[Any, dict[str, Any]]:
        from affetto.models.layers import LastState

        return LastState(name="pooling")(encoded, lengths), {}


def _hop_s(x: FeatureSet) -> float:
    return float(x["mfcc"].hop_s or _DEFAULT_HOP_S)
