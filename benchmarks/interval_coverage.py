"""How often 95 % intervals of the UAR hold its true value when few groups (speakers, artists) were tested.

    python benchmarks/interval_coverage.py [--repeats 2000]

Worlds have groups of unequal size, mixture of classes and difficulty; the truth is the UAR over very many
groups. Every method sees the same draws. Figures depend on the seed alone, not on the machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import expit, logit

from affetto.evaluation.uncertainty import share_interval, signed_interval

GROUPS = (2, 3, 4, 6, 8, 10, 20, 30)
N_RESAMPLES = 500
TAIL = 0.025
Ends = tuple[float, float]


@dataclass(frozen=True)
class World:
    """A population of groups.

    Attributes
    ----------
    n_classes, skill
        Number of classes; logit of the chance that a clip is told correctly, mean over classes.
    group_sd
        How much groups differ in it, logits; their classes differ by half as much again.
    clips, clips_sd
        Median number of clips of a group, and the standard deviation of its logarithm.
    """

    n_classes: int
    skill: float
    group_sd: float
    clips: float = 50.0
    clips_sd: float = 0.6

    def chances(self, rng: np.random.Generator, n_groups: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw groups: expected clips and chance of each class, both [n_groups, n_classes]."""
        skill = self.skill + np.random.default_rng(0).normal(0, 0.5, self.n_classes)
        sizes = np.maximum(2 * self.n_classes, self.clips * np.exp(rng.normal(0, self.clips_sd, n_groups)))
        expected = sizes[:, np.newaxis] * rng.dirichlet(np.full(self.n_classes, 5.0), n_groups)
        own = rng.normal(0, self.group_sd, (n_groups, 1))
        own = own + rng.normal(0, self.group_sd / 2, (n_groups, self.n_classes))
        return expected, expit(skill + own)

    def sizes(self, rng: np.random.Generator, expected: np.ndarray) -> np.ndarray:
        """Draw the clips of each group and class; no group is empty."""
        drawn = rng.poisson(expected)
        drawn[drawn.sum(axis=1) == 0, 0] = 1
        return drawn

    def truth(self) -> float:
        """UAR over very many groups."""
        expected, chance = self.chances(np.random.default_rng(1), 200_000)
        return float(((expected * chance).sum(axis=0) / expected.sum(axis=0)).mean())


WORLDS = (
    World(7, 1.6, 0.5),
    World(4, 1.0, 0.7, clips=20),
    World(5, 3.6, 1.0),
    World(4, 0.0, 0.5, clips_sd=1.0),
    World(7, 4.5, 0.8, clips=40),
)


