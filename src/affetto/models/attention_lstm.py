"""The attention LSTM of the music side, and the same network without attention as its baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import PositiveFloat

from affetto.features.clip_features import FeatureSet
from affetto.models.estimator import Count, Share
from affetto.models.network import KerasEstimator
from affetto.models.training import Inputs, TrainingParameters
from affetto.models.windows import texture_windows, window_starts

_LIMIT = 5.0
_SMALLEST = 1e-6


class LstmParameters(TrainingParameters):
    """Architecture and training of the recurrent music models."""

    window_s: PositiveFloat = 1.2
    """Length of a texture window."""
    window_hop_s: PositiveFloat = 0.6
    """Time between the starts of two texture windows."""
    midterm: bool = False
    """Each texture window also holds the mid-term features around its middle."""
    encoder: bool = False
    """Each texture window also holds the frame of a pre-trained encoder around its middle."""
    units: Count = 48
    """Size of the LSTM's state in one direction."""
    input_dropout: Share = 0.2
    """Dropout of input dimensions, the same at every step."""
    dropout: Share = 0.5
    """Dropout before the last layer."""


class AttentionLstm(KerasEstimator):
    """Bidirectional LSTM over texture windows of MFCC frames, pooled by attention with a learnt query.

    Mirsamadi et al., ICASSP 2017, on texture windows (Tzanetakis & Cook 2002) in place of frames. The weights
    of the attention say which part of a track speaks for its emotion. Windows are standardised on the
    training clips and clipped to ± 5 deviations, so that no outlier overwhelms the network.
    """

    name = "attention_lstm"
    attends = True
    Parameters = LstmParameters
    parameters: LstmParameters

    @property
    def features(self) -> tuple[str, ...]:
        """`mfcc` (MFCC, their deltas and whatever else was extracted a frame) and what stands beside."""
        return ("mfcc", *self._beside)

    @property
    def _beside(self) -> list[str]:
        return [name for name in ("midterm", "encoder") if getattr(self.parameters, name)]

    def _layout(self, x: FeatureSet) -> tuple[float, int, int]:
        """Return the seconds of a frame, the frames of a window, and those between the starts of two."""
        frame_s = float(x["mfcc"].hop_s)  # type: ignore[arg-type]
        window = round(self.parameters.window_s / frame_s)
        hop = round(self.parameters.window_hop_s / frame_s)
        return frame_s, max(1, window), max(1, hop)

    def _step_times(self, x: FeatureSet) -> list[np.ndarray]:
        frame_s, window, hop = self._layout(x)
        return [window_starts(n, window, hop) * frame_s for n in x["mfcc"].n_frames]

    def _steps(self, x: FeatureSet) -> list[np.ndarray]:
        """Describe texture windows, and the row of slower features nearest to the middle of each."""
        frame_s, window, hop = self._layout(x)
        steps = [texture_windows(frames, window, hop) for frames in x["mfcc"]]
        for name in self._beside:
            row_s = x[name].hop_s or frame_s
            joined = []
            for windows, rows in zip(steps, x[name], strict=True):
                middles_s = np.arange(len(windows)) * (hop * frame_s) + window * frame_s / 2
                nearest = np.rint(middles_s / row_s).astype(np.int64)
                beside = rows[np.minimum(nearest, len(rows) - 1)]
                joined.append(np.concatenate([windows, beside], axis=1))
            steps = joined
        return steps

    def _learn_inputs(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> Inputs:
        steps = self._steps(x)
        stacked = np.concatenate(steps)
        mean = stacked.mean(axis=0, dtype=np.float64)
        deviation = stacked.std(axis=0, dtype=np.float64)
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
        from keras.layers import Dense, Dropout, SpatialDropout1D

        from affetto.models.layers import AttentionPooling, LastState, SequenceLstm

        chosen, lengths = self.parameters, inputs["steps_lengths"]
        steps = SpatialDropout1D(chosen.input_dropout, name="input_dropout")(inputs["steps"])
        encoded = SequenceLstm(chosen.units, name="lstm")(steps, lengths)
        outputs = {}
        if self.attends:
            pooled, outputs["attention"] = AttentionPooling(name="pooling")(encoded, lengths)
        else:
            pooled = LastState(name="pooling")(encoded, lengths)
        dropped = Dropout(chosen.dropout, name="dropout")(pooled)
        outputs["logits"] = Dense(n_classes, name="logits")(dropped)
        return keras.Model(inputs, outputs, name=self.name)


class LastStateLstm(AttentionLstm):
    """The attention LSTM without attention: the classic reading of an LSTM, its last state."""

    name = "lstm"
    attends = False
