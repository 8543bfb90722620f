"""The emotion models by name: one entry here and one module make a new model."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ValidationError

from affetto.errors import AffettoError, validation_sentence
from affetto.models.base import Estimator
from affetto.models.model_directory import read_signature
from affetto.whole_files import reading

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet

ESTIMATORS: dict[str, str] = {
    "attention_lstm_kernel": "affetto.models.attention_lstm_kernel:AttentionLstmKernel",
    "attention_lstm": "affetto.models.attention_lstm:AttentionLstm",
    "lstm": "affetto.models.attention_lstm:LastStateLstm",
    "kernel_logistic": "affetto.models.kernel_logistic:KernelLogistic",
    "mfcc_svm": "affetto.models.baselines:StatisticsSvm",
    "crnn_lld": "affetto.models.crnn_lld:CrnnLld",
    "crnn": "affetto.models.crnn:Crnn",
    "linear": "affetto.models.linear:Linear",
    "late_fusion": "affetto.models.late_fusion:LateFusion",
    "functionals_svm": "affetto.models.baselines:FunctionalsSvm",
    "mfcc_forest": "affetto.models.baselines:MfccForest",
}
"""Name of the model -> "module:class"; imported when it is first asked for."""
_RENAMED = {"lld": "linear"}
"""Name in earlier versions -> name."""


def estimator_class(name: str) -> type[Estimator]:
    """Return the class of a model.

    Raises
    ------
    AffettoError
        When no model has this name.
    """
    if name not in ESTIMATORS:
        now = f"it is called {_RENAMED[name]!r} now" if name in _RENAMED else "the known ones are "
        known = "" if name in _RENAMED else ", ".join(sorted(ESTIMATORS))
        raise AffettoError(f"There is no emotion model {name!r}; {now}{known}.")
    module, _, attribute = ESTIMATORS[name].partition(":")
    found: type[Estimator] = getattr(import_module(module), attribute)
    return found


def build_estimator(name: str, parameters: Mapping[str, Any] | None = None, seed: int = 0) -> Estimator:
    """Build an unfitted model from plain parameters.

    Parameters
    ----------
    name
        A key of `ESTIMATORS`.
    parameters
        Parameters of the model as a mapping; what is left out takes its default.
    seed
        Seed of everything random in the model.

    Raises
    ------
    AffettoError
        When the model is unknown, or a parameter is unknown or out of its bounds.
    """
    return estimator_class(name)(_validated(name, parameters), seed=seed)


def describe_estimator(name: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return all that a fit depends on besides its data and seed: for keys of stored fits.

    Returns
    -------
    dict
        `estimator`; `versions` of it and its branches; `parameters` with the defaults of those left out.

    Raises
    ------
    AffettoError
        As `build_estimator`.
    """
    estimator = build_estimator(name, parameters)
    complete = estimator.parameters.model_dump(mode="json")
    return {"estimator": name, "versions": estimator.versions, "parameters": complete}


def _validated(name: str, parameters: Mapping[str, Any] | None) -> BaseModel:
    try:
        return estimator_class(name).Parameters.model_validate(dict(parameters or {}))
    except ValidationError as error:
        raise AffettoError(f"Parameters of the model {name!r}: {validation_sentence(error)}.") from error


def load_estimator(directory: Path) -> Estimator:
    """Read any saved model; its signature says which class it is of.

    Raises
    ------
    AffettoError
        When the directory holds no model, one of an unknown kind, or a damaged one.
    """
    with reading(Path(directory), otherwise="run the pipeline that fits it again"):
        return _load(Path(directory))


def predict_clips(directory: Path, features: FeatureSet) -> pd.DataFrame:
    """Apply a saved model to clips.

    Returns
    -------
    DataFrame
        `clip_id, p_<class>…, times, weights`; the last two are empty lists for models without attention.
    """
    estimator = load_estimator(directory)
    table = pd.DataFrame(
        estimator.predict_proba(features), columns=[f"p_{name}" for name in estimator.classes_]
    )
    table.insert(0, "clip_id", list(features.clip_ids))
    weights, times = estimator.attention(features), estimator.attention_times(features)
    nothing = [np.empty(0)] * len(table)
    table["times"] = pd.Series(times or nothing, dtype=object)
    table["weights"] = pd.Series(weights or nothing, dtype=object)
    return table


def _load(directory: Path) -> Estimator:
    name = read_signature(Path(directory))["estimator"]
    if name not in ESTIMATORS:
        raise AffettoError(
            f"{directory} holds a model of the kind {name!r}, which this version of Affetto does not have: "
            "train it again."
        )
    return estimator_class(name).load(directory)
