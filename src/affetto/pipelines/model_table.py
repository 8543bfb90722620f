"""What pipelines are built from: the emotion models and the features of each side in the parameters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from affetto.corpora.clips import DIMENSIONS
from affetto.errors import AffettoError, validation_sentence
from affetto.experiments.cross_validate import ModelSpecification
from affetto.io.configuration import CONFIG_LOADER_ARGS
from affetto.models.estimator import Estimator, build_estimator, estimator_class

SIDES = ("music", "voice")
Table = dict[str, ModelSpecification]


class Setup(NamedTuple):
    """What the parameters say about the pipelines.

    Attributes
    ----------
    models
        Side → model name → specification, in the order of the parameters.
    regressors
        Side → name → specification of the regressors of valence and arousal.
    features
        Side → features that have parameters, whether a model reads them or not.
    ready_model
        Whether recordings are analysed by the voice model that is part of Affetto.
    """

    models: dict[str, Table]
    regressors: dict[str, Table]
    features: dict[str, tuple[str, ...]]
    ready_model: bool

    def proposed(self, side: str) -> str:
        """Return the name of the proposed model of `side`: the first one with that role.

        Raises
        ------
        AffettoError
            When no model has that role.
        """
        for name, entry in self.models[side].items():
            if entry.role == "proposed":
                return name
        raise AffettoError(f"{side}.emotion.models has no model whose role is proposed: give one that role.")


class _Current:
    setup: Setup | None = None


def use_parameters(parameters: Mapping[str, Any]) -> None:
    """Make `parameters` the ones that pipelines are built from."""
    known = {side: _group(parameters, f"{side}.features") for side in SIDES}
    features = {
        side: tuple(name for name, entry in group.items() if entry is not None)
        for side, group in known.items()
    }
    ready = bool(_group(parameters, "recommend").get("ready_model", False))
    models = read_tables(parameters)
    _Current.setup = Setup(models, read_regressors(parameters, models), features, ready)


def current_setup() -> Setup:
    """Return what the parameters of the run under way say; those of the base configuration without a run."""
    if _Current.setup is None:
        from kedro.config import OmegaConfigLoader
        from kedro.utils import find_kedro_project

        project = find_kedro_project(Path.cwd()) or Path.cwd()
        loader = OmegaConfigLoader(conf_source=str(Path(project) / "conf"), **CONFIG_LOADER_ARGS)
        use_parameters(loader["parameters"])
        return current_setup()
    return _Current.setup


def read_tables(parameters: Mapping[str, Any]) -> dict[str, Table]:
    """Read the model table of each side from the project's parameters.

    Parameters
    ----------
    parameters
        All parameters; `<side>.emotion.models` maps a model's name to its specification. A model set to null
        is left out of the pipelines.

    Returns
    -------
    dict
        Side → model name → specification.

    Raises
    ------
    AffettoError
        When a specification lacks a key or has an unknown one, names no known estimator, gives it parameters
        that it does not take, or lacks a feature that it reads, or calls a model an ablation that is none.
    """
    tables = {}
    for side in SIDES:
        entries = _group(parameters, f"{side}.emotion.models")
        tables[side] = {
            name: _specification(f"{side}.emotion.models.{name}", entry)
            for name, entry in entries.items()
            if entry is not None
        }
        _check_ablations(side, tables[side])
    return tables


def read_regressors(parameters: Mapping[str, Any], models: Mapping[str, Table]) -> dict[str, Table]:
    """Read the regressors of each side from `<side>.emotion.dimensions`, as `read_tables` reads the models.

    Left out are those that read a feature that none of the `models` reads: nothing is extracted for them.
    """
    tables = {}
    for side in SIDES:
        entries = _group(parameters, f"{side}.emotion").get("dimensions") or {}
        read = {feature for entry in models[side].values() for feature in entry.features}
        found = {
            name: _specification(f"{side}.emotion.dimensions.{name}", entry, targets=DIMENSIONS)
            for name, entry in entries.items()
            if entry is not None
        }
        tables[side] = {name: entry for name, entry in found.items() if {*entry.features} <= read}
    return tables


def _group(parameters: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """Return the parameters at a dotted path; a value, or nothing, is an error there."""
    group: Any = parameters
    for key in path.split("."):
        group = group.get(key) if isinstance(group, Mapping) else None
    if not isinstance(group, Mapping):
        raise AffettoError(f"{path} is no group of parameters: write them as {path}.NAME, or leave it out.")
    return group


def _specification(where: str, entry: object, targets: tuple[str, ...] = ("emotion",)) -> ModelSpecification:
    """Check an entry now, before anything runs: the fit that would stumble over it may be hours away."""
    try:
        found = ModelSpecification.model_validate(entry)
    except ValidationError as error:
        raise AffettoError(f"{where}: {validation_sentence(error)}.") from error
    kind = estimator_class(found.estimator)
    if kind.targets != targets:
        table = "dimensions" if kind.targets == DIMENSIONS else "models"
        raise AffettoError(
            f"{where}.estimator is {found.estimator}, which tells {' and '.join(kind.targets)}: list it "
            f"under emotion.{table}."
        )
    try:
        parameters = kind.Parameters.model_validate(found.parameters)
    except ValidationError as error:
        raise AffettoError(f"{where}.parameters: {validation_sentence(error)}.") from error
    lacking = [feature for feature in kind(parameters).features if feature not in found.features]
    if lacking:
        raise AffettoError(
            f"{where}.features lacks {', '.join(lacking)}, which {found.estimator} reads: add it there."
        )
    if found.enrolment and not kind.can_enrol:
        raise AffettoError(f"{where}.enrolment: {found.estimator} cannot enrol speakers, leave it out.")
    return found


def _check_ablations(side: str, table: Table) -> None:
    """Refuse as ablation what is not the proposed model with something left out: that is a baseline."""
    proposed = next((entry for entry in table.values() if entry.role == "proposed"), None)
    if proposed is None:
        return
    parts = _parts(build_estimator(proposed.estimator, proposed.parameters))
    for name, entry in table.items():
        if entry.role != "ablation":
            continue
        other = sorted({*entry.features} - {*proposed.features})
        if entry.estimator not in parts:
            reason = f"{entry.estimator} is neither {proposed.estimator} nor a branch of it"
        elif other:
            reason = f"it reads {', '.join(other)}, which the proposed model does not"
        else:
            continue
        raise AffettoError(
            f"{side}.emotion.models.{name}.role is ablation, but {reason}: an ablation is the proposed "
            "model with something left out, so set the role to baseline."
        )


def _parts(model: Estimator) -> set[str]:
    """Return the kinds of estimators that a model is joined from, its own included."""
    return {model.name}.union(*map(_parts, model.branches.values()))
