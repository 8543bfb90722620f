"""The CRNN branch of the voice model: convolutions, an LSTM and attention over a log-mel spectrogram.

With `lld_windows` the LSTM also reads the LLD around each of its steps: pitch, voice quality and spectral
shape, which convolutions do not learn from the few clips of an emotion corpus, relative to the kind of voice
(`affetto.models.speakers`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat

from affetto.features.clip_features import FeatureSet
from affetto.io.configuration import Parameters
from affetto.models.augmentation import (
    AugmentationParameters,
    Crops,
    Probability,
    borrow_means,
    borrow_spectra,
    hide_stripes,
    vary_levels,
    warp_bands,
)
from affetto.models.estimator import Count, Share
from affetto.models.network import KerasEstimator
from affetto.models.speakers import VoiceTypeCount, VoiceTypes
from affetto.models.training import Batch, Inputs, Loop, TrainingParameters, bucket_order, mix
from affetto.models.vectors import Standardiser
from affetto.models.windows import lld_windows

_SMALLEST = 1e-3
_TYPE_PENALTY = 0.1
"""L2 penalty of the classifier of the kinds of voices, about that of the LLD branch on real corpora."""
_CLEAN_UPDATES = 40  # moving averages of momentum 0.9 then remember less than 2 % of what was before


class LldWindowParameters(Parameters):
    """What the network sees of the LLD, and how much that is varied in training."""

    window_s: PositiveFloat = 0.16
    """Length of the window of LLD around each step, seconds."""
    limit: PositiveFloat = 4.0
    """Standardised windows are clipped to ± this."""
    voice_types: VoiceTypeCount = 2
    units: Count = 64
    """Size of the layer that the windows pass before the LSTM."""
    dropout: Share = 0.2
    """Share of the dimensions hidden in a whole crop."""
    borrow_probability: Probability = 0.5
    """Share of crops moved towards the mean LLD of another clip of the emotion."""
    offset: NonNegativeFloat = 0.2
    """Deviation of the random offset of each dimension of a crop, in deviations."""


class CrnnParameters(TrainingParameters):
    """Architecture, input, augmentation and training of the network."""

    epochs: Count = 50
    """Passes over the training clips."""
    batch_size: Count = 16
    """Clips a step."""
    label_smoothing: Share = 0.1
    """Share of each target spread evenly."""
    mixup_alpha: NonNegativeFloat = 0.2
    """Beta parameter of mixup (Zhang et al. 2018); 0 is off."""
    channels: tuple[Count, ...] = Field((16, 32, 48, 64), min_length=1, max_length=6)
    """Channels of the blocks."""
    n_time_strides: Annotated[int, Field(ge=0, le=6)] = 3
    """So many blocks halve the frames."""
    lstm_units: Count = 48
    """Size of the LSTM's state in each direction."""
    dropout: Share = 0.3
    """Share hidden around the LSTM."""
    crop_s: PositiveFloat = 2.048
    """Length of the random training crops, seconds."""
    mean_removal: Literal["clip", "band"] = "clip"
    """Level subtracted from each clip: its mean, or its mean in each band."""
    range_db: PositiveFloat = 60.0
    """Dynamic range kept below a clip's loudest cell, dB."""
    augmentation: AugmentationParameters = Field(default_factory=AugmentationParameters)
    """How training crops are varied."""
    lld_windows: LldWindowParameters | None = None
    """What the network also reads of the LLD, {} for the defaults; null: nothing."""

    @property
    def stride(self) -> int:
        """Frames for each step behind the convolutions."""
        return 1 << min(self.n_time_strides, len(self.channels))


