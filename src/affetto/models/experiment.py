"""One experiment for every emotion model: cross-validate, then fit on everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affetto.corpora.splits import ALWAYS_TRAINING
from affetto.errors import AffettoError
from affetto.models.estimator import copy_calibrated, holds_model, load_estimator
from affetto.models.fold_fit import FoldFit, plan_fits
from affetto.models.specification import ExperimentParameters, ModelSpecification
from affetto.parallel import ExecutorParameters, map_shards
from affetto.results import ResultStore, fingerprint

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet


@dataclass(frozen=True)
class CrossValidation:
    """What cross-validation of one model yields.

    Attributes
    ----------
    predictions
        A row a tested clip and seed: `clip_id, group, fold, seed, label, predicted, p_<class>…`.
    histories
        A row a fit and epoch: `fold, seed, epoch, loss, …`, or a row a fit and candidate of its inner search:
        `fold, seed, …, inner_uar, inner_log_loss, chosen`; empty for models with neither.
    attention
        A row a tested clip of seed 0: `clip_id, times` (s), `weights`; empty for models without attention.
    cost
        `fit_seconds` (mean of a fit), `predict_ms_per_clip`, `n_parameters`.
    """

    predictions: pd.DataFrame
    histories: pd.DataFrame
    attention: pd.DataFrame
    cost: dict[str, float]


def cross_validate(
    specification: ModelSpecification,
    features: FeatureSet,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    *,
    experiment: ExperimentParameters,
    executor: ExecutorParameters,
    store: ResultStore,
    description: str,
    models: Path | None = None,
    copies: Mapping[str, FeatureSet] | None = None,
) -> CrossValidation:
    """Fit a model once a fold and seed and predict the clips it has not seen.

    Parameters
    ----------
    specification
        The model.
    features
        Features of all clips the estimator reads.
    clips
        Clip table with `clip_id, emotion, group`.
    folds
        Of `make_folds`: the fold in which a clip is tested, -1 for those that are not, and what its models
        are fitted on. Clips without features (extraction failed) are left out.
    experiment, executor
        Seeds, and where the fits run.
    store
        Finished fits are found here and never repeated.
    description
        Label of the progress bar.
    models
        Folder in which the model of every fold and seed is kept, for `fold_models`; None: none is.
    copies
        Name of each condition of `specification.copies` → the features of all clips as they sound in it; a
        model is fitted on the copies of its training clips as well.

    Returns
    -------
    CrossValidation
        Out-of-fold predictions and what came with them.

    Raises
    ------
    AffettoError
        When no fold has both training and test clips.
    """
    table = _labelled(features, clips, folds)
    chosen = features.select(list(table["clip_id"]))
    fits = plan_fits(specification, chosen, table, experiment, store, models, copies)
    if not fits:
        raise AffettoError(
            f"{description}: no fold has both training and test clips; check the split's protocol."
        )
    results = _run(fits, executor, description)
    return CrossValidation(
        predictions=_concat(map(_prediction_rows, fits, results)),
        histories=_concat([_history_rows(fit, result) for fit, result in zip(fits, results, strict=True)]),
        attention=_concat(
            [
                _attention_rows(fit, result)
                for fit, result in zip(fits, results, strict=True)
                if fit.seed == 0
            ],
            columns=("clip_id", "times", "weights"),
        ),
        cost=_cost(results, n_tested=sum(len(fit.test) for fit in fits)),
    )


@dataclass(frozen=True)
class FoldModel:
    """A model of a cross-validation, kept.

    Attributes
    ----------
    fold, seed
        Which fit it is of.
    directory
        Where it is; `affetto.models.estimator.load_estimator` reads it.
    test
        Clips that it has not been fitted on and was tested with.
    """

    fold: int
    seed: int
    directory: Path
    test: tuple[str, ...]


def fold_models(
    specification: ModelSpecification,
    features: FeatureSet,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    *,
    experiment: ExperimentParameters,
    store: ResultStore,
    models: Path,
) -> list[FoldModel]:
    """Find the models that `cross_validate` kept of the same data and parameters.

    Parameters
    ----------
    specification, features, clips, folds, experiment, store, models
        As `cross_validate` had them.

    Returns
    -------
    list of FoldModel
        One a seed and fold.

    Raises
    ------
    AffettoError
        When one of them is missing.
    """
    table = _labelled(features, clips, folds)
    chosen = features.select(list(table["clip_id"]))
    found = []
    for fit in plan_fits(specification, chosen, table, experiment, store, models):
        if fit.directory is None or fit.result() is None:
            raise AffettoError(
                f"The model {specification.estimator} of fold {fit.fold} is not kept in {models}, because "
                "<side>.emotion.experiment.keep_models was false or it was fitted by other code or on other "
                "data: run the pipeline of its side again."
            )
        test = tuple(chosen.clip_ids[i] for i in fit.test)
        found.append(FoldModel(fit.fold, fit.seed, fit.directory, test))
    return found


def fit_on_everything(
    specification: ModelSpecification,
    features: FeatureSet,
    clips: pd.DataFrame,
    *,
    temperature: float,
    executor: ExecutorParameters,
    store: ResultStore,
    models: Path,
    description: str,
    learnt_from: Mapping[str, Any] | None = None,
    copies: Mapping[str, FeatureSet] | None = None,
) -> Path:
    """Fit the model that is deployed, on all labelled clips.

    Parameters
    ----------
    specification, features, clips, store, models, copies
        As for `cross_validate`; a model that is there, also as the branch of another, is not fitted again.
    temperature
        Calibration found on out-of-fold predictions (Guo et al., ICML 2017).
    learnt_from
        What the model says of its training clips in its answers (`Estimator.learnt_from_`), JSON values.
    executor
        Where the fit runs.
    description
        Label of the progress bar.

    Returns
    -------
    Path
        Folder of the fitted model.
    """
    table = clips[clips["emotion"].notna() & clips["clip_id"].isin(features.clip_ids)].sort_values("clip_id")
    fit = FoldFit(
        specification,
        features.select(list(table["clip_id"])),
        tuple(table["emotion"]),
        tuple(table["group"]),
        train=tuple(range(len(table))),
        test=(),
        fold=ALWAYS_TRAINING,
        seed=0,
        store=store,
        models=models,
        copies=copies or {},
    )
    _run([fit], executor, description)
    fitted = models / fingerprint(fit.key())
    key = {
        "what": "calibrated model",
        "fit": fitted.name,
        "temperature": round(temperature, 6),
        "learnt_from": learnt_from or {},
    }
    directory = models / fingerprint(key)
    if not holds_model(directory):
        copy_calibrated(fitted, directory, temperature, learnt_from or {})
    return directory


def predict_clips(directory: Path, features: FeatureSet) -> pd.DataFrame:
    """Apply a fitted model to clips.

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


