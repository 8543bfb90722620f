"""The traditional music model: an SVM on statistics of a clip's frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from affetto.models.specification import each_once
from affetto.models.tabular import TabularEstimator

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet

Statistic = Literal["mean", "std", "min", "max", "median", "percentiles", "skewness"]
_PERCENTILES = (5, 25, 50, 75, 95)
_SMALLEST = 1e-6
Positive = Annotated[float, Field(gt=0)]


class StatisticsSvmParameters(BaseModel):
    """What describes a clip, and the SVM.

    Of several values of C or gamma, those with the best UAR in inner folds that keep groups whole are taken.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: tuple[Literal["mfcc", "midterm"], ...] = Field(
        ("mfcc",), min_length=1, description="Features that are summarised."
    )
    statistics: tuple[Statistic, ...] = Field(
        ("mean", "std"),
        min_length=1,
        description="Statistics over the frames; percentiles are 5, 25, 50, 75, 95.",
    )
    C: Positive | tuple[Positive, ...] = Field(3.0, description="Price of an error against a wide margin.")
    gamma: Positive | Literal["scale", "auto"] | tuple[Positive, ...] = Field(
        "scale", description="Width of the radial basis function."
    )
    class_weights: bool = Field(True, description="Weigh clips so that every class counts the same.")

    _each_once = field_validator("features", "statistics")(each_once)


class StatisticsSvm(TabularEstimator):
    """Support vector machine with a radial basis function on standardised statistics of a clip's frames."""

    name: ClassVar[str] = "mfcc_svm"
    Parameters: ClassVar[type[BaseModel]] = StatisticsSvmParameters
    parameters: StatisticsSvmParameters
    tuned: ClassVar[tuple[str, ...]] = ("C", "gamma")

    @property
    def features(self) -> tuple[str, ...]:
        """`mfcc`, the same frames that the attention LSTM reads, or what the parameters name."""
        return self.parameters.features

    def _vectors(self, x: FeatureSet) -> np.ndarray:
        statistics = self.parameters.statistics
        return np.concatenate(
            [np.stack([clip_statistics(clip, statistics) for clip in x[name]]) for name in self.features],
            axis=1,
        )

    def _build(self, parameters: Any) -> Any:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC

        weight = "balanced" if self.parameters.class_weights else None
        svm = SVC(C=parameters.C, gamma=parameters.gamma, class_weight=weight, break_ties=True)
        return make_pipeline(StandardScaler(), svm)


def clip_statistics(frames: np.ndarray, statistics: tuple[Statistic, ...]) -> np.ndarray:
    """Describe a clip by statistics of every dimension over its frames.

    Parameters
    ----------
    frames
        [n_frames, n_dimensions].
    statistics
        Names; `skewness` is the third standardised moment, `percentiles` stands for five numbers.

    Returns
    -------
    numpy.ndarray
        float32, statistic by statistic, [n_numbers * n_dimensions]; zeros for a clip without frames.
    """
    if not len(frames):
        frames = np.zeros((1, frames.shape[1]), np.float32)
    frames = np.asarray(frames, dtype=np.float64)
    return np.concatenate([_statistic(frames, name).ravel() for name in statistics]).astype(np.float32)


def _statistic(frames: np.ndarray, name: Statistic) -> np.ndarray:
    result: np.ndarray
    if name == "percentiles":
        result = np.percentile(frames, _PERCENTILES, axis=0)
    elif name == "skewness":
        cubes = ((frames - frames.mean(axis=0)) ** 3).mean(axis=0)
        result = cubes / np.maximum(frames.std(axis=0), _SMALLEST) ** 3
    else:
        result = getattr(np, name)(frames, axis=0)
    return result
