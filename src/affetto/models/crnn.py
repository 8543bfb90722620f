"""The CRNN branch of the voice model: convolutions, an LSTM and attention over a log-mel spectrogram.

With `lld_windows` the LSTM also reads the LLD around each of its steps: pitch, voice quality and spectral
shape, which convolutions do not learn from the few clips of an emotion corpus, relative to the kind of voice
(`affetto.models.speakers`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field

from affetto.models.augmentation import AugmentationParameters, CropLoop
from affetto.models.estimator import ModelParameters
from affetto.models.logistic import Standardiser
from affetto.models.network import KerasEstimator
from affetto.models.speakers import VoiceTypeCount, VoiceTypes
from affetto.models.training import Batch, Inputs, TrainingParameters
from affetto.models.windows import lld_windows

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet

_SMALLEST = 1e-3
_TYPE_PENALTY = 0.1
"""L2 penalty of the classifier of the kinds of voices, about that of the LLD branch on real corpora."""
_DEFAULT_HOP_S = 0.016
_DEFAULT_LLD_HOP_S = 0.010


class LldWindowParameters(ModelParameters):
    """What the network sees of the LLD, and how much that is varied in training."""

    window_s: float = Field(0.16, gt=0, description="Length of the window of LLD around each step, seconds.")
    limit: float = Field(4.0, gt=0, description="Standardised windows are clipped to ± this.")
    voice_types: VoiceTypeCount = 2
    units: int = Field(64, ge=1, description="Size of the layer that the windows pass before the LSTM.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of the dimensions hidden in a whole crop.")
    borrow_probability: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of crops moved towards the mean LLD of another clip of the emotion.",
    )
    offset: float = Field(
        0.2, ge=0, description="Deviation of the random offset of each dimension of a crop, in deviations."
    )


class CrnnParameters(TrainingParameters):
    """Architecture, input, augmentation and training of the network."""

    epochs: int = Field(50, ge=1, description="Passes over the training clips.")
    batch_size: int = Field(16, ge=1, description="Clips a step.")
    learning_rate: float = Field(2e-3, gt=0, description="Peak rate of AdamW, reached after the warm-up.")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Share of each target spread evenly.")
    mixup_alpha: float = Field(
        0.2, ge=0, description="Beta parameter of mixup (Zhang et al. 2018); 0 is off."
    )
    channels: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (16, 32, 48, 64),
        min_length=1,
        max_length=6,
        description="Channels of the blocks.",
    )
    n_time_strides: int = Field(3, ge=0, le=6, description="So many blocks halve the frames.")
    lstm_units: int = Field(48, ge=1, description="Size of the LSTM's state in each direction.")
    dropout: float = Field(0.3, ge=0, lt=1, description="Share hidden around the LSTM.")
    crop_s: float = Field(2.048, gt=0, description="Length of the random training crops, seconds.")
    mean_removal: Literal["clip", "band"] = Field(
        "clip", description="Level subtracted from each clip: its mean, or its mean in each band."
    )
    range_db: float = Field(60.0, gt=0, description="Dynamic range kept below a clip's loudest cell, dB.")
    augmentation: AugmentationParameters = Field(default_factory=AugmentationParameters)
    lld_windows: LldWindowParameters | None = Field(
        None, description="What the network also reads of the LLD, {} for the defaults; null: nothing."
    )


class Crnn(KerasEstimator):
    """The network alone, without the functionals."""

    name: ClassVar[str] = "crnn"
    VERSION: ClassVar[int] = 2
    attends: ClassVar[bool] = True
    Parameters: ClassVar[type[BaseModel]] = CrnnParameters
    parameters: CrnnParameters

    @property
    def features(self) -> tuple[str, ...]:
        """`log_mel`, and `lld` where the network reads its windows."""
        return ("log_mel",) if self.parameters.lld_windows is None else ("log_mel", "lld")

    @property
    def n_parameters(self) -> int:
        """Weights of all members, and what tells kinds of voices apart."""
        if self.parameters.lld_windows is None:
            return super().n_parameters
        return super().n_parameters + VoiceTypes.from_arrays(self.statistics_).n_parameters

    def _less_level(self, clip: np.ndarray) -> np.ndarray:
        """Do what the network's first layer does, for its statistics: float [n_frames, n_bands] in dB."""
        limited = np.maximum(clip, clip.max() - self.parameters.range_db)
        return np.asarray(limited - limited.mean(axis=0 if self.parameters.mean_removal == "band" else None))

    def _learn_inputs(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> Inputs:
        chosen, spectrograms = self.parameters.lld_windows, list(x["log_mel"])
        levelled = np.concatenate([self._less_level(clip) for clip in spectrograms])
        self.statistics_ = {
            "mean": levelled.mean(axis=0, dtype=np.float64),
            "scale": np.maximum(levelled.std(axis=0, dtype=np.float64), _SMALLEST),
            "hop_s": np.array(_hop_s(x)),
        }
        if chosen is None:
            return {"log_mel": spectrograms}
        windows = self._windows(x, chosen)
        standardise = Standardiser.learn(np.concatenate(windows), limit=chosen.limit)
        standardised = [standardise(one) for one in windows]
        moments = np.stack([_moments(one) for one in standardised])
        types = VoiceTypes.learn(
            moments,
            labels,
            groups,
            scale=np.full(moments.shape[1], moments.shape[1] ** -0.5),
            n_types=chosen.voice_types,
            penalty=_TYPE_PENALTY,
        )
        learnt = {"window_mean": standardise.mean, "window_scale": standardise.scale}
        self.statistics_ |= learnt | types.arrays()
        return {"log_mel": spectrograms, "lld_windows": [_less_type(one, types) for one in standardised]}

    def _inputs(self, x: FeatureSet) -> Inputs:
        chosen, learnt, spectrograms = self.parameters.lld_windows, self.statistics_, list(x["log_mel"])
        if chosen is None:
            return {"log_mel": spectrograms}
        standardise = Standardiser(learnt["window_mean"], learnt["window_scale"], chosen.limit)
        types = VoiceTypes.from_arrays(learnt)
        windows = [_less_type(standardise(one), types) for one in self._windows(x, chosen)]
        return {"log_mel": spectrograms, "lld_windows": windows}

    def _windows(self, x: FeatureSet, chosen: LldWindowParameters) -> list[np.ndarray]:
        """Describe the LLD around each step behind the convolutions, [n_steps, n_dimensions] a clip."""
        return [
            lld_windows(
                clip,
                n_steps,
                step_s=_hop_s(x) * self._frames_per_step,
                hop_s=x["lld"].hop_s or _DEFAULT_LLD_HOP_S,
                window_s=chosen.window_s,
            )
            for clip, n_steps in zip(x["lld"], self._n_steps(x), strict=True)
        ]

    def _build(self, inputs: dict[str, Any], n_classes: int) -> Any:
        """Put the network together: deltas, convolutions with strides, LSTM, attention pooling, logits.

        LLD windows, one for each step behind the convolutions, pass a layer of their own and join the steps
        before the LSTM.
        """
        import keras
        from keras import layers

        from affetto.models.layers import (
            AttentionPooling,
            ConvolutionBlock,
            SequenceLstm,
            SpectrogramChannels,
        )

        chosen, lengths = self.parameters, inputs["log_mel_lengths"]
        prepare = SpectrogramChannels(
            removal=chosen.mean_removal, range_db=chosen.range_db, name="spectrogram"
        )
        maps = prepare(inputs["log_mel"], lengths)
        prepare.set_weights([self.statistics_["mean"], self.statistics_["scale"]])
        for block, n_channels in enumerate(chosen.channels):
            halved, size = block < chosen.n_time_strides, 5 if block == 0 else 3
            convolve = ConvolutionBlock(n_channels, size=size, halved=halved, name=f"block_{block}")
            maps, lengths = convolve(maps, lengths)
        steps = layers.Reshape((-1, maps.shape[2] * maps.shape[3]), name="steps")(maps)
        steps = layers.Dropout(chosen.dropout, name="steps_dropout")(steps)
        if chosen.lld_windows:
            windows = layers.SpatialDropout1D(chosen.lld_windows.dropout, name="input_window_dropout")(
                inputs["lld_windows"]
            )
            windows = layers.Dense(chosen.lld_windows.units, name="window_dense")(windows)
            windows = layers.LayerNormalization(name="window_normalisation")(windows)
            windows = layers.Activation("gelu", name="window_gelu")(windows)
            windows = layers.Dropout(chosen.dropout, name="window_dropout")(windows)
            steps = layers.Concatenate(name="joined")([steps, windows])
        steps = SequenceLstm(chosen.lstm_units, name="lstm")(steps, lengths)
        pooled, attention = AttentionPooling(deviation=True, name="pooling")(steps, lengths)
        pooled = layers.Dropout(chosen.dropout, name="dropout")(pooled)
        logits = layers.Dense(n_classes, name="logits")(pooled)
        return keras.Model(inputs, {"logits": logits, "attention": attention}, name=self.name)

    def _loop(self, model: Any, inputs: Inputs, labels: np.ndarray, seed: int) -> CropLoop:
        chosen = self.parameters
        return CropLoop(
            model,
            inputs,
            labels,
            chosen,
            seed=seed,
            width=max(1, round(chosen.crop_s / float(self.statistics_["hop_s"]))),
            frames_per_step=self._frames_per_step,
            augmentation=chosen.augmentation,
            borrow_probability=chosen.lld_windows.borrow_probability if chosen.lld_windows else 0.0,
            offset=chosen.lld_windows.offset if chosen.lld_windows else 0.0,
        )

    def native(self) -> tuple[Literal["keras"], Any, Batch]:
        """Return the first member and a batch of one clip of zeros, as many LLD windows as steps."""
        library, member, example = super().native()
        frames = np.repeat(example["log_mel"], self._frames_per_step, axis=1)
        lengths = example["log_mel_lengths"] * self._frames_per_step
        return library, member, {**example, "log_mel": frames, "log_mel_lengths": lengths}

    def attention_times(self, x: FeatureSet) -> list[np.ndarray]:
        """Return the start of each step in seconds, shaped like `attention`."""
        self._require_compatible(x)
        step_s = float(self.statistics_["hop_s"]) * self._frames_per_step
        return [step_s * np.maximum(np.arange(n) - 0.5, 0.0) for n in self._n_steps(x)]

    @property
    def _frames_per_step(self) -> int:
        return 1 << min(self.parameters.n_time_strides, len(self.parameters.channels))

    def _n_steps(self, x: FeatureSet) -> list[int]:
        """Frames halved as often as the network has strides, rounded up."""
        return [-(-int(n) // self._frames_per_step) for n in x["log_mel"].n_frames]


def _moments(windows: np.ndarray) -> np.ndarray:
    """Return means and deviations over the windows of a clip, [2 n_dimensions]."""
    return np.concatenate([windows.mean(axis=0), windows.std(axis=0)])


def _less_type(windows: np.ndarray, types: VoiceTypes) -> np.ndarray:
    """Subtract from the standardised windows of a clip what they owe to the kind of voice, float32."""
    offset = types.offset(_moments(windows)[None])[0, : windows.shape[1]]
    return np.asarray((windows - offset).astype(np.float32))


def _hop_s(x: FeatureSet) -> float:
    return float(x["log_mel"].hop_s or _DEFAULT_HOP_S)