def _labelled(features: FeatureSet, clips: pd.DataFrame, folds: pd.DataFrame) -> pd.DataFrame:
    table = folds.merge(clips[["clip_id", "emotion", "group"]], on="clip_id", validate="one_to_one")
    # By clip_id, as in `fit_on_everything`: the order of a table must change no shuffle and no sum.
    return table[table["clip_id"].isin(features.clip_ids)].sort_values("clip_id", ignore_index=True)


def _run(fits: list[FoldFit], executor: ExecutorParameters, description: str) -> list[dict[str, Any]]:
    missing = [fit for fit in fits if fit.result() is None]
    if missing:
        units = [1] * len(missing)
        map_shards(FoldFit.run, missing, executor, description=description, total_units=units, unit="fit")
    return [_stored(fit) for fit in fits]


def _stored(fit: FoldFit) -> dict[str, Any]:
    result = fit.result()
    if result is None:
        raise AffettoError(f"The result of fold {fit.fold} vanished from {fit.store.root}: run again.")
    return result


def _prediction_rows(fit: FoldFit, result: Mapping[str, Any]) -> pd.DataFrame:
    classes = sorted(set(fit.labels))
    probabilities = pd.DataFrame(result["probabilities"], columns=result["classes"])
    probabilities = probabilities.reindex(columns=classes, fill_value=0.0)
    rows = pd.DataFrame(
        {
            "clip_id": [fit.features.clip_ids[i] for i in fit.test],
            "group": [fit.groups[i] for i in fit.test],
            "fold": fit.fold,
            "seed": fit.seed,
            "label": [fit.labels[i] for i in fit.test],
            "predicted": np.array(classes)[probabilities.to_numpy().argmax(axis=1)],
        }
    )
    return pd.concat([rows, probabilities.add_prefix("p_")], axis=1)


def _history_rows(fit: FoldFit, result: Mapping[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([{"fold": fit.fold, "seed": fit.seed, **epoch} for epoch in result["history"]])


def _attention_rows(fit: FoldFit, result: Mapping[str, Any]) -> pd.DataFrame:
    steps = result["attention_steps"]
    if not len(steps):
        return pd.DataFrame()
    ends = np.cumsum(steps)[:-1]
    return pd.DataFrame(
        {
            "clip_id": [fit.features.clip_ids[i] for i in fit.test],
            "times": np.split(result["attention_times"], ends),
            "weights": np.split(result["attention"], ends),
        }
    )


def _concat(frames: Any, columns: Sequence[str] = ("fold", "seed", "epoch")) -> pd.DataFrame:
    kept = [frame for frame in frames if len(frame)]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=list(columns))


def _cost(results: Sequence[Mapping[str, Any]], *, n_tested: int) -> dict[str, float]:
    return {
        "fit_seconds": float(np.mean([result["fit_seconds"] for result in results])),
        "predict_ms_per_clip": 1000 * sum(result["predict_seconds"] for result in results) / n_tested,
        "n_parameters": float(np.mean([result["n_parameters"] for result in results])),
    }
