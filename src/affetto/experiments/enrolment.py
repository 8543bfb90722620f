"""Enrolment: what a model gains from a few clips of the same person, whose emotions nobody has told it.

The model of each fold predicts its test clips twice: as those of anyone, and after some other clips of the
same speaker, drawn at random and without their labels, were enrolled. Both are scored on the same clips;
clips that were enrolled are not among them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from affetto.evaluation.parameters import EnrolmentParameters, EvaluationParameters
from affetto.experiments.cross_validate import FoldModel
from affetto.experiments.probes import NOT_PREDICTED, Experiment, Outcome, difference_in_points, mean_uar
from affetto.features.clip_features import FeatureSet
from affetto.models.estimator import estimator_class
from affetto.models.speakers import several_labels

ENROLMENT_COLUMNS = (
    "model",
    "n_enrolled",
    "uar_anyone",
    "uar_enrolled",
    "gain",
    "gain_ci_low",
    "gain_ci_high",
    "n_clips",
    "n_speakers",
    "n_repeats",
)
"""Columns of the table; `gain` and its interval are points: hundredths of UAR."""


def measure_enrolment(experiment: Experiment, evaluation: EvaluationParameters) -> pd.DataFrame | str:
    """Enrol clips of the speakers of the test clips.

    Returns
    -------
    DataFrame
        `ENROLMENT_COLUMNS`, a row for each model and number of enrolled clips; or why nothing was measured.
    """
    if not evaluation.enrolment.sizes:
        return "evaluation.enrolment.sizes names none"
    able = [name for name, each in experiment.models.items() if estimator_class(each.estimator).can_enrol]
    if not able:
        return "no model of the table can be enrolled"
    clips = experiment.clips
    labelled = clips[clips["emotion"].notna()]
    if not several_labels(labelled["emotion"].to_numpy(), labelled["group"].to_numpy()):
        return "no speaker was heard in several emotions"

    def make(_: FoldModel, features: FeatureSet) -> Enrolment:
        speakers = clips.loc[list(features.clip_ids), "group"]
        return Enrolment(tuple(str(each) for each in speakers), evaluation.enrolment)

    return experiment.probe(able, make, enrolment_rows, evaluation, "enrolment")


@dataclass(frozen=True)
class Enrolment:
    """The probe: clips of each speaker, before and after others of them are enrolled.

    Attributes
    ----------
    speakers
        Speaker of each clip.
    parameters
        How many clips are enrolled, how often, and the seed of the draws.
    """

    speakers: tuple[str, ...]
    parameters: EnrolmentParameters

    def description(self) -> dict[str, Any]:
        """Return speakers and parameters."""
        parameters = self.parameters.model_dump(mode="json")
        return {"what": "enrolment", "groups": list(self.speakers), "parameters": parameters}

    def predict(self, model: Any, features: FeatureSet) -> dict[str, np.ndarray]:
        """Predict the clips of each speaker, alone and with some of them enrolled.

        Returns
        -------
        dict
            Positions of the predicted classes, int64: `anyone` [n_clips] when nobody is enrolled; `enrolled`
            [n_sizes, n_repeats, n_clips] with so many clips of the speaker enrolled, `NOT_PREDICTED` for the
            enrolled clips, and where no clip is left to score.
        """
        sizes, repeats = self.parameters.sizes, self.parameters.repeats
        found = np.full((len(sizes), repeats, features.n_clips), NOT_PREDICTED, dtype=np.int64)
        for speaker in sorted(set(self.speakers)):
            own = np.flatnonzero(np.asarray(self.speakers, dtype=object) == speaker)
            names = [features.clip_ids[i] for i in own]
            for repeat in range(repeats):
                order = own[draw_order(names, speaker, self.parameters.seed, repeat)]
                for place, size in enumerate(sizes):
                    enrolled, others = order[:size], np.sort(order[size:])
                    if len(others):
                        probabilities = model.predict_proba(
                            features.take(others), enrolment=features.take(enrolled)
                        )
                        found[place, repeat, others] = probabilities.argmax(axis=1)
        return {"anyone": model.predict_proba(features).argmax(axis=1), "enrolled": found}


def draw_order(clip_ids: Sequence[str], speaker: str, seed: int, repeat: int) -> np.ndarray:
    """Draw the order in which clips of a speaker are enrolled, int64 [n_clips].

    It depends on nothing but the arguments, and not on the order of the clips: the same clips are enrolled
    with all models, and a larger enrolment holds the smaller ones.
    """
    lot = int.from_bytes(hashlib.blake2b(speaker.encode(), digest_size=8).digest(), "little")
    by_name = np.argsort(np.asarray(clip_ids, dtype=object))
    return np.asarray(by_name[np.random.default_rng([seed, repeat, lot]).permutation(len(by_name))])


def enrolment_rows(
    model: str, outcomes: Sequence[Outcome], clips: pd.DataFrame, evaluation: EvaluationParameters
) -> pd.DataFrame:
    """Say what a model gains from enrolled clips.

    Parameters
    ----------
    model
        Its name, written into every row.
    outcomes
        What its models of all folds and seeds predicted.
    clips
        `emotion, group`, indexed by `clip_id`.
    evaluation
        How many clips were enrolled, and how the interval is computed.

    Returns
    -------
    DataFrame
        `ENROLMENT_COLUMNS`, a row for each number of enrolled clips for which some speaker has enough clips.
        UAR is pooled over all speakers, mean over seeds and draws; the gain has its paired interval over
        speakers.
    """
    rows = []
    for place, size in enumerate(evaluation.enrolment.sizes):
        anyone, enrolled = _pairs(outcomes, place, clips)
        if len(enrolled):
            row = {
                "model": model,
                "n_enrolled": size,
                "uar_anyone": mean_uar(anyone),
                "uar_enrolled": mean_uar(enrolled),
                **difference_in_points("gain", enrolled, anyone, evaluation),
                "n_clips": enrolled["clip_id"].nunique(),
                "n_speakers": enrolled["group"].nunique(),
                "n_repeats": evaluation.enrolment.repeats,
            }
            rows.append(row)
    return pd.DataFrame(rows, columns=list(ENROLMENT_COLUMNS))


def _pairs(outcomes: Sequence[Outcome], place: int, clips: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make a row for each scored clip, seed and draw: without, and with so many clips enrolled."""
    anyone, enrolled = [], []
    for outcome in outcomes:
        draws = outcome.values["enrolled"][place]
        for repeat, predicted in enumerate(draws):
            seed = outcome.seed * len(draws) + repeat  # a draw stands for a seed: the model predicts again
            scored = predicted != NOT_PREDICTED
            before = np.where(scored, outcome.values["anyone"], NOT_PREDICTED)
            anyone.append(outcome.rows(before, clips, seed))
            enrolled.append(outcome.rows(predicted, clips, seed))
    return pd.concat(anyone, ignore_index=True), pd.concat(enrolled, ignore_index=True)


def enrolment_metrics(table: pd.DataFrame, model: str) -> dict[str, float]:
    """Return what is tracked of a model: `enrolment_<n>_gain`, points, for each number of enrolled clips."""
    own = table[table["model"] == model]
    return {
        f"enrolment_{int(size)}_gain": float(gain)
        for size, gain in zip(own["n_enrolled"], own["gain"], strict=True)
    }
