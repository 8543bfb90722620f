"""Novelty: whether models tell what they cannot know from the speech that they were tested with.

What a model cannot know (called strangers in tables and parameters) are other recordings, noise, fragments,
or clips of emotions that it never had. A model has two ways to say that a clip is strange to it: the distance
from all that it has learnt (`novelty`), and the smallness of its largest probability (`doubt`). The AUROC is
how often a stranger gets a greater value than a held-out clip: 1 tells them all, 0.5 is chance.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from affetto.audio.conditions import AnyCondition, Excerpt
from affetto.corpora.sources.files import find_recordings
from affetto.evaluation.parameters import EvaluationParameters, Stranger, StrangeRecordings
from affetto.evaluation.uncertainty import share_interval
from affetto.experiments.probes import Experiment, FoldModel, Row, lot
from affetto.features.clip_features import FeatureSet
from affetto.features.extract import clip_keys
from affetto.features.table import parse_description
from affetto.io.paths import absolute

_HELD_OUT = "held out"  # no name of strangers has a space
_MOST_UNITS = 200
_LOGGER = logging.getLogger(__name__)

Array = npt.NDArray[np.float64]


def measure_novelty(experiment: Experiment, evaluation: EvaluationParameters) -> list[Row] | str:
    """Let the models of all folds predict strangers beside the clips that they were tested with.

    Returns
    -------
    list of dict
        A row for each kind of strangers and model: `strangers, model, role` and what `stranger_row` returns;
        or why nothing was measured.
    """
    chosen = {name: kind for name, kind in evaluation.strangers.items() if kind is not None}
    if not chosen:
        return "evaluation.strangers names none"
    most = evaluation.robustness.max_clips_per_fold
    found = {name: _find(name, kind, most, experiment) for name, kind in chosen.items()}
    elsewhere = {name for name, kind in chosen.items() if isinstance(kind, StrangeRecordings)}
    groups = dict(experiment.labels["group"])
    predicted = experiment.predict(_changed_clips(experiment, found, elsewhere, groups), "strangers")
    for table in predicted.values():
        # A strange recording is a group of its own.
        table["group"] = [groups.get(clip_id, clip_id) for clip_id in table["clip_id"]]
        table["doubt"] = 1.0 - table["probability"]
    nothing = pd.DataFrame()
    rows = []
    for kind, strangers in found.items():
        for name, specification in experiment.models.items():
            scores = stranger_row(
                predicted.get((name, kind), nothing),
                predicted.get((name, _HELD_OUT), nothing),
                evaluation,
                same_groups=kind not in elsewhere,
                reason=strangers if isinstance(strangers, str) else "none of them could be heard",
            )
            rows.append({"strangers": kind, "model": name, "role": specification.role, **scores})
    return rows


def _changed_clips(
    experiment: Experiment,
    found: Mapping[str, FeatureSet | str],
    elsewhere: Container[str],
    groups: Mapping[str, str],
) -> Iterator[tuple[str, str, FoldModel, FeatureSet]]:
    """Yield what each model predicts: its test clips, and strangers from elsewhere or of its test groups."""
    for name, folds in experiment.fold_models.items():
        for fold in folds:
            yield name, _HELD_OUT, fold, fold.tested(experiment.all_features)
            tested = {groups[clip_id] for clip_id in fold.test}
            for kind, strangers in found.items():
                if not isinstance(strangers, str):
                    own = [each for each in strangers.clip_ids if kind in elsewhere or groups[each] in tested]
                    yield name, kind, fold, strangers.select(own)


def _find(name: str, kind: Stranger, most: int | None, experiment: Experiment) -> FeatureSet | str:
    """Find the strangers of a kind, or why there are none.

    Excerpts and noise are made of the clips that robustness takes.
    """
    if isinstance(kind, AnyCondition):
        return experiment.in_condition(kind, experiment.changed_clips(most), f"strangers, {name}")
    if isinstance(kind, StrangeRecordings):
        return _find_recordings(name, kind, experiment)
    features = experiment.all_features
    emotions = experiment.labels.loc[list(features.clip_ids), "emotion"]
    unlabelled = set(emotions.index[emotions.isna()])
    if not unlabelled:
        return "the corpus has no unlabelled clip"
    return features.select([clip_id for clip_id in experiment.labels.index if clip_id in unlabelled])


def _find_recordings(name: str, kind: StrangeRecordings, experiment: Experiment) -> FeatureSet | str:
    root = absolute(kind.folder)
    if not root.is_dir():
        reason = f"there is no folder {kind.folder}"
        _LOGGER.warning("The strangers %s are left out: %s.", name, reason)
        return reason
    paths = sorted((path.relative_to(root).as_posix() for path in find_recordings(root)), key=lot)
    paths = sorted(paths[: kind.max_clips])
    if not paths:
        return f"the folder {kind.folder} holds no recording"
    table = pd.DataFrame({"clip_id": [f"{name}/{path}" for path in paths], "path": paths})
    # The same features of these recordings, which have no values yet.
    zeros = np.zeros(len(table), dtype=np.int32)
    nothing: dict[str, Any] = {"n_frames": zeros.astype(np.int64), "containers": ()}
    nothing |= {"container": zeros, "place": zeros}
    wanted = {}
    for each, feature in experiment.all_features.items():
        keys = clip_keys(table, root, parse_description(feature.parameters))
        wanted[each] = replace(feature, clip_ids=tuple(table["clip_id"]), keys=keys, **nothing)
    elsewhere = replace(experiment, clips=table, root=root, other_roots={})
    excerpt = Excerpt(seconds=kind.seconds, of="recording")
    return elsewhere.in_condition(excerpt, FeatureSet(wanted), f"strangers, {name}")


def stranger_row(
    strangers: pd.DataFrame,
    held_out: pd.DataFrame,
    parameters: EvaluationParameters,
    *,
    same_groups: bool,
    reason: str = "",
) -> Row:
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
    reason
        Why there are no strangers, where there are none.

    Returns
    -------
    dict
        `auroc_novelty`, `auroc_doubt`, with `_ci_low` and `_ci_high` (jackknife), `n_strangers`,
        `n_held_out` and `note`. NaN where a model has no such value, intervals also where there is one group.
    """
    row: Row = {}
    for measure in ("novelty", "doubt"):
        ends = [f"auroc_{measure}{end}" for end in ("", "_ci_low", "_ci_high")]
        row |= dict.fromkeys(ends, math.nan)
        if len(strangers):
            found = _auroc(strangers, held_out, measure, parameters, same_groups=same_groups)
            row |= dict(zip(ends, found, strict=True))
    if strangers.empty:
        return {**row, "n_strangers": 0, "n_held_out": 0, "note": reason}
    sizes = {"n_strangers": strangers["clip_id"].nunique(), "n_held_out": held_out["clip_id"].nunique()}
    return {**row, **sizes, "note": ""}


