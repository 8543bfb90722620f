"""The protocol that every emotion model follows, proposed and baseline alike, and the models by name.

A new model is one module with a subclass of `Estimator`, and one line in `ESTIMATORS`. A saved model is a
folder: its signature (`signature.json`) and what the class itself writes, never a pickle.
"""

from __future__ import annotations

import abc
import hashlib
import json
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, cast

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from affetto.errors import AffettoError, validation_sentence
from affetto.io.files import new_directory, reading
from affetto.models.calibration import apply_temperature

if TYPE_CHECKING:
    import pandas as pd

    from affetto.features.clip_features import FeatureSet
    from affetto.models.dimensions import Regressor

ESTIMATORS: dict[str, str] = {
    "attention_lstm_kernel": "affetto.models.fusion:AttentionLstmKernel",
    "attention_lstm": "affetto.models.attention_lstm:AttentionLstm",
    "lstm": "affetto.models.attention_lstm:LastStateLstm",
    "kernel_logistic": "affetto.models.kernel:KernelLogistic",
    "statistics_svm": "affetto.models.baselines:StatisticsSvm",
    "crnn_lld": "affetto.models.fusion:CrnnLld",
    "crnn": "affetto.models.crnn:Crnn",
    "linear": "affetto.models.linear:Linear",
    "late_fusion": "affetto.models.fusion:LateFusion",
    "functionals_svm": "affetto.models.baselines:FunctionalsSvm",
    "mfcc_forest": "affetto.models.baselines:MfccForest",
    "kernel_ridge": "affetto.models.dimensions:KernelRidge",
    "mean_rating": "affetto.models.dimensions:MeanRating",
}
"""Name of the model → "module:class"; imported when it is first asked for."""
_RENAMED = {"lld": "linear", "mfcc_svm": "statistics_svm"}
"""Name in earlier versions → name."""
_SIGNATURE = "signature.json"
_REGRESSOR = "dimensions"
"""Folder of the regressor in that of a classifier."""
_FORMAT = 1
_PACKAGES = ("affetto", "numpy", "scipy", "scikit-learn", "skops", "keras", "tensorflow")


Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Attention = tuple[list[np.ndarray], list[np.ndarray]]
"""Of each clip the start of its steps, s [n_steps], and their weights [n_steps], which sum to 1."""


