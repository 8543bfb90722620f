"""The emotion models of each side, as the parameters name them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from affetto.errors import AffettoError, validation_sentence
from affetto.experiments.cross_validate import ModelSpecification
from affetto.io.configuration import CONFIG_LOADER_ARGS
from affetto.models.estimator import Estimator, build_estimator, estimator_class

SIDES = ("music", "voice")
Table = dict[str, ModelSpecification]


class _Current:
    """The model table and the features of each side, as the parameters of the run under way name them."""

    names: tuple[dict[str, Table], dict[str, tuple[str, ...]], bool] | None = None


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
    tables = {
        side: {
            name: _specification(side, name, entry)
            for name, entry in _group(parameters, f"{side}.emotion.models").items()
            if entry is not None
        }
        for side in SIDES
    }
    for side, table in tables.items():
        _check_ablations(side, table)
    return tables


def _group(parameters: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """Return the parameters at a dotted path.

    Raises
    ------
    AffettoError
        When there is a value, or nothing, instead of a group.
    """
    group: Any = parameters
    for key in path.split("."):
        group = group.get(key) if isinstance(group, Mapping) else None
    if not isinstance(group, Mapping):
        raise AffettoError(f"{path} is no group of parameters: write them as {path}.NAME, or leave it out.")
    return group


def _specification(side: str, name: str, entry: object) -> ModelSpecification:
    where = f"{side}.emotion.models.{name}"
    try:
        found = ModelSpecification.model_validate(entry)
    except ValidationError as error:
        raise AffettoError(f"{where}: {validation_sentence(error)}.") from error
    kind = estimator_class(found.estimator)
    try:
        # Now, before anything runs: the fit that would stumble over them may be hours away.
        parameters = kind.Parameters.model_validate(found.parameters)
    except ValidationError as error:
        raise AffettoError(f"{where}.parameters: {validation_sentence(error)}.") from error
    lacking = [feature for feature in kind(parameters).features if feature not in found.features]
    if lacking:
        raise AffettoError(
            f"{where}.features lacks {', '.join(lacking)}, which {found.estimator} reads: add it there."
        )
    return found


def _check_ablations(side: str, table: Table) -> None:
    """Refuse as ablation what is not the proposed model with something left out: that is a baseline."""
    proposed = next((entry for entry in table.values() if entry.role == "proposed"), None)
    if proposed is None:
        return
    parts, read = _parts(build_estimator(proposed.estimator, proposed.parameters)), set(proposed.features)
    for name, entry in table.items():
        reason = None
        if entry.estimator not in parts:
            reason = f"{entry.estimator} is neither {proposed.estimator} nor a branch of it"
        elif not read.issuperset(entry.features):
            reason = (
                f"it reads {', '.join(sorted({*entry.features} - read))}, which the proposed model does not"
            )
        if entry.role == "ablation" and reason:
            raise AffettoError(
                f"{side}.emotion.models.{name}.role is ablation, but {reason}: an ablation is the proposed "
                "model with something left out, so set the role to baseline."
            )


def _parts(model: Estimator) -> set[str]:
    """Return the kinds of estimators that a model is joined from, its own included."""
    return {model.name}.union(*map(_parts, model.branches.values()))


def use_parameters(parameters: Mapping[str, Any]) -> None:
    """Make `parameters` the ones that pipelines are built from."""
    features = {side: tuple(_group(parameters, f"{side}.features")) for side in SIDES}
    ready = bool(_group(parameters, "recommend").get("ready_model", False))
    _Current.names = (read_tables(parameters), features, ready)


def model_table(side: str) -> Table:
    """Return the models of `side`, in the order of the parameters."""
    return _names()[0][side]


def feature_names(side: str) -> tuple[str, ...]:
    """Return the features of `side` that have parameters, whether a model reads them or not."""
    return _names()[1][side]


def hearing_model() -> str | None:
    """Return the name of the voice model that hears recordings; None for the one that is ready."""
    return None if _names()[2] else proposed_model("voice")


def proposed_model(side: str) -> str:
    """Return the name of the proposed model of `side`: the first one with that role.

    Raises
    ------
    AffettoError
        When no model has that role.
    """
    for name, entry in model_table(side).items():
        if entry.role == "proposed":
            return name
    raise AffettoError(f"{side}.emotion.models has no model whose role is proposed: give one that role.")


def _names() -> tuple[dict[str, Table], dict[str, tuple[str, ...]], bool]:
    """Return what is in use; that of the base configuration while there is no run."""
    if _Current.names is None:
        use_parameters(_base_parameters())
        return _names()
    return _Current.names


def _base_parameters() -> Mapping[str, Any]:
    from kedro.config import OmegaConfigLoader
    from kedro.utils import find_kedro_project

    project = find_kedro_project(Path.cwd()) or Path.cwd()
    loader = OmegaConfigLoader(conf_source=str(Path(project) / "conf"), **CONFIG_LOADER_ARGS)
    parameters: Mapping[str, Any] = loader["parameters"]
    return parameters
