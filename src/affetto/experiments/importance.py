"""Permutation importance: what a model loses when a group of descriptors says nothing, without a new fit.

Breiman, "Random forests", Machine Learning 45, 2001, sect. 10, for groups of columns: those of a clip are
exchanged for another clip's, which breaks their tie to the emotion and keeps how they are distributed. The
model of each fold predicts its own test clips, none of which it was fitted on. What two groups say alike
neither loses alone: small figures for all of them do not mean that none matters.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from affetto.evaluation.metrics import seed_scores
from affetto.evaluation.parameters import EvaluationParameters
from affetto.experiments.cross_validate import FoldModel
from affetto.experiments.descriptors import columns_by_group
from affetto.experiments.probes import POINTS, Experiment, Outcome, difference_in_points, rows_of_draws
from affetto.features.clip_features import KEY_DTYPE, ClipFeatures, FeatureSet

IMPORTANCE_COLUMNS = (
    "model",
    "descriptors",
    "uar",
    "loss",
    "loss_sd",
    "loss_ci_low",
    "loss_ci_high",
    "n_clips",
    "n_repeats",
)
DESCRIPTORS = ("functionals", "egemaps", "lld", "correlations")
"""Features whose columns have the names of descriptors."""
SPECTROGRAM = "spectrogram"
AS_IS = "as_is"
"""Name of what is predicted of clips of which nothing was exchanged."""
_CLIPS_AT_ONCE = 1024  # 6,373 functionals of so many clips are 26 MB

Columns = Mapping[str, np.ndarray]
"""Feature → positions of the columns that are exchanged together."""


def measure_importance(experiment: Experiment, evaluation: EvaluationParameters) -> pd.DataFrame | str:
    """Exchange groups of descriptors between the test clips of each fold.

    Returns
    -------
    DataFrame
        `IMPORTANCE_COLUMNS`, a row for each model and group of descriptors; or why nothing was measured.
    """
    parameters = evaluation.importance
    if not parameters.n_repeats:
        return "evaluation.importance.n_repeats is 0"
    readers = [name for name, each in experiment.models.items() if {*each.features} & {*DESCRIPTORS}]
    if not readers:
        return "no model of the table reads descriptors"

    def make(_: FoldModel, features: FeatureSet) -> Permutation:
        return Permutation(descriptor_columns(features), parameters.n_repeats, parameters.seed)

    return experiment.probe(readers, make, importance_rows, evaluation, "importance")


def descriptor_columns(features: FeatureSet) -> dict[str, Columns]:
    """Find what can be exchanged: the groups of the LLD, over all features of openSMILE, and the spectrogram.

    Returns
    -------
    dict
        `energy`, `voicing`, `spectral`, `cepstral` and `spectrogram`, as far as the features have them →
        feature → positions of its columns.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, feature in features.items():
        if feature.parameters.get("extractor") == "opensmile":
            for group, columns in columns_by_group(feature.dimensions).items():
                found.setdefault(group, {})[name] = columns
    for name, feature in features.items():
        if feature.parameters.get("extractor") == "log_mel":
            found.setdefault(SPECTROGRAM, {})[name] = np.arange(len(feature.dimensions))
    return dict(found)


@dataclass(frozen=True)
class Permutation:
    """The probe: clips that have columns of other clips.

    Attributes
    ----------
    columns
        Name → what is exchanged under it.
    n_repeats, seed
        How often clips get other donors, and the seed of that: the same for every name, fold and model, so
        that models with the same test clips predict the same changed clips.
    """

    columns: Mapping[str, Columns]
    n_repeats: int
    seed: int

    def description(self) -> dict[str, Any]:
        """Return names, number of repeats and seed; where the columns lie follows from the features."""
        return {
            "what": "permutation importance",
            "names": list(self.columns),
            "n_repeats": self.n_repeats,
            "seed": self.seed,
        }

    def predict(self, model: Any, features: FeatureSet) -> dict[str, np.ndarray]:
        """Predict the clips as they are, `as_is` [1, n_clips], and with columns exchanged.

        Returns
        -------
        dict
            By name, int64 [n_repeats, n_clips], position of the predicted class.
        """
        donors = draw_donors(features.n_clips, self.n_repeats, self.seed)
        found = {AS_IS: model.predict_proba(features).argmax(axis=1)[None]}
        return found | {name: _predict(model, features, each, donors) for name, each in self.columns.items()}