class Estimator(abc.ABC):
    """A classifier of clips: features in, a probability for each emotion out.

    Subclasses implement `features`, `n_parameters`, `_fit`, `_predict`, `_save_state` and `_load_state`; the
    checks that all models share live here. An estimator knows only the classes of its training clips.

    Parameters
    ----------
    parameters
        An instance of the class's `Parameters`.
    seed
        Seeds everything random; the same seed and data give the same model on one machine.

    Attributes
    ----------
    classes_ : tuple of str
        Labels of the training clips, sorted; the order of the columns of `predict_proba`.
    fit_seconds_ : float
        How long the fit took, s.
    history_ : list of dict
        One dict an epoch (`epoch`, `loss`, and what else the model measures), or one dict a candidate of the
        search that chose parameters (`affetto.models.vectors`); empty for models with neither.
    feature_parameters_ : dict
        Parameters of each feature the model was fitted on.
    learnt_from_ : dict
        Of a model that is deployed: its `name`, and of its training clips `corpus`, `speech`, `clips` and
        `groups`; empty for others.
    temperature : float
        Calibration of `predict_proba`, found on out-of-fold predictions; 1 leaves the model's own
        probabilities.
    branches : dict
        Estimators that this one is joined from, by the names of their parameters. Each is fitted on the same
        clips with the same seed as it would be alone, and can stand for that fit.
    """

    name: ClassVar[str]
    """Name in the registry and in the signature."""
    VERSION: ClassVar[int] = 1
    """Of what the model computes. Raise it with every change that gives other predictions for the same clips,
    parameters and seed: stored fits of other versions are not used."""
    Parameters: ClassVar[type[BaseModel]]
    """Pydantic model of the parameters."""
    targets: ClassVar[tuple[str, ...]] = ("emotion",)
    """Columns of the clip table that it learns to tell."""
    attends: ClassVar[bool] = False
    """Whether `attention` says which part of a clip counts."""
    can_enrol: ClassVar[bool] = False
    """Whether `predict_proba` makes use of clips of the same person."""

    def __init__(self, parameters: BaseModel, *, seed: int = 0) -> None:
        self.parameters = parameters
        self.seed = seed
        self.classes_: tuple[str, ...] = ()
        self.fit_seconds_ = 0.0
        self.history_: list[dict[str, Any]] = []
        self.feature_parameters_: dict[str, Any] = {}
        self.temperature = 1.0
        self.learnt_from_: dict[str, Any] = {}
        self.regressor: Regressor | None = None
        self.branches: dict[str, Estimator] = {}
        self._adopted: set[str] = set()

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that `fit` and `predict_proba` need; by default the parameter `features`."""
        found: tuple[str, ...] = self.parameters.features  # type: ignore[attr-defined]
        return found

    @property
    @abc.abstractmethod
    def n_parameters(self) -> int:
        """Size of the fitted model: weights of a network, stored numbers of a traditional model."""

    @property
    def versions(self) -> dict[str, int]:
        """`VERSION` of the model and of all that it is joined from, by name."""
        found = {self.name: self.VERSION}
        for branch in self.branches.values():
            found |= branch.versions
        return found

    def adopt(self, branches: Mapping[str, Estimator]) -> None:
        """Take some of `branches`, fitted on the clips of the next `fit`, which leaves them as they are."""
        self.branches |= branches
        self._adopted = set(branches)

    def fit(self, x: FeatureSet, y: Sequence[Any], groups: Sequence[str]) -> Self:
        """Fit the model.

        Parameters
        ----------
        x
            The features of the training clips.
        y
            Emotion of each clip, or what else `targets` names.
        groups
            Speaker, artist or song of each clip; inner validation never splits one.

        Raises
        ------
        AffettoError
            When a feature is missing, or fewer than two emotions occur.
        """
        started = time.perf_counter()
        self._require_features(x)
        self.classes_, labels = self._encode(y)
        self.feature_parameters_ = {name: _plain(x[name].parameters) for name in self.features}
        self.history_, self.temperature = [], 1.0
        self._fit(x, labels, np.asarray([str(group) for group in groups], dtype=object))
        self.fit_seconds_ = time.perf_counter() - started
        return self

    def predict_proba(self, x: FeatureSet, enrolment: FeatureSet | None = None) -> np.ndarray:
        """Return the probability of each class, float64 [n_clips, n_classes]; rows sum to 1.

        Parameters
        ----------
        x
            The clips.
        enrolment
            A few clips of the same person without labels, for models that can make use of them.

        Raises
        ------
        AffettoError
            When the model is not fitted or cannot be enrolled, or clips were extracted with other parameters
            than the training clips.
        """
        self._require_compatible(x)
        if enrolment is not None:
            if not self.can_enrol:
                raise AffettoError(
                    f"{self.name} cannot be enrolled: leave the recordings of the same person out, or "
                    "propose a voice model that makes use of them."
                )
            self._require_compatible(enrolment)
        if not len(x.clip_ids):
            return np.zeros((0, len(self.classes_)))
        probabilities: np.ndarray = np.asarray(self._predict(x, enrolment), dtype=np.float64)
        probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
        if self.temperature == 1.0:
            return probabilities
        return apply_temperature(probabilities, self.temperature)

    def attention(self, x: FeatureSet) -> Attention | None:
        """Return where the steps of each clip begin, and their weights; None without attention."""
        return None

    def novelty(self, x: FeatureSet) -> np.ndarray | None:
        """Return how unlike the training clips each clip is, float64 [n_clips]; None where it was not learnt.

        It is the share of training clips, seen by a model that was trained without their group, that lie
        nearer to what is known: 0.5 is usual, 0.99 rare; values from 1 to 2 lie beyond all of them.
        """
        return None

    def dimensions(self, x: FeatureSet) -> np.ndarray | None:
        """Return valence and arousal of each clip, float64 [n_clips, 2]; None without a regressor."""
        return None if self.regressor is None else self.regressor.predict(x)

    def save(self, directory: Path) -> None:
        """Write the fitted model as a directory (never a pickle), replacing what is there."""
        self._require_fitted()
        signature = {
            "estimator": self.name,
            "parameters": self.parameters.model_dump(mode="json"),
            "seed": self.seed,
            "classes": list(self.classes_),
            "feature_parameters": self.feature_parameters_,
            "history": self.history_,
            "temperature": self.temperature,
            "learnt_from": self.learnt_from_,
        }
        with new_directory(Path(directory)) as partial:
            write_signature(partial, signature)
            self._save_state(partial)

    def _encode(self, y: Sequence[Any]) -> tuple[tuple[str, ...], np.ndarray]:
        """Return the classes, sorted, and the index of each clip's, int64 [n_clips]."""
        classes, labels = np.unique([str(label) for label in y], return_inverse=True)
        if len(classes) < 2:  # noqa: PLR2004
            found = ", ".join(classes) or "none"
            raise AffettoError(
                f"{self.name} needs clips of at least two emotions to learn from, found: {found}."
            )
        return tuple(classes.tolist()), labels

    @abc.abstractmethod
    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        """Fit on checked data; `labels` int64 [n_clips] index `classes_`, `groups` object [n_clips]."""

    @abc.abstractmethod
    def _predict(self, x: FeatureSet, enrolment: FeatureSet | None) -> np.ndarray:
        """Return probabilities [n_clips, n_classes], given clips of the same person where `can_enrol`."""

    @abc.abstractmethod
    def _save_state(self, directory: Path) -> None:
        """Write weights and statistics into an existing directory."""

    @abc.abstractmethod
    def _load_state(self, directory: Path) -> None:
        """Read what `_save_state` wrote; parameters, classes and features are known already."""

    def _require_fitted(self) -> None:
        if not self.classes_:
            raise AffettoError(f"{self.name} is not fitted yet; call fit first.")

    def _require_features(self, x: FeatureSet) -> None:
        for name in self.features:
            if name not in x:
                raise AffettoError(
                    f"{self.name} needs the feature {name!r}, but it was given only {sorted(x)}."
                )

    def _require_compatible(self, x: FeatureSet) -> None:
        self._require_fitted()
        self._require_features(x)
        for name in self.features:
            fitted, given = self.feature_parameters_[name], _plain(x[name].parameters)
            keys = sorted(key for key in {*fitted, *given} if fitted.get(key) != given.get(key))
            if keys:
                found = "; ".join(f"{key} {fitted.get(key)!r}, not {given.get(key)!r}" for key in keys)
                raise AffettoError(
                    f"{self.name} was fitted on {name} with {found}; extract the clips with the "
                    "parameters of the model, or fit the model again."
                )


