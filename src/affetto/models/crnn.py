"""The CRNN branch of the voice model: convolutions, an LSTM and attention over a log-mel spectrogram.

With `lld_windows` the LSTM also reads the LLD around each of its steps: pitch, voice quality and spectral
shape, which convolutions do not learn from the few clips of an emotion corpus, relative to the kind of voice
(`affetto.models.voice_types`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field

from affetto.models import training as shared
from affetto.models.augmentation import AugmentationParameters
from affetto.models.lld_windows import LldWindowParameters, lld_windows
from affetto.models.network import KerasEstimator, make_inputs
from affetto.models.standardiser import Standardiser
from affetto.models.training import Batch, Examples, Inputs, TrainingParameters
from affetto.models.voice_types import VoiceTypes

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet

Removal = Literal["none", "clip", "band"]
_SMALLEST = 1e-3
_TYPE_PENALTY = 0.1
"""L2 penalty of the classifier of the kinds of voices, about that of the LLD branch on real corpora."""
_DEFAULT_HOP_S = 0.016
_DEFAULT_LLD_HOP_S = 0.010


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
    mean_removal: Removal = Field(
        "clip", description="Level subtracted from each clip: none, its mean, or its mean in each band."
    )
    range_db: float = Field(60.0, gt=0, description="Dynamic range kept below a clip's loudest cell, dB.")
    augmentation: AugmentationParameters = Field(default_factory=AugmentationParameters)
    lld_windows: LldWindowParameters | None = Field(
        None, description="What the network also reads of the LLD, {} for the defaults; null: nothing."
    )


class Crnn(KerasEstimator):
    """The network alone, without the functionals."""

    name: ClassVar[str] = "crnn"
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

    def _spectrogram_statistics(self, x: FeatureSet) -> dict[str, np.ndarray]:
        levelled = np.concatenate(
            [
                remove_level(clip, self.parameters.mean_removal, self.parameters.range_db)
                for clip in x["log_mel"]
            ]
        )
        return {
            "mean": levelled.mean(axis=0, dtype=np.float64),
            "scale": np.maximum(levelled.std(axis=0, dtype=np.float64), _SMALLEST),
            "hop_s": np.array(_hop_s(x)),
        }

    def _learn_inputs(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> Inputs:
        self.statistics_ = self._spectrogram_statistics(x)
        chosen, spectrograms = self.parameters.lld_windows, list(x["log_mel"])
        if chosen is None:
            return {"log_mel": spectrograms}
        windows = self._windows(x, chosen)
        standardise = Standardiser.learn(np.concatenate(windows), limit=chosen.limit)
        standardised = [standardise(one) for one in windows]
        types = _learn_types(standardised, labels, groups, chosen.voice_types)
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

    def _build(self, example: Batch, n_classes: int) -> Any:
        from affetto.models.crnn_network import build_crnn

        chosen = self.parameters
        windows = chosen.lld_windows or LldWindowParameters()
        return build_crnn(
            make_inputs(example),
            n_classes,
            mean_removal=chosen.mean_removal,
            range_db=chosen.range_db,
            band_mean=self.statistics_["mean"].tolist(),
            band_scale=self.statistics_["scale"].tolist(),
            channels=chosen.channels,
            n_time_strides=chosen.n_time_strides,
            lstm_units=chosen.lstm_units,
            dropout=chosen.dropout,
            window_units=windows.units,
            window_dropout=windows.dropout,
        )

    def _fit_member(self, examples: Examples, groups: np.ndarray, seed: int) -> list[dict[str, float]]:
        from affetto.models.crop_loop import CropLoop

        shared.seed_keras(seed)
        chosen = self.parameters
        kept, held = shared.validation_split(
            examples.labels, groups, chosen.validation_fraction, np.random.default_rng(seed)
        )
        model = self._build(shared.pad_batch(examples.inputs, np.arange(1)), examples.n_classes)
        self.members_.append(model)
        width = max(1, round(chosen.crop_s / float(self.statistics_["hop_s"])))
        loop = CropLoop(
            model,
            examples.take(kept),
            chosen,
            seed=seed,
            width=width,
            augmentation=chosen.augmentation,
            windows=chosen.lld_windows,
            frames_per_step=self._frames_per_step,
        )
        return loop.run(examples.take(held) if len(held) else None)

    def attention(self, x: FeatureSet) -> list[np.ndarray]:
        """Return the weights of the steps of each clip, [n_steps], the members' mean; they sum to 1."""
        self._require_compatible(x)
        steps = self._n_steps(x)
        weights, inputs = [np.zeros(n) for n in steps], self._inputs(x)
        for member in self.members_:
            for indices, outputs in shared.predict_outputs(member, inputs):
                for i, row in zip(indices, outputs["attention"], strict=True):
                    weights[int(i)] += row[: steps[int(i)]]
        return [row / row.sum() for row in weights]

    def attention_times(self, x: FeatureSet) -> list[np.ndarray]:
        """Return the start of each step in seconds, shaped like `attention`."""
        self._require_compatible(x)
        step_s = float(self.statistics_["hop_s"]) * self._frames_per_step
        return [step_s * np.maximum(np.arange(n) - 0.5, 0.0) for n in self._n_steps(x)]

    def _load_state(self, directory: Path) -> None:
        shared.configure_tensorflow()  # before the layers import it
        import affetto.models.crnn_network  # noqa: F401  # registers the layers

        super()._load_state(directory)
        if self.parameters.lld_windows is not None:
            VoiceTypes.from_arrays(self.statistics_)  # says at once that the model is of an earlier version

    @property
    def _frames_per_step(self) -> int:
        return 1 << min(self.parameters.n_time_strides, len(self.parameters.channels))

    def _n_steps(self, x: FeatureSet) -> list[int]:
        """Frames halved as often as the network has strides, rounded up."""
        return [-(-int(n) // self._frames_per_step) for n in x["log_mel"].n_frames]


def _moments(windows: np.ndarray) -> np.ndarray:
    """Return means and deviations over the windows of a clip, [2 n_dimensions]."""
    return np.concatenate([windows.mean(axis=0), windows.std(axis=0)])


def _learn_types(
    windows: list[np.ndarray], labels: np.ndarray, groups: np.ndarray, n_types: int
) -> VoiceTypes:
    moments = np.stack([_moments(one) for one in windows])
    scale = np.full(moments.shape[1], moments.shape[1] ** -0.5)
    return VoiceTypes.learn(moments, labels, groups, scale=scale, n_types=n_types, penalty=_TYPE_PENALTY)


def _less_type(windows: np.ndarray, types: VoiceTypes) -> np.ndarray:
    """Subtract from the standardised windows of a clip what they owe to the kind of voice, float32."""
    offset = types.offset(_moments(windows)[None])[0, : windows.shape[1]]
    return np.asarray((windows - offset).astype(np.float32))


def _hop_s(x: FeatureSet) -> float:
    return float(x["log_mel"].hop_s or _DEFAULT_HOP_S)


def remove_level(clip: np.ndarray, removal: Removal, range_db: float) -> np.ndarray:
    """Do what the network's first layer does, for its statistics: float [n_frames, n_bands] in dB."""
    limited: np.ndarray = np.maximum(clip, clip.max() - range_db)
    if removal == "none":
        return limited
    return np.asarray(limited - (limited.mean(axis=0) if removal == "band" else limited.mean()))
