"""Whether models tell what they cannot know: strangers among the speech that they were tested with.

A model has two ways to say that a clip is strange to it: the distance from all that it has learnt
(`novelty`), and the smallness of its largest probability (`doubt`). The AUROC is how often a stranger gets a
greater value than a held-out clip: 1 tells them all, 0.5 is chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.report_tables import ReportTable
from affetto.evaluation.significance import share_interval
from affetto.evaluation.wording import MISSING, score

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
_MOST_UNITS = 200
_NOTE = (
    "AUROC of what a model cannot know against the clips that its folds held out: by its novelty, where it "
    "learnt one, and by its doubt (1 − its largest probability). 1: every stranger is told, 0.5: chance. "
    "Intervals are over groups of held-out clips and over strange recordings."
)

Array = npt.NDArray[np.float64]


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
        `n_held_out` and an empty `note`. NaN where nothing is told, intervals also where there is one group.
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


def stranger_tables(table: pd.DataFrame) -> list[ReportTable]:
    """Write for the report how well models tell strangers; nothing when it was not measured."""
    if table.empty:
        return []
    columns = [
        (model, measure)
        for model in dict.fromkeys(table["model"])
        for measure in MEASURES
        if table.loc[table["model"] == model, f"auroc_{measure}"].notna().any()
    ]
    rows = []
    for kind, of_kind in table.groupby("strangers", sort=False):
        by_model = {row["model"]: row for _, row in of_kind.iterrows()}
        cells = (_cell(by_model.get(model), measure) for model, measure in columns)
        rows.append((str(kind).replace("_", " "), str(of_kind["n_strangers"].max()), *cells))
    missing = table.loc[table["n_strangers"] == 0, ["strangers", "note"]].drop_duplicates()
    notes = [f"{str(row.strangers).replace('_', ' ')}: {row.note}." for row in missing.itertuples()]
    header = ("Strangers", "Clips", *(f"{model}: {measure}" for model, measure in columns))
    return [ReportTable("strangers", "Strangers", " ".join([_NOTE, *notes]), header, tuple(rows))]


def _cell(row: pd.Series[Any] | None, measure: str) -> str:
    return MISSING if row is None else score(row, f"auroc_{measure}")


def _auroc(
    strangers: pd.DataFrame,
    held_out: pd.DataFrame,
    measure: str,
    parameters: EvaluationParameters,
    *,
    same_groups: bool,
) -> tuple[float, float, float]:
    """Return the AUROC and the ends of its interval."""
    first, second = (table[table[measure].notna()] for table in (strangers, held_out))
    if first.empty or second.empty:
        return math.nan, math.nan, math.nan
    units = _units(second["group"])
    own = units if same_groups else _units(first["group"])
    pairs = [
        _Pairs.count(first[first["seed"] == seed], second[second["seed"] == seed], measure, own, units)
        for seed in sorted(set(second["seed"]))
    ]
    own_weights, weights = _without_each(_n(own)), _without_each(_n(units))
    if same_groups:
        samples = [_mean_auroc(pairs, weights, weights)]
    else:
        samples = [
            _mean_auroc(pairs, own_weights, np.ones((len(own_weights), weights.shape[1]))),
            _mean_auroc(pairs, np.ones((len(weights), own_weights.shape[1])), weights),
        ]
    n_clips = min(first["clip_id"].nunique(), second["clip_id"].nunique())
    interval = share_interval(*samples, n_clips=n_clips, confidence=parameters.confidence)
    return float(samples[0][0]), interval.low, interval.high


def _without_each(n_units: int) -> Array:
    """Weights of all units, then of all but each, [1 + n_units, n_units]."""
    return np.concatenate([np.ones((1, n_units)), 1 - np.eye(n_units)])


def _units(groups: pd.Series[Any]) -> dict[str, int]:
    """Deal groups to the units that are drawn: each its own, as long as they are not too many."""
    return {name: i % _MOST_UNITS for i, name in enumerate(sorted(set(groups)))}


def _n(units: dict[str, int]) -> int:
    return max(units.values()) + 1


def _codes(table: pd.DataFrame, units: dict[str, int]) -> npt.NDArray[np.int64]:
    return np.array([units[name] for name in table["group"]], dtype=np.int64)


@dataclass(frozen=True)
class _Pairs:
    """Pairs of a stranger and a held-out clip of one seed, by the units that they are of.

    Attributes
    ----------
    won
        Pairs in which the stranger has the greater value, ties half, [n_own, n_units].
    own_sizes, sizes
        Strangers and held-out clips of each unit, [n_own] and [n_units].
    """

    won: Array
    own_sizes: Array
    sizes: Array

    @classmethod
    def count(
        cls,
        strangers: pd.DataFrame,
        held_out: pd.DataFrame,
        measure: str,
        own: dict[str, int],
        units: dict[str, int],
    ) -> Self:
        values, theirs = strangers[measure].to_numpy(), held_out[measure].to_numpy()
        codes, of_theirs = _codes(strangers, own), _codes(held_out, units)
        won = np.zeros((_n(own), _n(units)))
        for unit in range(won.shape[1]):
            usual = np.sort(theirs[of_theirs == unit])
            beaten = (np.searchsorted(usual, values, "left") + np.searchsorted(usual, values, "right")) / 2
            won[:, unit] = np.bincount(codes, weights=beaten, minlength=len(won))
        own_sizes, sizes = (
            np.bincount(each, minlength=n).astype(np.float64)
            for each, n in zip((codes, of_theirs), won.shape, strict=True)
        )
        return cls(won, own_sizes, sizes)


def _mean_auroc(pairs: Sequence[_Pairs], own_weights: Array, weights: Array) -> Array:
    """Return the AUROC with units weighted, mean over seeds; NaN where a resample has no stranger.

    Shapes: weights [n_resamples, n_own] and [n_resamples, n_units].
    """
    shares = []
    for each in pairs:
        won = ((own_weights @ each.won) * weights).sum(axis=1)
        total = (own_weights @ each.own_sizes) * (weights @ each.sizes)
        shares.append(np.divide(won, total, out=np.full(len(won), np.nan), where=total > 0))
    return np.asarray(np.mean(shares, axis=0))
