"""The figures of a task's report, each with its heading and a caption that says how to read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from affetto.evaluation.attention import attention_examples_figure
from affetto.evaluation.figures import (
    comparison_figure,
    confusion_figure,
    reliability_figure,
    training_figure,
)
from affetto.evaluation.group_figures import MANY_GROUPS, groups_figure, importance_figure
from affetto.evaluation.palette import nothing
from affetto.evaluation.report import Illustration

if TYPE_CHECKING:
    from affetto.features.clip_features import ClipFeatures

_NOTHING = "No clip with a label was scored."


def score_illustrations(
    comparison: pd.DataFrame, predictions: Mapping[str, pd.DataFrame], *, n_bins: int
) -> dict[str, Illustration]:
    """Draw what every task has: `comparison`, `confusion` and `reliability`.

    Parameters
    ----------
    comparison
        What `affetto.evaluation.comparison.compare` returned; may be empty.
    predictions
        Model → out-of-fold predictions, in the order of the panels.
    n_bins
        Confidence bins of the reliability diagram.
    """
    known = not comparison.empty
    return {
        "comparison": Illustration.of(
            comparison_figure(comparison) if known else nothing(_NOTHING),
            "UAR of each model",
            "Filled marks: UAR on grouped folds with its interval over groups. Hollow marks, where drawn: "
            "the same model on random folds.",
        ),
        "confusion": Illustration.of(
            confusion_figure(predictions) if known else nothing(_NOTHING),
            "Confusions",
            "Rows are true classes, columns predicted ones; each cell is the percentage of its row.",
        ),
        "reliability": Illustration.of(
            reliability_figure(predictions, n_bins=n_bins) if known else nothing(_NOTHING),
            "Reliability",
            "Accuracy of the clips at each confidence. Below the diagonal a model is surer than it may be; "
            "larger marks stand for more clips.",
        ),
    }


def training_illustration(histories: Mapping[str, pd.DataFrame]) -> Illustration:
    """Draw the curves of the models that are trained in epochs."""
    return Illustration.of(
        training_figure(histories),
        "Training",
        "Means over fits; bands from the lowest to the highest fit. Later epochs are reached by fewer fits.",
    )


def attention_illustration(
    attention: pd.DataFrame, predictions: pd.DataFrame, spectrograms: ClipFeatures | None = None
) -> Illustration:
    """Draw where the proposed model listens, for one clip of each class and one that it told wrongly."""
    under = " Under it the log-mel spectrogram of the clip." if spectrograms is not None else ""
    return Illustration.of(
        attention_examples_figure(attention, predictions, spectrograms),
        "Attention",
        "Weight of each moment of the clip that the proposed model recognised most surely in each class, and "
        f"of its surest mistake, with the true emotion, what was told and its probability.{under} The dotted "
        "line is the weight of a model without preference.",
    )


def group_illustration(scores: pd.DataFrame) -> Illustration:
    """Draw how the UAR differs between speakers, artists or songs."""
    return Illustration.of(
        groups_figure(scores),
        "UAR of each group",
        "A dot a group (speaker, artist, song) over the classes that it has, their mean as a line; with more "
        f"than {MANY_GROUPS} groups, how many reach which UAR.",
    )


def importance_illustration(importance: pd.DataFrame) -> Illustration:
    """Draw what the models lose without each group of descriptors."""
    return Illustration.of(
        importance_figure(importance),
        "Importance of descriptors",
        "Points of UAR lost when descriptors of a clip are exchanged for those of another test clip of its "
        "fold, in the functionals and the sequences together, with the interval over groups; nothing is "
        "fitted again. What two kinds of descriptors say alike neither loses alone.",
    )