def _auroc(
    strangers: pd.DataFrame,
    held_out: pd.DataFrame,
    measure: str,
    evaluation: EvaluationParameters,
    *,
    same_groups: bool,
) -> tuple[float, float, float]:
    """Return the AUROC, mean over seeds, and its interval; NaN where nothing is known.

    The jackknife leaves out a group of strangers together with the same group of held-out clips; strangers
    from elsewhere are an independent sample.
    """
    first, second = (table[table[measure].notna()] for table in (strangers, held_out))
    if first.empty or second.empty:
        return math.nan, math.nan, math.nan
    units = _units(pd.concat([first["group"], second["group"]]) if same_groups else second["group"])
    own = units if same_groups else _units(first["group"])
    by_seed = [
        _count_pairs(first[first["seed"] == seed], second[second["seed"] == seed], measure, own, units)
        for seed in sorted(set(second["seed"]))
    ]
    pairs = np.stack(by_seed, axis=1)  # [2, n_seeds, n_own, n_units]
    total = pairs.sum(axis=(-2, -1))[..., np.newaxis]
    left_out = [pairs.sum(axis=-1), pairs.sum(axis=-2)]
    if same_groups:
        left_out = [left_out[0] + left_out[1] - np.diagonal(pairs, axis1=-2, axis2=-1)]
    samples = []
    for each in left_out:
        won, counted = np.concatenate([total, total - each], axis=-1)
        shares = np.divide(won, counted, out=np.full(won.shape, np.nan), where=counted > 0)
        samples.append(np.asarray(shares.mean(axis=0)))
    n_clips = min(first["clip_id"].nunique(), second["clip_id"].nunique())
    low, high = share_interval(*samples, n_clips=n_clips, confidence=evaluation.confidence)
    return float(samples[0][0]), low, high


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