def uar(hits: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """UAR over the classes that have clips, of counts [..., n_classes]."""
    present = sizes > 0
    recalls = np.where(present, hits / np.where(present, sizes, 1), 0.0)
    return recalls.sum(axis=-1) / present.sum(axis=-1)


def with_and_without(hits: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """UAR of all groups, then without each of them, [1 + n_groups]."""
    totals = [each.sum(axis=0, keepdims=True) for each in (hits, sizes)]
    return uar(
        *(np.concatenate([total, total - each]) for total, each in zip(totals, (hits, sizes), strict=True))
    )


def effective_clips(sizes: np.ndarray) -> float:
    """Independent clips of equally frequent classes that would tell as much."""
    present = sizes.sum(axis=0)[sizes.sum(axis=0) > 0]
    return float(len(present) ** 2 / (1 / present).sum())


def intervals(hits: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> dict[str, Ends]:
    """Return the interval of every method."""
    n_groups = len(hits)
    scores = with_and_without(hits, sizes)
    value, left_out = float(scores[0]), scores[1:]
    error = float(np.sqrt((n_groups - 1) * left_out.var()))
    t = stats.t.ppf(1 - TAIL, n_groups - 1)
    weights = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), N_RESAMPLES).astype(float)
    drawn_hits, drawn_sizes = weights @ hits, weights @ sizes
    drawn = uar(drawn_hits, drawn_sizes)
    on_logits = (value, value)
    if 0 < value < 1:
        reach = t * error / (value * (1 - value))
        on_logits = tuple(expit([logit(value) - reach, logit(value) + reach]))
    return {
        "this project's": share_interval(scores, n_clips=effective_clips(sizes), confidence=1 - 2 * TAIL),
        "percentile": tuple(np.quantile(drawn, [TAIL, 1 - TAIL])),
        "BCa": tuple(np.quantile(drawn, _accelerated(drawn, value, left_out))),
        "studentised": _studentised(hits, sizes, weights, drawn_hits, drawn_sizes, value),
        "jackknife t": (max(0.0, value - t * error), min(1.0, value + t * error)),
        "t on logits": on_logits,
    }


def _accelerated(drawn: np.ndarray, value: float, left_out: np.ndarray) -> np.ndarray:
    """Levels of the bias-corrected and accelerated bootstrap (Efron & Tibshirani 1993, sect. 14.3)."""
    below = ((drawn < value).mean() + (drawn <= value).mean()) / 2
    bias = stats.norm.ppf(np.clip(below, 1 / len(drawn), 1 - 1 / len(drawn)))
    apart = left_out.mean() - left_out
    spread = 6 * (apart**2).sum() ** 1.5
    acceleration = (apart**3).sum() / spread if spread > 0 else 0.0
    moved = bias + stats.norm.ppf([TAIL, 1 - TAIL])
    return stats.norm.cdf(bias + moved / (1 - acceleration * moved))


def _studentised(
    hits: np.ndarray,
    sizes: np.ndarray,
    weights: np.ndarray,
    drawn_hits: np.ndarray,
    drawn_sizes: np.ndarray,
    value: float,
) -> Ends:
    """Bootstrap t (Efron & Tibshirani 1993, sect. 12.5) with linearised standard errors."""

    def errors(weights: np.ndarray, hits_of: np.ndarray, sizes_of: np.ndarray) -> np.ndarray:
        known = np.where(sizes_of > 0, sizes_of, 1.0)
        recalls = hits_of / known
        influence = ((hits - recalls[:, np.newaxis] * sizes) / known[:, np.newaxis]).mean(axis=-1)
        return np.sqrt(len(hits) / (len(hits) - 1) * (weights * influence**2).sum(axis=1))

    own = float(errors(np.ones((1, len(hits))), hits.sum(0, keepdims=True), sizes.sum(0, keepdims=True))[0])
    theirs = errors(weights, drawn_hits, drawn_sizes)
    usable = theirs > 1e-9
    if own == 0 or usable.sum() < 10:
        return value, value
    low, high = np.quantile((uar(drawn_hits, drawn_sizes)[usable] - value) / theirs[usable], [TAIL, 1 - TAIL])
    return max(0.0, value - high * own), min(1.0, value - low * own)


def differences(
    pairs: list[tuple[np.ndarray, np.ndarray]], sizes: np.ndarray, rng: np.random.Generator
) -> dict[str, Ends]:
    """Return the interval of the difference of two models by both methods."""
    (first, second), n_groups = pairs, len(sizes)
    scores = with_and_without(first, sizes) - with_and_without(second, sizes)
    weights = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), N_RESAMPLES).astype(float)
    drawn = uar(weights @ first, weights @ sizes) - uar(weights @ second, weights @ sizes)
    return {
        "this project's": signed_interval(scores, n_clips=effective_clips(sizes), confidence=1 - 2 * TAIL),
        "percentile": tuple(np.quantile(drawn, [TAIL, 1 - TAIL])),
    }


def of_scores(world: World, n_groups: int, rng: np.random.Generator) -> dict[str, Ends]:
    """Draw groups and a model's answers to them."""
    expected, chance = world.chances(rng, n_groups)
    sizes = world.sizes(rng, expected)
    return intervals(rng.binomial(sizes, chance).astype(float), sizes.astype(float), rng)


def of_differences(world: World, n_groups: int, rng: np.random.Generator) -> dict[str, Ends]:
    """Draw groups and the answers of two models that are as good, each with groups that suit it."""
    expected, chance = world.chances(rng, n_groups)
    sizes = world.sizes(rng, expected)
    models = [
        rng.binomial(sizes, expit(logit(chance) + rng.normal(0, 0.4, (n_groups, 1)))).astype(float)
        for _ in range(2)
    ]
    return differences(models, sizes.astype(float), rng)


def table(
    title: str,
    draw: Callable[[World, int, np.random.Generator], dict[str, Ends]],
    truths: list[float],
    repeats: int,
) -> None:
    """Print for each number of groups how often intervals hold the truth, and how wide they are."""
    print(f"\n{title}: least to greatest coverage over {len(WORLDS)} worlds, %; mean width")
    for n_groups in GROUPS:
        held: dict[str, list[float]] = {}
        widths: dict[str, list[float]] = {}
        for number, (world, truth) in enumerate(zip(WORLDS, truths, strict=True)):
            rng = np.random.default_rng([number, n_groups])
            found = [draw(world, n_groups, rng) for _ in range(repeats)]
            for name in found[0]:
                ends = np.array([each[name] for each in found])
                inside = (ends[:, 0] - 1e-12 <= truth) & (truth <= ends[:, 1] + 1e-12)
                held.setdefault(name, []).append(100 * float(inside.mean()))
                widths.setdefault(name, []).append(float((ends[:, 1] - ends[:, 0]).mean()))
        cells = (
            f"{name} {min(held[name]):.0f}–{max(held[name]):.0f}; {np.mean(widths[name]):.2f}"
            for name in held
        )
        print(f"{n_groups:>3} groups   {'   '.join(cells)}", flush=True)


def main() -> None:
    """Simulate both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2_000)
    repeats = parser.parse_args().repeats
    table("UAR", of_scores, [world.truth() for world in WORLDS], repeats)
    table("Difference of two models", of_differences, [0.0] * len(WORLDS), repeats)


if __name__ == "__main__":
    main()
