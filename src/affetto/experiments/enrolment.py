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

from affetto.evaluation.metrics import mean_score
from affetto.evaluation.parameters import EnrolmentParameters, EvaluationParameters
from affetto.experiments.probes import (
    NOT_PREDICTED,
    Experiment,
    FoldModel,
    Outcome,
    Row,
    difference_in_points,
    rows_of_draws,
)
from affetto.features.clip_features import FeatureSet
from affetto.models.estimator import estimator_class
from affetto.models.speakers import several_labels


def measure_enrolment(experiment: Experiment, evaluation: EvaluationParameters) -> list[Row] | str:
    """Enrol clips of the speakers of the test clips; return `enrolment_rows`, or why there are none."""
    if not evaluation.enrolment.sizes:
        return "evaluation.enrolment.sizes names none"
    able = [name for name, each in experiment.models.items() if estimator_class(each.estimator).can_enrol]
    if not able:
        return "no model of the table can be enrolled"
    labelled = experiment.labels[experiment.labels["emotion"].notna()]
    if not several_labels(labelled["emotion"].to_numpy(), labelled["group"].to_numpy()):
        return "no speaker was heard in several emotions"

    def make(_: FoldModel, features: FeatureSet) -> Enrolment:
        speakers = experiment.labels.loc[list(features.clip_ids), "group"]
        return Enrolment(tuple(map(str, speakers)), evaluation.enrolment)

    return experiment.probe(able, make, enrolment_rows, evaluation, "enrolment")


@dataclass(frozen=True)
class Enrolment:
    """The probe: clips of each speaker, before and after others of them are enrolled."""

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
    model: str, outcomes: Sequence[Outcome], labels: pd.DataFrame, evaluation: EvaluationParameters
) -> list[Row]:
    """Say what a model gains from enrolled clips.

    Returns
    -------
    list of dict
        A row for each number of enrolled clips for which some speaker has enough clips. UAR is pooled over
        all speakers, mean over seeds and draws; the gain, in points, has its paired interval over speakers.
    """
    rows = []
    for place, size in enumerate(evaluation.enrolment.sizes):
        draws = [one.values["enrolled"][place] for one in outcomes]
        before = [
            np.where(draw != NOT_PREDICTED, one.values["anyone"], NOT_PREDICTED)
            for one, draw in zip(outcomes, draws, strict=True)
        ]
        enrolled, anyone = (rows_of_draws(outcomes, labels, each) for each in (draws, before))
        if len(enrolled):
            row = {
                "model": model,
                "n_enrolled": size,
                "uar_anyone": mean_score(anyone),
                "uar_enrolled": mean_score(enrolled),
                **difference_in_points("gain", enrolled, anyone, evaluation),
                "n_clips": enrolled["clip_id"].nunique(),
                "n_speakers": enrolled["group"].nunique(),
                "n_repeats": evaluation.enrolment.repeats,
            }
            rows.append(row)
    return rows
