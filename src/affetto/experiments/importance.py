"""Permutation importance: what a model loses when a group of descriptors says nothing, without a new fit.

Breiman, "Random forests", Machine Learning 45, 2001, sect. 10, for groups of columns: those of a clip are
exchanged for another clip's, which breaks their tie to the emotion and keeps how they are distributed. The
model of each fold predicts its own test clips, none of which it was fitted on. What two groups say alike
neither loses alone: small figures for all of them do not mean that none matters.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from affetto.errors import AffettoError
from affetto.evaluation.metrics import seed_scores
from affetto.evaluation.parameters import EvaluationParameters
from affetto.experiments.probes import (
    POINTS,
    Experiment,
    FoldModel,
    Outcome,
    Row,
    difference_in_points,
    rows_of_draws,
)
from affetto.features.clip_features import KEY_DTYPE, ClipFeatures, FeatureSet
from affetto.features.opensmile import PAIR

AS_IS = "as_is"
"""Name of what is predicted of clips of which nothing was exchanged."""
_DESCRIBED = {"functionals", "egemaps", "lld", "correlations"}  # features whose columns are descriptors
_CLIPS_AT_ONCE = 1024  # 6,373 functionals of so many clips are 26 MB

Columns = Mapping[str, np.ndarray]
"""Feature → positions of the columns that are exchanged together."""

# Groups of low-level descriptors. Those of the ComParE set are those of its authors: Weninger, Eyben,
# Schuller, Mortillaro & Scherer, "On the acoustics of emotion in audio: what speech, music, and sound
# have in common", Frontiers in Psychology 4:292, 2013, table of the LLD: 4 energy related, 6 voicing
# related and 55 spectral, of which the 14 MFCC are called cepstral there and are a group of their own
# here; the auditory bands with RASTA filtering are spectral. eGeMAPS (Eyben et al., IEEE Transactions on
# Affective Computing 7(2), 2016) puts jitter and F0 under frequency, shimmer and HNR under energy, and
# rates under time. So that both sets can be read side by side, what both have is grouped as in ComParE
# here, the level and the peaks of loudness are energy, and what is read off voiced segments is voicing;
# formants and what compares harmonics describe the spectrum's shape.
_GROUPS = {
    "energy": r"audspec(Rasta)?_lengthL1norm|pcm_(RMSenergy|zcr)|[lL]oudness|equivalentSoundLevel",
    "voicing": r"F0|voicing|jitter|shimmer|(log)?HNR|(Mean|Stddev)?(Unv|V)oicedSegment",
    "spectral": r"audSpec_Rfilt|pcm_fftMag|spectralFlux|logRelF0|alphaRatio|hammarberg|slope|F[123]",
    "cepstral": r"mfcc",
}


def measure_importance(experiment: Experiment, evaluation: EvaluationParameters) -> list[Row] | str:
    """Exchange groups of descriptors between the test clips of each fold.

    Returns what `importance_rows` says of each model, or why nothing was measured.
    """
    parameters = evaluation.importance
    if not parameters.n_repeats:
        return "evaluation.importance.n_repeats is 0"
    readers = [name for name, each in experiment.models.items() if _DESCRIBED & {*each.features}]
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
    found: dict[str, Columns] = {}
    spectrograms = {}
    for name, feature in features.items():
        if feature.parameters.get("extractor") == "opensmile":
            for group, columns in columns_by_group(feature.dimensions).items():
                found[group] = {**found.get(group, {}), name: columns}
        elif feature.parameters.get("extractor") == "log_mel":
            spectrograms[name] = np.arange(len(feature.dimensions))
    return {**found, "spectrogram": spectrograms} if spectrograms else found


def group_of(dimension: str) -> str:
    """Return the group of a column of `functionals`, `lld` or `egemaps`.

    A name of openSMILE, such as `F0final_sma_de_amean`, begins with its descriptor.

    Raises
    ------
    AffettoError
        When no group is known for it.
    """
    for group, pattern in _GROUPS.items():
        if re.match(pattern, dimension):
            return group
    raise AffettoError(
        f"The column {dimension!r} belongs to no known group of LLD: add its descriptor to "
        "affetto.experiments.importance."
    )


def columns_by_group(dimensions: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the positions of the columns of each group, int64 arrays; together they are all columns.

    A column belongs to one group, except the correlation of two descriptors: it says something of both and so
    belongs to the groups of both.
    """
    groups = [{group_of(descriptor) for descriptor in dimension.split(PAIR)} for dimension in dimensions]
    return {
        group: np.array([i for i, own in enumerate(groups) if group in own], dtype=np.int64)
        for group in _GROUPS
    }


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
    exchanged = dict(features)
    for name, positions in columns.items():
        own, given = features[name], features[name].take(donors)
        what = positions.astype(np.int64).tobytes()
        keys = [
            hashlib.blake2b(clip + donor + what, digest_size=16).hexdigest()
            for clip, donor in zip(own.keys.tolist(), given.keys.tolist(), strict=True)
        ]
        numbers = np.arange(len(own), dtype=np.int32)
        exchanged[name] = replace(
            own,
            keys=np.array(keys, KEY_DTYPE),
            containers=(_Exchanged(own, given, positions),),
            container=np.zeros_like(numbers),
            place=numbers,
        )
    return FeatureSet(exchanged)


@dataclass(frozen=True)
class _Exchanged:
    """Values of clips with columns of their donors, made when they are read."""

    own: ClipFeatures
    donors: ClipFeatures
    columns: np.ndarray

    def __getitem__(self, index: int) -> np.ndarray:
        """Return the clip with the columns of its donor, float32 [n_frames, n_dimensions]."""
        values, donor = self.own[index].copy(), self.donors[index]
        if len(values) and len(donor):
            moments = 2 * np.arange(len(values)) + 1  # of the middle of each frame
            frames = moments * len(donor) // (2 * len(values))
            values[:, self.columns] = donor[np.ix_(frames, self.columns)]
        return values


def importance_rows(
    model: str, outcomes: Sequence[Outcome], labels: pd.DataFrame, evaluation: EvaluationParameters
) -> list[Row]:
    """Say what a model loses without each group of descriptors.

    Returns
    -------
    list of dict
        A row for each group of descriptors: `loss` in points of UAR, pooled over the folds, mean over seeds
        and repeats; `loss_sd`, its deviation over repeats (NaN for one); `loss_ci_low` and `loss_ci_high`,
        its interval over speakers; `uar` of the model as it is.
    """
    rows = []
    for name in (name for name in outcomes[0].values if name != AS_IS):
        exchanged = [one.values[name] for one in outcomes]
        as_is = [np.broadcast_to(one.values[AS_IS], one.values[name].shape) for one in outcomes]
        whole, changed = (rows_of_draws(outcomes, labels, each) for each in (as_is, exchanged))
        n_repeats, uar = len(exchanged[0]), seed_scores(whole)
        losses = POINTS * (uar - seed_scores(changed)).to_numpy().reshape(-1, n_repeats)
        by_repeat = losses.mean(axis=0)
        interval = difference_in_points("loss", whole, changed, evaluation)
        row = {
            "model": model,
            "descriptors": name,
            "uar": float(uar.iloc[::n_repeats].mean()),
            "loss": float(by_repeat.mean()),
            "loss_sd": float(by_repeat.std(ddof=1)) if n_repeats > 1 else math.nan,
            "loss_ci_low": interval["loss_ci_low"],
            "loss_ci_high": interval["loss_ci_high"],
            "n_clips": whole["clip_id"].nunique(),
            "n_repeats": n_repeats,
        }
        rows.append(row)
    return rows