def _predict(model: Any, features: FeatureSet, columns: Columns, donors: np.ndarray) -> np.ndarray:
    """Predict several repeats in one go, as far as memory allows: each call has its overhead."""
    n_repeats, n_clips = donors.shape
    at_once, predicted = max(1, _CLIPS_AT_ONCE // n_clips), []
    for start in range(0, n_repeats, at_once):
        part = donors[start : start + at_once]
        copies = features.take(np.tile(np.arange(n_clips), len(part)))
        changed = exchange_columns(copies, columns, part.ravel())
        predicted.append(model.predict_proba(changed).argmax(axis=1).reshape(part.shape))
    return np.concatenate(predicted)


def draw_donors(n_clips: int, n_repeats: int, seed: int) -> np.ndarray:
    """Draw a donor for every clip, int64 [n_repeats, n_clips]; each row is a permutation."""
    order = [np.random.default_rng([seed, repeat]).permutation(n_clips) for repeat in range(n_repeats)]
    return np.array(order, dtype=np.int64).reshape(n_repeats, n_clips)


def exchange_columns(features: FeatureSet, columns: Columns, donors: np.ndarray) -> FeatureSet:
    """Exchange columns between clips, in all features from the same donor.

    Parameters
    ----------
    features
        The clips.
    columns
        Feature → positions of the columns; features that are not named stay as they are. A receiver keeps
        its number of frames: each frame takes the columns of the donor's frame at the same share of its
        length.
    donors
        int64 [n_clips], the clip that gives clip i its columns.
    """
    return FeatureSet(
        {
            name: _exchanged(feature, columns[name], donors) if name in columns else feature
            for name, feature in features.items()
        }
    )


def _exchanged(feature: ClipFeatures, columns: np.ndarray, donors: np.ndarray) -> ClipFeatures:
    given = feature.take(donors)
    what = columns.astype(np.int64).tobytes()
    keys = [
        hashlib.blake2b(own + donor + what, digest_size=16).hexdigest()
        for own, donor in zip(feature.keys.tolist(), given.keys.tolist(), strict=True)
    ]
    numbers = np.arange(len(feature), dtype=np.int32)
    return replace(
        feature,
        keys=np.array(keys, KEY_DTYPE),
        containers=(ExchangedClips(feature, given, columns),),
        container=np.zeros_like(numbers),
        place=numbers,
    )


@dataclass(frozen=True)
class ExchangedClips:
    """Values of clips with columns of their donors, made when they are read.

    Parameters
    ----------
    own, donors
        The clips, and for each of them the clip that gives the columns.
    columns
        int64, positions of the columns.
    """

    own: ClipFeatures
    donors: ClipFeatures
    columns: np.ndarray

    def __getitem__(self, index: int) -> np.ndarray:
        """Return the clip with the columns of its donor, float32 [n_frames, n_dimensions]."""
        values, donor = self.own[index].copy(), self.donors[index]
        if len(values) and len(donor):
            frames = same_moments(len(values), len(donor))
            values[:, self.columns] = donor[np.ix_(frames, self.columns)]
        return values


def same_moments(n_frames: int, n_donor_frames: int) -> np.ndarray:
    """Return for each frame the donor's frame at the same share of its length, int64 [n_frames]."""
    return (2 * np.arange(n_frames) + 1) * n_donor_frames // (2 * n_frames)


def importance_rows(
    model: str, outcomes: Sequence[Outcome], clips: pd.DataFrame, evaluation: EvaluationParameters
) -> pd.DataFrame:
    """Say what a model loses without each group of descriptors; a `Compare`.

    Returns
    -------
    DataFrame
        A row for each group of descriptors: `loss` in points of UAR, pooled over the folds, mean over seeds
        and repeats; `loss_sd`, its deviation over repeats (NaN for one); `loss_ci_low` and `loss_ci_high`,
        its interval over speakers; `uar` of the model as it is.
    """
    rows = []
    for name in outcomes[0].values:
        if name != AS_IS:
            exchanged = [one.values[name] for one in outcomes]
            as_is = [np.broadcast_to(one.values[AS_IS], one.values[name].shape) for one in outcomes]
            whole, changed = (rows_of_draws(outcomes, clips, each) for each in (as_is, exchanged))
            losses = _loss(whole, changed, len(exchanged[0]), evaluation)
            rows.append({"model": model, "descriptors": name, **losses})
    return pd.DataFrame(rows, columns=list(IMPORTANCE_COLUMNS))


def _loss(
    whole: pd.DataFrame, changed: pd.DataFrame, n_repeats: int, evaluation: EvaluationParameters
) -> dict[str, Any]:
    uar = seed_scores(whole)
    losses = POINTS * (uar - seed_scores(changed)).to_numpy().reshape(-1, n_repeats)
    by_repeat = losses.mean(axis=0)
    return {
        "uar": float(uar.iloc[::n_repeats].mean()),
        **difference_in_points("loss", whole, changed, evaluation),
        "loss": float(by_repeat.mean()),
        "loss_sd": float(by_repeat.std(ddof=1)) if n_repeats > 1 else math.nan,
        "n_clips": whole["clip_id"].nunique(),
        "n_repeats": n_repeats,
    }
