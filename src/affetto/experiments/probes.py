"""Probes: questions put to the fitted model of each fold about changed test clips.

Robustness (clips as they sound in other conditions), strangers (clips that no model can know), importance
(descriptors exchanged between clips), enrolment (clips of the same speaker), highlights (excerpts).
Nothing is fitted; predictions are kept and asked for once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.evaluation.asking import Answers, Inquiry, Question, Truth, ask_all
from affetto.evaluation.enrolment import ENROLMENT_COLUMNS, gain_of
from affetto.evaluation.enrolment_inquiry import EnrolmentInquiry
from affetto.evaluation.excerpt_inquiry import FRAMES, ExcerptInquiry
from affetto.evaluation.exchange_inquiry import ExchangeInquiry
from affetto.evaluation.highlights import HIGHLIGHT_COLUMNS, worth_of
from affetto.evaluation.importance import IMPORTANCE_COLUMNS, descriptor_columns, importance_of
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.robustness import ROBUSTNESS_COLUMNS, judged
from affetto.evaluation.strangers import STRANGER_COLUMNS
from affetto.experiments.clips import choose_clips
from affetto.experiments.robustness import Candidate, Recordings, measure_robustness
from affetto.experiments.strangers import measure_strangers
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.estimator import estimator_class, load_estimator
from affetto.models.experiment import FoldModel, fold_models
from affetto.models.speakers import several_labels
from affetto.models.specification import ExperimentParameters, ModelSpecification
from affetto.parallel import ExecutorParameters
from affetto.results import ResultStore

PROBES = {
    "music": ("importance", "highlights"),
    "voice": ("robustness", "strangers", "importance", "enrolment"),
}
"""Side → the probes of its models."""
DESCRIPTORS = ("functionals", "egemaps", "lld", "correlations")
"""Features whose columns have the names of descriptors."""
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProbedModel:
    """A model of the comparison: what it is, and its out-of-fold predictions."""

    specification: ModelSpecification
    predictions: pd.DataFrame


@dataclass(frozen=True)
class FittedFolds:
    """The models that a cross-validation kept of every fold and seed, and all that it had.

    Attributes
    ----------
    models
        By name.
    features
        The features of all clips, by name.
    recordings, folds
        Where the clips are; in which fold each is tested.
    experiment, store, fits, executor
        As the cross-validation had them.
    """

    models: Mapping[str, ProbedModel]
    features: Mapping[str, ClipFeatures]
    recordings: Recordings
    folds: pd.DataFrame
    experiment: ExperimentParameters
    store: ResultStore
    fits: Path
    executor: ExecutorParameters

    @cached_property
    def candidates(self) -> dict[str, Candidate]:
        """The models with those of their folds.

        Raises
        ------
        AffettoError
            When one of them is missing, as in an evaluation long after the models were fitted.
        """
        return {
            name: Candidate(
                model.specification.role,
                model.specification.features,
                fold_models(
                    model.specification,
                    self.read_by(name),
                    self.recordings.clips,
                    self.folds,
                    experiment=self.experiment,
                    store=self.store,
                    models=self.fits,
                ),
                model.predictions,
                tuple(model.specification.conditions.values()),
            )
            for name, model in self.models.items()
        }

    @cached_property
    def together(self) -> FeatureSet:
        """All features that a model reads, of the clips that have them all."""
        names = dict.fromkeys(name for model in self.models.values() for name in model.specification.features)
        return FeatureSet.align({name: self.features[name] for name in names})

    @property
    def truth(self) -> Truth:
        """Emotion and group of the clips."""
        return Truth.of(self.recordings.clips)

    def changed_clips(self, evaluation: EvaluationParameters) -> list[str]:
        """Return the tested clips that are heard in other conditions, of those that have all features."""
        known = set(self.together.clip_ids)
        chosen = choose_clips(self.recordings.clips, self.folds, evaluation.robustness.max_clips_per_fold)
        return [clip_id for clip_id in chosen if clip_id in known]

    def read_by(self, model: str) -> FeatureSet:
        """Return the features that a model reads, of the clips that have them all."""
        return FeatureSet.align(
            {name: self.features[name] for name in self.models[model].specification.features}
        )

    def ask(
        self,
        name: str,
        models: Sequence[str],
        inquire: Callable[[FoldModel, FeatureSet], Inquiry],
        score: Callable[..., pd.DataFrame],
        evaluation: EvaluationParameters,
    ) -> pd.DataFrame:
        """Ask models about their own test clips, and put the rows of their scores below each other.

        Parameters
        ----------
        name
            Of the probe; label of the progress bar.
        models
            The models to ask.
        inquire
            Makes the question for the model of a fold from it and the features of its test clips.
        score
            Makes the rows of a model from its name and the answers of all its folds and seeds.
        evaluation
            How to score.
        """
        questions: dict[str, list[Question]] = {model: [] for model in models}
        for model in models:
            features = self.read_by(model)
            for kept in self.candidates[model].kept:
                tested = features.select(kept.test)
                questions[model].append(
                    Question(
                        kept.directory,
                        load_estimator,
                        kept.fold,
                        kept.seed,
                        tested,
                        inquire(kept, tested),
                        self.store,
                    )
                )
        every = [question for asked in questions.values() for question in asked]
        answers = iter(ask_all(every, self.executor, name))
        told: dict[str, list[Answers]] = {
            model: [next(answers) for _ in asked] for model, asked in questions.items()
        }
        rows = [score(model, each, truth=self.truth, parameters=evaluation) for model, each in told.items()]
        known = [table for table in rows if len(table)]
        return pd.concat(known, ignore_index=True) if known else pd.DataFrame()


def probe(fitted: FittedFolds, evaluation: EvaluationParameters, name: str) -> pd.DataFrame:
    """Run a probe.

    Where there is nothing to ask, that is logged, and the table has one row: the reason as its `note`,
    without a model.

    Raises
    ------
    AffettoError
        When a model of the folds is missing or cannot be asked.
    """
    run, columns = _PROBES[name]
    found: pd.DataFrame | str
    if not fitted.experiment.keep_models:
        found = "emotion.experiment.keep_models is false, and the models of the folds would be asked"
    else:
        found = run(fitted, evaluation)
    if isinstance(found, pd.DataFrame) and len(found):
        return found
    reason = found if isinstance(found, str) else "no model has clips that it can be asked about"
    sentence = f"{name.capitalize()} is not measured: {reason}."
    _LOGGER.info("%s", sentence)
    return pd.DataFrame([{"note": sentence}], columns=list(dict.fromkeys([*columns, "note"])))


def _robustness(fitted: FittedFolds, evaluation: EvaluationParameters) -> pd.DataFrame | str:
    if not evaluation.robustness.chosen:
        return "evaluation.robustness.conditions names none"
    table = measure_robustness(
        fitted.candidates,
        fitted.together.select(fitted.changed_clips(evaluation)),
        fitted.recordings,
        evaluation,
        store=fitted.store,
        executor=fitted.executor,
    )
    return judged(table)


def _strangers(fitted: FittedFolds, evaluation: EvaluationParameters) -> pd.DataFrame | str:
    if not any(evaluation.strangers.values()):
        return "evaluation.strangers names none"
    return measure_strangers(
        fitted.candidates,
        fitted.together,
        fitted.changed_clips(evaluation),
        fitted.recordings,
        evaluation,
        store=fitted.store,
        executor=fitted.executor,
    )


def _importance(fitted: FittedFolds, evaluation: EvaluationParameters) -> pd.DataFrame | str:
    parameters = evaluation.importance
    if not parameters.n_repeats:
        return "evaluation.importance.n_repeats is 0"
    readers = [
        name for name, model in fitted.models.items() if {*model.specification.features} & {*DESCRIPTORS}
    ]
    if not readers:
        return "no model of the table reads descriptors"

    def inquire(_: FoldModel, features: FeatureSet) -> Inquiry:
        return ExchangeInquiry(descriptor_columns(features), parameters.n_repeats, parameters.seed)

    return fitted.ask("importance", readers, inquire, importance_of, evaluation)


def _enrolment(fitted: FittedFolds, evaluation: EvaluationParameters) -> pd.DataFrame | str:
    if not evaluation.enrolment.sizes:
        return "evaluation.enrolment.sizes names none"
    able = [name for name in fitted.models if _kind(fitted, name).can_enrol]
    if not able:
        return "no model of the table can be enrolled"
    clips = fitted.recordings.clips
    labelled = clips[clips["emotion"].notna()]
    if not several_labels(labelled["emotion"].to_numpy(), labelled["group"].to_numpy()):
        return "no speaker was heard in several emotions"
    groups = fitted.truth.groups

    def inquire(_: FoldModel, features: FeatureSet) -> Inquiry:
        speakers = tuple(str(groups[clip_id]) for clip_id in features.clip_ids)
        return EnrolmentInquiry(speakers, evaluation.enrolment)

    return fitted.ask("enrolment", able, inquire, gain_of, evaluation)


def _highlights(fitted: FittedFolds, evaluation: EvaluationParameters) -> pd.DataFrame | str:
    if evaluation.highlights.length_s is None:
        return "evaluation.highlights.length_s is null"
    able = [
        name
        for name, model in fitted.models.items()
        if _kind(fitted, name).attends and FRAMES in model.specification.features
    ]
    if not able:
        return "no model of the table attends"

    def inquire(kept: FoldModel, _: FeatureSet) -> Inquiry:
        return ExcerptInquiry(evaluation.highlights, kept.fold)

    return fitted.ask("highlights", able, inquire, worth_of, evaluation)


def _kind(fitted: FittedFolds, name: str) -> Any:
    return estimator_class(fitted.models[name].specification.estimator)


_PROBES: dict[
    str, tuple[Callable[[FittedFolds, EvaluationParameters], pd.DataFrame | str], Sequence[str]]
] = {
    "robustness": (_robustness, ROBUSTNESS_COLUMNS),
    "strangers": (_strangers, STRANGER_COLUMNS),
    "importance": (_importance, IMPORTANCE_COLUMNS),
    "enrolment": (_enrolment, ENROLMENT_COLUMNS),
    "highlights": (_highlights, HIGHLIGHT_COLUMNS),
}