def estimator_class(name: str) -> type[Estimator]:
    """Return the class of a model.

    Raises
    ------
    AffettoError
        When no model has this name.
    """
    if name in _RENAMED:
        raise AffettoError(f"The emotion model {name!r} is called {_RENAMED[name]!r} now: change its name.")
    if name not in ESTIMATORS:
        known = ", ".join(sorted(ESTIMATORS))
        raise AffettoError(f"There is no emotion model {name!r}; the known ones are {known}.")
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
    kind = estimator_class(name)
    try:
        validated = kind.Parameters.model_validate(dict(parameters or {}))
    except ValidationError as error:
        raise AffettoError(f"Parameters of the model {name!r}: {validation_sentence(error)}.") from error
    return kind(validated, seed=seed)


def describe_estimator(name: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return all that a fit depends on besides its data and seed: for keys of stored fits.

    That is `estimator`, `versions` of it and its branches, and `parameters` with their defaults.
    """
    estimator = build_estimator(name, parameters)
    complete = estimator.parameters.model_dump(mode="json")
    return {"estimator": name, "versions": estimator.versions, "parameters": complete}


def load_estimator(directory: Path) -> Estimator:
    """Read any saved model; its signature says which class it is of.

    Raises
    ------
    AffettoError
        When the directory holds no model, a damaged one, or one of another version of Affetto.
    """
    directory = Path(directory)
    with reading(directory, otherwise="run the pipeline that fits it again"):
        signature = read_signature(directory)
        name, given = signature["estimator"], signature["parameters"]
        try:
            estimator = build_estimator(name, given, int(signature["seed"]))
        except AffettoError as error:
            raise AffettoError(
                f"{directory} holds a model that this version of Affetto does not have: train it again. "
                f"{error}"
            ) from error
        estimator.classes_ = tuple(signature["classes"])
        estimator.history_ = signature["history"]
        estimator.temperature = float(signature["temperature"])
        estimator.feature_parameters_ = signature["feature_parameters"]
        estimator.learnt_from_ = signature.get("learnt_from", {})
        estimator._load_state(directory)
        if holds_model(directory / _REGRESSOR):
            estimator.regressor = cast("Regressor", load_estimator(directory / _REGRESSOR))
        return estimator


def holds_model(directory: Path) -> bool:
    """Tell whether there is a model."""
    return (directory / _SIGNATURE).is_file()


def write_signature(directory: Path, signature: Mapping[str, Any]) -> None:
    """Write the signature of a model, with the versions of the packages that fitted it."""
    versions = {"python": platform.python_version(), **installed_versions()}
    text = json.dumps({"format": _FORMAT, **signature, "versions": versions}, indent=2)
    (directory / _SIGNATURE).write_text(text, encoding="utf-8")


def read_signature(directory: Path) -> dict[str, Any]:
    """Read the signature of a saved model: its kind, parameters, classes, feature parameters and versions.

    Raises
    ------
    AffettoError
        When the directory holds no model or one of an unknown format.
    """
    if not holds_model(directory):
        raise AffettoError(f"{directory} holds no model ({_SIGNATURE} is missing); train the model first.")
    path = directory / _SIGNATURE
    signature: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if signature.get("format") != _FORMAT:
        raise AffettoError(
            f"{path} has format {signature.get('format')}, this version reads {_FORMAT}; train again."
        )
    return signature


def copy_calibrated(
    source: Path,
    directory: Path,
    temperature: float,
    learnt_from: Mapping[str, Any],
    regressor: Path | None = None,
) -> None:
    """Copy a saved model, with another temperature of its probabilities and what it has learnt from.

    A saved regressor, which must read no other features, then tells valence and arousal with it.
    """
    signature = read_signature(source)
    with new_directory(directory) as partial:
        shutil.copytree(source, partial, dirs_exist_ok=True)
        if regressor is not None:
            shutil.copytree(regressor, partial / _REGRESSOR)
        write_signature(partial, {**signature, "temperature": temperature, "learnt_from": learnt_from})


def model_digest(directory: Path) -> str:
    """Hash all files of a saved model, wherever it lies."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        digest.update(path.relative_to(directory).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def installed_versions() -> dict[str, str]:
    """Return the versions of the packages a saved model depends on."""
    return {package: version(package) for package in _PACKAGES}


def predict_clips(directory: Path, features: FeatureSet) -> pd.DataFrame:
    """Apply a saved model to clips: `clip_id, p_<class>…, times, weights`.

    The last two are empty lists for models without attention; models that tell them have `valence, arousal`
    before.
    """
    import pandas as pd

    estimator = load_estimator(directory)
    columns = [f"p_{name}" for name in estimator.classes_]
    table = pd.DataFrame(estimator.predict_proba(features), columns=columns)
    table.insert(0, "clip_id", list(features.clip_ids))
    ratings = estimator.dimensions(features)
    if ratings is not None:
        table["valence"], table["arousal"] = ratings.T
    nothing = [np.empty(0)] * len(table)
    times, weights = estimator.attention(features) or (nothing, nothing)
    table["times"] = pd.Series(times, dtype=object)
    table["weights"] = pd.Series(weights, dtype=object)
    return table


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """Bring parameters to the form they have after a trip through JSON (tuples become lists)."""
    plain: dict[str, Any] = json.loads(json.dumps(value, sort_keys=True, default=str))
    return plain
