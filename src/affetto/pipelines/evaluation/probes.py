"""Probes: the model of each fold is asked again about its test clips, and its answers are scored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.evaluation.asking import Inquiry, Question, Truth, ask_all
from affetto.evaluation.enrolment import ENROLMENT_COLUMNS, gain_of
from affetto.evaluation.enrolment_inquiry import EnrolmentInquiry
from affetto.evaluation.excerpt_inquiry import ExcerptInquiry
from affetto.evaluation.exchange_inquiry import ExchangeInquiry
from affetto.evaluation.highlights import HIGHLIGHT_COLUMNS, worth_of
from affetto.evaluation.importance import IMPORTANCE_COLUMNS, descriptor_columns, importance_of
from affetto.evaluation.parameters import EvaluationParameters
from affetto.features.clip_features import FeatureSet
from affetto.models.experiment import FoldModel, fold_models
from affetto.models.registry import load_estimator
from affetto.models.speakers import several_labels
from affetto.models.specification import ExperimentParameters, ModelSpecification
from affetto.parallel import ExecutorParameters
from affetto.results import ResultStore

_LOGGER = logging.getLogger(__name__)
NOT_KEPT = "emotion.experiment.keep_models is false, and the models of the folds would be asked"


@dataclass(frozen=True)
class Probe:
    """What is asked of the models of the folds.

    Attributes
    ----------
    otherwise
        Said when there is nothing to ask; the reason follows.
    nothing
        Reason why nothing is asked, however the models are; empty where something is.
    without_rows
        Reason when nothing that was asked could be scored.
    columns
        Of the table.
    inquire
        Makes the inquiry for the model of a fold from it and the features of its test clips.
    score
        Makes the rows of a model of the table from its name and the answers of all folds and seeds.
    """

    otherwise: str
    nothing: str
    without_rows: str
    columns: Sequence[str]
    inquire: Callable[[FoldModel, FeatureSet], Inquiry]
    score: Callable[..., pd.DataFrame]


def probe_models(
    evaluation: EvaluationParameters,
    experiment: ExperimentParameters,
    executor: ExecutorParameters,
    store: ResultStore,
    fits: Path,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    *,
    name: str,
    models: Sequence[str],
    **inputs: Any,
) -> pd.DataFrame:
    """Ask the models of all folds and seeds and put what is found together, models in their order.

    Parameters
    ----------
    evaluation, experiment, executor, store, fits, clips, folds
        As the cross-validation had them.
    name
        Of the probe, a key of `PROBES`.
    models
        Names of the models to ask.
    inputs
        `specification__<model>`, and the features by name.

    Returns
    -------
    DataFrame
        The columns of the probe; the reason alone, as `not_measured`, where there is nothing to ask or score.

    Raises
    ------
    AffettoError
        When a model of the folds is missing or cannot be asked.
    """
    truth = Truth.of(clips)
    probe = PROBES[name](evaluation, truth, clips)
    reason = probe.nothing or ("" if experiment.keep_models else NOT_KEPT)
    if reason:
        return not_measured(probe.otherwise, reason, probe.columns)
    questions: dict[str, list[Question]] = {}
    for model in models:
        specification = ModelSpecification.model_validate(inputs[f"specification__{model}"])
        features = FeatureSet.align({feature: inputs[feature] for feature in specification.features})
        found = fold_models(
            specification, features, clips, folds, experiment=experiment, store=store, models=fits
        )
        questions[model] = [_question(kept, features.select(kept.test), probe, store) for kept in found]
    every = [question for asked in questions.values() for question in asked]
    answers = iter(ask_all(every, executor, name))
    told = {model: [next(answers) for _ in asked] for model, asked in questions.items()}
    score = partial(probe.score, truth=truth, parameters=evaluation)
    tables = [table for model, each in told.items() if each and len(table := score(model, each))]
    if not tables:
        return not_measured(probe.otherwise, probe.without_rows, probe.columns)
    return pd.concat(tables, ignore_index=True)


def not_measured(otherwise: str, reason: str, columns: Sequence[str]) -> pd.DataFrame:
    """Log why there is nothing to measure and return that as the table: one row, a `note` without a model."""
    _LOGGER.info("%s: %s.", otherwise, reason)
    row = {"note": f"{otherwise}: {reason}."}
    return pd.DataFrame([row], columns=list(dict.fromkeys([*columns, "note"])))


def _question(kept: FoldModel, tested: FeatureSet, probe: Probe, store: ResultStore) -> Question:
    inquiry = probe.inquire(kept, tested)
    return Question(kept.directory, load_estimator, kept.fold, kept.seed, tested, inquiry, store)


def _importance(evaluation: EvaluationParameters, _truth: Truth, _clips: pd.DataFrame) -> Probe:
    """Ask what each model loses without each group of descriptors."""
    chosen = evaluation.importance
    return Probe(
        otherwise="The importance of descriptors is not measured",
        nothing="" if chosen.n_repeats else "evaluation.importance.n_repeats is 0",
        without_rows="no model reads descriptors",
        columns=IMPORTANCE_COLUMNS,
        inquire=lambda _, tested: ExchangeInquiry(descriptor_columns(tested), chosen.n_repeats, chosen.seed),
        score=importance_of,
    )


def _enrolment(evaluation: EvaluationParameters, truth: Truth, clips: pd.DataFrame) -> Probe:
    """Ask what each model gains when a few clips of the same speaker are enrolled."""
    chosen, labelled = evaluation.enrolment, clips[clips["emotion"].notna()]
    nothing = "" if chosen.sizes else "evaluation.enrolment.sizes names none"
    if not several_labels(labelled["emotion"].to_numpy(), labelled["group"].to_numpy()):
        nothing = nothing or "no speaker was heard in several emotions"
    return Probe(
        otherwise="The gain of an enrolment is not measured",
        nothing=nothing,
        without_rows="no model can be enrolled, or no speaker has clips enough",
        columns=ENROLMENT_COLUMNS,
        inquire=lambda _, tested: EnrolmentInquiry(
            tuple(str(truth.groups[clip_id]) for clip_id in tested.clip_ids), chosen
        ),
        score=gain_of,
    )


def _highlights(evaluation: EvaluationParameters, _truth: Truth, _clips: pd.DataFrame) -> Probe:
    """Ask how much better the highlights of music are recognised than random excerpts."""
    chosen = evaluation.highlights
    return Probe(
        otherwise="Highlights are not put to the test",
        nothing="" if chosen.length_s is not None else "evaluation.highlights.length_s is null",
        without_rows="no model of the table attends, or no clip is long enough",
        columns=HIGHLIGHT_COLUMNS,
        inquire=lambda kept, _: ExcerptInquiry(chosen, kept.fold),
        score=worth_of,
    )


PROBES: Mapping[str, Callable[[EvaluationParameters, Truth, pd.DataFrame], Probe]] = {
    "importance": _importance,
    "enrolment": _enrolment,
    "highlights": _highlights,
}
