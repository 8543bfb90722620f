"""What all steps share that ask the kept models of the folds about their test clips."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.evaluation.asking import Answers, Inquiry, Question, ask_all
from affetto.features.clip_features import FeatureSet
from affetto.models.experiment import FoldModel, fold_models
from affetto.models.registry import load_estimator
from affetto.models.specification import ExperimentParameters, ModelSpecification
from affetto.parallel import ExecutorParameters
from affetto.results import ResultStore

_LOGGER = logging.getLogger(__name__)
NOT_KEPT = "emotion.experiment.keep_models is false, and the models of the folds would be asked"


def not_measured(otherwise: str, reason: str, columns: Sequence[str]) -> pd.DataFrame:
    """Log why there is nothing to measure and return that as the table: one row, a `note` without a model."""
    _LOGGER.info("%s: %s.", otherwise, reason)
    return pd.DataFrame(
        [{"note": f"{otherwise}: {reason}."}], columns=list(dict.fromkeys([*columns, "note"]))
    )


@dataclass(frozen=True)
class Measurement:
    """Something measured by asking kept models.

    Attributes
    ----------
    name
        Label of the progress bar.
    otherwise
        Said when it is not measured; the reason follows.
    without_rows
        The reason when there was nothing to score.
    columns
        Of the table.
    inquire
        Makes the inquiry for the model of a fold from it and the features of its test clips.
    score
        Makes the rows of a model of the table from its name and the answers of all folds and seeds.
    """

    name: str
    otherwise: str
    without_rows: str
    columns: Sequence[str]
    inquire: Callable[[FoldModel, FeatureSet], Inquiry]
    score: Callable[[str, list[Answers]], pd.DataFrame]

    def not_measured(self, reason: str) -> pd.DataFrame:
        """Log the reason and return it as the table, as the function of this name."""
        return not_measured(self.otherwise, reason, self.columns)


@dataclass(frozen=True)
class KeptModels:
    """The models that a cross-validation kept, and where they are asked; as the cross-validation had it."""

    experiment: ExperimentParameters
    executor: ExecutorParameters
    store: ResultStore
    fits: Path
    clips: pd.DataFrame
    folds: pd.DataFrame

    def measure(
        self, measurement: Measurement, models: Sequence[str], inputs: Mapping[str, Any]
    ) -> pd.DataFrame:
        """Ask the models of all folds and seeds and put what is found together, models in their order.

        Parameters
        ----------
        measurement
            What to ask, and how to score the answers.
        models
            Names of the models to ask.
        inputs
            `specification__<model>`, and the features by name.

        Returns
        -------
        DataFrame
            The reason alone, as `not_measured`, when no models were to be kept or there was nothing to score.

        Raises
        ------
        AffettoError
            When a model of the folds is missing or cannot be asked.
        """
        if not self.experiment.keep_models:
            return measurement.not_measured(NOT_KEPT)
        questions = {model: self._questions(model, measurement, inputs) for model in models}
        every = [question for asked in questions.values() for question in asked]
        answers = iter(ask_all(every, self.executor, measurement.name))
        told = {model: [next(answers) for _ in asked] for model, asked in questions.items()}
        tables = [measurement.score(model, each) for model, each in told.items() if each]
        known = [table for table in tables if len(table)]
        if not known:
            return measurement.not_measured(measurement.without_rows)
        return pd.concat(known, ignore_index=True)

    def _questions(self, model: str, measurement: Measurement, inputs: Mapping[str, Any]) -> list[Question]:
        specification = ModelSpecification.model_validate(inputs[f"specification__{model}"])
        features = FeatureSet.align({name: inputs[name] for name in specification.features})
        kept_models = fold_models(
            specification,
            features,
            clips=self.clips,
            folds=self.folds,
            experiment=self.experiment,
            store=self.store,
            models=self.fits,
        )
        questions = []
        for kept in kept_models:
            tested = features.select(kept.test)
            inquiry = measurement.inquire(kept, tested)
            questions.append(
                Question(kept.directory, load_estimator, kept.fold, kept.seed, tested, inquiry, self.store)
            )
        return questions