class Crnn(KerasEstimator):
    """The network alone, without the functionals."""

    name = "crnn"
    VERSION = 2
    attends = True
    Parameters = CrnnParameters
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
        axis = 0 if self.parameters.mean_removal == "band" else None
        return np.asarray(limited - limited.mean(axis=axis))

    def _learn_inputs(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> Inputs:
        levelled = np.concatenate([self._less_level(clip) for clip in x["log_mel"]])
        self.statistics_ = {
            "mean": levelled.mean(axis=0, dtype=np.float64),
            "scale": np.maximum(levelled.std(axis=0, dtype=np.float64), _SMALLEST),
            "hop_s": np.array(x["log_mel"].hop_s),
        }
        if self.parameters.lld_windows is not None:
            self._learn_windows(x, labels, groups, self.parameters.lld_windows)
        return self._inputs(x)

    def _learn_windows(
        self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray, chosen: LldWindowParameters
    ) -> None:
        """Measure the LLD windows, and find the kinds of voices by their moments over each clip."""
        windows = self._windows(x, chosen)
        standardise = Standardiser.learn(np.concatenate(windows), limit=chosen.limit)
        moments = np.stack([_moments(standardise(one)) for one in windows])
        n_moments = moments.shape[1]
        types = VoiceTypes.learn(
            moments,
            labels,
            groups,
            scale=np.full(n_moments, n_moments**-0.5),
            n_types=chosen.voice_types,
            penalty=_TYPE_PENALTY,
        )
        self.statistics_ |= {"window_mean": standardise.mean, "window_scale": standardise.scale}
        self.statistics_ |= vars(types)

    def _inputs(self, x: FeatureSet) -> Inputs:
        inputs = {"log_mel": list(x["log_mel"])}
        chosen, learnt = self.parameters.lld_windows, self.statistics_
        if chosen is None:
            return inputs
        standardise = Standardiser(learnt["window_mean"], learnt["window_scale"], chosen.limit)
        types = VoiceTypes.from_arrays(learnt)
        inputs["lld_windows"] = []
        for one in self._windows(x, chosen):
            windows = standardise(one)
            offset = types.offset(_moments(windows)[None])[0, : windows.shape[1]]
            inputs["lld_windows"].append((windows - offset).astype(np.float32))
        return inputs

    def _windows(self, x: FeatureSet, chosen: LldWindowParameters) -> list[np.ndarray]:
        """Describe the LLD around each step behind the convolutions, [n_steps, n_dimensions] a clip."""
        hop_s = float(x["lld"].hop_s)  # type: ignore[arg-type]
        framing = {"step_s": self._step_s, "hop_s": hop_s, "window_s": chosen.window_s}
        pairs = zip(x["lld"], self._n_steps(x), strict=True)
        return [lld_windows(clip, n_steps, **framing) for clip, n_steps in pairs]

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
        for i, n_channels in enumerate(chosen.channels):
            size, halved = 5 if i == 0 else 3, i < chosen.n_time_strides
            block = ConvolutionBlock(n_channels, size=size, halved=halved, name=f"block_{i}")
            maps, lengths = block(maps, lengths)
        steps = layers.Reshape((-1, maps.shape[2] * maps.shape[3]), name="steps")(maps)
        steps = layers.Dropout(chosen.dropout, name="steps_dropout")(steps)
        lld = chosen.lld_windows
        if lld:
            windows = inputs["lld_windows"]
            for layer in (
                layers.SpatialDropout1D(lld.dropout, name="input_window_dropout"),
                layers.Dense(lld.units, name="window_dense"),
                layers.LayerNormalization(name="window_normalisation"),
                layers.Activation("gelu", name="window_gelu"),
                layers.Dropout(chosen.dropout, name="window_dropout"),
            ):
                windows = layer(windows)
            steps = layers.Concatenate(name="joined")([steps, windows])
        steps = SequenceLstm(chosen.lstm_units, name="lstm")(steps, lengths)
        pool, outputs = AttentionPooling(deviation=True, name="pooling"), {}
        pooled, outputs["attention"] = pool(steps, lengths)
        pooled = layers.Dropout(chosen.dropout, name="dropout")(pooled)
        outputs["logits"] = layers.Dense(n_classes, name="logits")(pooled)
        return keras.Model(inputs, outputs, name=self.name)

    def _loop(self, model: Any, inputs: Inputs, labels: np.ndarray, seed: int) -> Loop:
        width = max(1, round(self.parameters.crop_s / float(self.statistics_["hop_s"])))
        return _CropLoop(model, inputs, labels, self.parameters, seed=seed, width=width)

    def _step_times(self, x: FeatureSet) -> list[np.ndarray]:
        steps = [np.maximum(np.arange(n) - 0.5, 0.0) for n in self._n_steps(x)]
        return [self._step_s * each for each in steps]

    @property
    def _step_s(self) -> float:
        return float(self.statistics_["hop_s"]) * self.parameters.stride

    def _n_steps(self, x: FeatureSet) -> list[int]:
        """Frames halved as often as the network has strides, rounded up."""
        return [-(-int(n) // self.parameters.stride) for n in x["log_mel"].n_frames]


class _CropLoop(Loop):
    """Trains on crops of one width, so batches need not be of similar length and are shuffled freely.

    The input `log_mel` is a list of [n_frames, n_bands] in dB, `lld_windows`, if the network reads them, one
    of [n_steps, n_dimensions]. With windows, crops begin at a step, so that both stay aligned.
    """

    parameters: CrnnParameters

    def __init__(
        self, model: Any, inputs: Inputs, labels: np.ndarray, parameters: Any, *, seed: int, width: int
    ) -> None:
        super().__init__(model, inputs, labels, parameters, seed=seed)
        self.width = width
        self.lengths = np.ones_like(self.lengths)
        clips = inputs["log_mel"]
        self.n_frames = np.array([len(clip) for clip in clips])
        spectra = [[clip.mean(axis=0), clip.std(axis=0)] for clip in clips]
        self.spectra = np.stack(spectra)
        windows = inputs.get("lld_windows", clips)
        self.means = np.stack([clip.mean(axis=0) for clip in windows])
        classes = range(self.targets.shape[1])
        self.members = [np.flatnonzero(labels == label) for label in classes]

    def _finish(self) -> None:
        """Measure the statistics of the batch normalisation anew on crops as they are.

        Hidden stripes, noise and blends shift these statistics, and clips to be predicted have none of
        them. The same is due after averaging weights (Izmailov et al., UAI 2018). There are as many updates
        however few or many clips there are.
        """
        missing = _CLEAN_UPDATES
        while missing > 0:
            batches = bucket_order(self.lengths, 64, self.rng)[:missing]
            missing -= len(batches)
            for indices in batches:
                self.graph.forward(self._crops(indices, stretch=0.0))

    def _batch(self, indices: np.ndarray) -> tuple[Batch, np.ndarray, np.ndarray]:
        strengths, rng = self.parameters.augmentation, self.rng
        batch = self._crops(indices, stretch=strengths.time_stretch)
        crops = warp_bands(batch["log_mel"], strengths, rng)
        own, other = self.spectra[indices], self.spectra[self._partners(indices)]
        crops = borrow_spectra(crops, own, other, strengths.borrow_probability, rng)
        batch["log_mel"] = hide_stripes(vary_levels(crops, strengths, rng), strengths, rng)
        lld, alpha = self.parameters.lld_windows, self.parameters.mixup_alpha
        if lld:
            batch["lld_windows"] = borrow_means(
                batch["lld_windows"],
                self.means[indices],
                self.means[self._partners(indices)],
                probability=lld.borrow_probability,
                offset=lld.offset,
                rng=rng,
            )
        batch["targets"] = self.targets[indices]
        if alpha > 0:
            shares = rng.beta(alpha, alpha, len(indices)).astype(np.float32)
            batch = mix(batch, shares, rng)
        return batch, batch.pop("targets"), self.weights[indices]

    def _crops(self, indices: np.ndarray, *, stretch: float) -> Batch:
        """Cut random crops of both inputs; a crop of LLD windows covers that of the spectrogram."""
        stride, both = self.parameters.stride, self.parameters.lld_windows is not None
        n_frames, grid = self.n_frames[indices], stride if both else None
        crops = Crops.draw(n_frames, self.width, stretch=stretch, rng=self.rng, grid=grid)
        batch = self._cut("log_mel", indices, crops, self.width)
        if both:
            width = -(-self.width // stride)
            batch |= self._cut("lld_windows", indices, crops.coarser(stride), width)
        return batch

    def _cut(self, name: str, indices: np.ndarray, crops: Crops, width: int) -> Batch:
        clips = [self.inputs[name][int(i)] for i in indices]
        return {name: crops.cut(clips, width), f"{name}_lengths": crops.lengths}

    def _partners(self, indices: np.ndarray) -> np.ndarray:
        """Draw another clip of the same emotion for each."""
        labels = self.labels[indices]
        return np.array([self.rng.choice(self.members[label]) for label in labels])


def _moments(windows: np.ndarray) -> np.ndarray:
    """Return means and deviations over the windows of a clip, [2 n_dimensions]."""
    return np.concatenate([windows.mean(axis=0), windows.std(axis=0)])
