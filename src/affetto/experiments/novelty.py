"""Novelty: whether models tell what they cannot know from the speech that they were tested with.

What a model cannot know (called strangers in tables and parameters) are other recordings, noise, fragments,
or clips of emotions that it never had. A model has two ways to say that a clip is strange to it: the distance
from all that it has learnt (`novelty`), and the smallness of its largest probability (`doubt`). The AUROC is
how often a stranger gets a greater value than a held-out clip: 1 tells them all, 0.5 is chance.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from affetto.audio.conditions import AnyCondition, Excerpt
from affetto.corpora.sources.files import find_recordings
from affetto.evaluation.parameters import EvaluationParameters, Stranger, StrangeRecordings
from affetto.evaluation.uncertainty import share_interval
from affetto.experiments.cross_validate import FoldModel
from affetto.experiments.probes import Experiment, lot, subset, tested_clips
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.extract import clip_keys
from affetto.features.table import parse_description
from affetto.io.paths import absolute

MEASURES = ("novelty", "doubt")
STRANGER_COLUMNS = (
    "strangers",
    "model",
    "role",
    *(f"auroc_{measure}{end}" for measure in MEASURES for end in ("", "_ci_low", "_ci_high")),
    "n_strangers",
    "n_held_out",
    "note",
)
_HELD_OUT = "held out"  # no name of strangers has a space
_MOST_UNITS = 200
_LOGGER = logging.getLogger(__name__)

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Strangers:
    """Strangers of one kind.

    Attributes
    ----------
    features
        Of all of them; None: there are none.
    reason
        Why there are none.
    from_elsewhere
        Whether they are recordings of other groups, which every model predicts; else each model predicts
        those of the groups that it was tested with.
    """

    features: FeatureSet | None
    reason: str = ""
    from_elsewhere: bool = False


def measure_novelty(experiment: Experiment, evaluation: EvaluationParameters) -> pd.DataFrame | str:
    """Let the models of all folds predict strangers beside the clips that they were tested with.

    Returns
    -------
    DataFrame
        `STRANGER_COLUMNS`, a row for each kind of strangers and model; or why nothing was measured.
    """
    chosen = {name: kind for name, kind in evaluation.strangers.items() if kind is not None}
    if not chosen:
        return "evaluation.strangers names none"
    most = evaluation.robustness.max_clips_per_fold
    found = {name: _find(name, kind, most, experiment) for name, kind in chosen.items()}
    groups = dict(experiment.clips["group"])
    predicted = experiment.predict(_predicted_clips(experiment, found, groups), "strangers")
    scored = {each: _with_doubt(table, groups) for each, table in predicted.items()}
    rows = []
    for kind, strangers in found.items():
        for name, specification in experiment.models.items():
            row: dict[str, Any] = {"strangers": kind, "model": name, "role": specification.role}
            if (name, kind) in scored:
                both = scored[name, kind], scored[name, _HELD_OUT]
                row |= stranger_row(*both, evaluation, same_groups=not strangers.from_elsewhere)
            else:
                row |= unknown_strangers(strangers.reason or "none of them could be heard")
            rows.append(row)
    return pd.DataFrame(rows, columns=list(STRANGER_COLUMNS))


def _predicted_clips(
    experiment: Experiment, found: Mapping[str, _Strangers], groups: Mapping[str, str]
) -> Iterator[tuple[str, str, FoldModel, FeatureSet]]:
    for name, specification in experiment.models.items():
        own = subset(experiment.all_features, specification.features)
        for fold in experiment.fold_models[name]:
            yield name, _HELD_OUT, fold, tested_clips(fold, own)
            for kind, strangers in found.items():
                if strangers.features is not None:
                    clips = subset(strangers.features, specification.features)
                    if not strangers.from_elsewhere:
                        clips = _of_tested_groups(fold, clips, groups)
                    yield name, kind, fold, clips


def _of_tested_groups(model: FoldModel, features: FeatureSet, groups: Mapping[str, str]) -> FeatureSet:
    tested = {groups[clip_id] for clip_id in model.test}
    return features.select([clip_id for clip_id in features.clip_ids if groups[clip_id] in tested])


def _with_doubt(predicted: pd.DataFrame, groups: Mapping[str, str]) -> pd.DataFrame:
    """Add groups and doubt; a strange recording is a group of its own."""
    group = [groups.get(clip_id, clip_id) for clip_id in predicted["clip_id"]]
    return predicted.assign(group=group, doubt=1.0 - predicted["probability"])


def _find(name: str, kind: Stranger, most: int | None, experiment: Experiment) -> _Strangers:
    """Find the strangers of a kind; excerpts and noise are made of the clips that robustness takes."""
    features = experiment.all_features
    if isinstance(kind, AnyCondition):
        changed = features.select(experiment.changed_clips(most))
        return _Strangers(_in_condition(experiment, kind, changed, name))
    if isinstance(kind, StrangeRecordings):
        return _find_recordings(name, kind, experiment)
    emotions = experiment.clips.loc[list(features.clip_ids), "emotion"]
    unlabelled = set(emotions.index[emotions.isna()])
    if not unlabelled:
        return _Strangers(None, "the corpus has no unlabelled clip")
    ids = [clip_id for clip_id in experiment.clips.index if clip_id in unlabelled]
    return _Strangers(features.select(ids), "no tested group has an unlabelled clip")


def _find_recordings(name: str, kind: StrangeRecordings, experiment: Experiment) -> _Strangers:
    root = absolute(kind.folder)
    if not root.is_dir():
        reason = f"there is no folder {kind.folder}"
        _LOGGER.warning("The strangers %s are left out: %s.", name, reason)
        return _Strangers(None, reason)
    paths = sorted((path.relative_to(root).as_posix() for path in find_recordings(root)), key=lot)
    paths = sorted(paths[: kind.max_clips])
    if not paths:
        return _Strangers(None, f"the folder {kind.folder} holds no recording")
    table = pd.DataFrame({"clip_id": [f"{name}/{path}" for path in paths], "path": paths})
    wanted = FeatureSet(
        {
            each: _described(feature, table, clip_keys(table, root, parse_description(feature.parameters)))
            for each, feature in experiment.all_features.items()
        }
    )
    excerpt = Excerpt(seconds=kind.seconds, of="recording")
    others = replace(experiment.recordings, clips=table, root=root, other_roots={})
    elsewhere = replace(experiment, recordings=others)
    return _Strangers(_in_condition(elsewhere, excerpt, wanted, name), from_elsewhere=True)


def _in_condition(
    experiment: Experiment, condition: AnyCondition, features: FeatureSet, name: str
) -> FeatureSet:
    return experiment.recordings.in_condition(condition, features, experiment.executor, f"strangers, {name}")


def _described(feature: ClipFeatures, table: pd.DataFrame, keys: np.ndarray) -> ClipFeatures:
    """Return the feature, as yet without values, of other clips."""
    zeros = np.zeros(len(table), dtype=np.int32)
    return replace(
        feature,
        clip_ids=tuple(table["clip_id"]),
        n_frames=zeros.astype(np.int64),
        keys=keys,
        containers=(),
        container=zeros,
        place=zeros,
    )


def stranger_row(
    strangers: pd.DataFrame, held_out: pd.DataFrame, parameters: EvaluationParameters, *, same_groups: bool
) -> dict[str, Any]:
    """Score how well a model tells strangers from held-out clips.

    Parameters
    ----------
    strangers, held_out
        A row a clip and model of a fold: `clip_id, group, seed, novelty, doubt`; NaN where a model does not
        tell it. The folds of a seed are pooled, scores of seeds averaged.
    parameters
        How intervals are made.
    same_groups
        Whether strangers are of the groups of the held-out clips, which are then drawn together.

    Returns
    -------
    dict
        `auroc_novelty`, `auroc_doubt`, with `_ci_low` and `_ci_high` (jackknife), `n_strangers`,
        `n_held_out` and an empty `note`. NaN where a model has no such value, intervals also where there is
        one group.
    """
    found: dict[str, Any] = {}
    for measure in MEASURES:
        value, low, high = _auroc(strangers, held_out, measure, parameters, same_groups=same_groups)
        name = f"auroc_{measure}"
        found |= {name: value, f"{name}_ci_low": low, f"{name}_ci_high": high}
    sizes = {"n_strangers": strangers["clip_id"].nunique(), "n_held_out": held_out["clip_id"].nunique()}
    return {**found, **sizes, "note": ""}


def unknown_strangers(note: str) -> dict[str, Any]:
    """Return the scores of strangers that there are none of, with the reason."""
    unknown = {name: math.nan for name in STRANGER_COLUMNS if name.startswith("auroc_")}
    return {**unknown, "n_strangers": 0, "n_held_out": 0, "note": note}


def stranger_metrics(table: pd.DataFrame, model: str) -> dict[str, float]:
    """Return what is tracked of a model: AUROC `strangers_<kind>_novelty` and `strangers_<kind>_doubt`."""
    rows = table[table["model"] == model]
    found = {
        f"strangers_{row['strangers']}_{measure}": float(row[f"auroc_{measure}"])
        for _, row in rows.iterrows()
        for measure in MEASURES
    }
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _auroc(
    strangers: pd.DataFrame,
    held_out: pd.DataFrame,
    measure: str,
    evaluation: EvaluationParameters,
    *,
    same_groups: bool,
) -> tuple[float, float, float]:
    """Return the AUROC, mean over seeds, and its interval; NaN where nothing is known."""
    first, second = (table[table[measure].notna()] for table in (strangers, held_out))
    if first.empty or second.empty:
        return math.nan, math.nan, math.nan
    units = _units(pd.concat([first["group"], second["group"]]) if same_groups else second["group"])
    own = units if same_groups else _units(first["group"])
    pairs = np.stack(
        [
            _count_pairs(first[first["seed"] == seed], second[second["seed"] == seed], measure, own, units)
            for seed in sorted(set(second["seed"]))
        ],
        axis=1,
    )
    samples = []
    for won, total in _with_and_without(pairs, same_groups=same_groups):
        shares = np.divide(won, total, out=np.full(won.shape, np.nan), where=total > 0)
        samples.append(np.asarray(shares.mean(axis=0)))
    n_clips = min(first["clip_id"].nunique(), second["clip_id"].nunique())
    interval = share_interval(*samples, n_clips=n_clips, confidence=evaluation.confidence)
    return float(samples[0][0]), interval.low, interval.high


def _units(groups: pd.Series[Any]) -> dict[str, int]:
    """Deal groups to the units that are left out: each its own, as long as they are not too many."""
    return {name: i % _MOST_UNITS for i, name in enumerate(sorted(set(groups)))}


def _count_pairs(
    strangers: pd.DataFrame,
    held_out: pd.DataFrame,
    measure: str,
    own: Mapping[str, int],
    units: Mapping[str, int],
) -> Array:
    """Count pairs of a stranger and a held-out clip of one seed, by the units that they are of.

    Returns
    -------
    ndarray
        Shape [2, n_own, n_units]: pairs in which the stranger has the greater value, ties half; all pairs.
    """
    n_own, n_units = max(own.values()) + 1, max(units.values()) + 1
    values, usual = strangers[measure].to_numpy(), held_out[measure].to_numpy()
    codes, of_usual = (
        np.array([unit[name] for name in table["group"]], dtype=np.int64)
        for table, unit in ((strangers, own), (held_out, units))
    )
    won = np.zeros((n_own, n_units))
    for unit in range(n_units):
        ordered = np.sort(usual[of_usual == unit])
        beaten = (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2
        won[:, unit] = np.bincount(codes, weights=beaten, minlength=n_own)
    sizes = np.bincount(codes, minlength=n_own), np.bincount(of_usual, minlength=n_units)
    return np.stack([won, np.outer(*sizes)])


def _with_and_without(pairs: Array, *, same_groups: bool) -> list[Array]:
    """Sum pairs [..., n_own, n_units] over all units, then over all but each, [..., 1 + n].

    Strangers of the same groups as the held-out clips are left out together with them; else there are two
    independent samples, first the strangers', then the held-out clips'.
    """
    total = pairs.sum(axis=(-2, -1))[..., np.newaxis]
    rows, columns = pairs.sum(axis=-1), pairs.sum(axis=-2)
    both = rows + columns - np.diagonal(pairs, axis1=-2, axis2=-1) if same_groups else None
    left_out = [rows, columns] if both is None else [both]
    return [np.concatenate([total, total - each], axis=-1) for each in left_out]
