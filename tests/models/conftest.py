"""Clips whose features all tell the class, so that every model can learn it from what it reads."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from affetto.features.clip_features import ClipFeatures, FeatureSet

HOPS_S = {"mfcc": 512 / 22_050, "midterm": 0.8, "log_mel": 0.016, "lld": 0.010}
CLASSES = ("anger", "joy", "sad")


def _features(**arrays: Any) -> FeatureSet:
    found = {}
    for name, values in arrays.items():
        ids = [f"toy/{i}" for i in range(len(values))]
        found[name] = ClipFeatures.from_arrays(name, ids, list(values), hop_s=HOPS_S.get(name))
    return FeatureSet(found)


@pytest.fixture(scope="session")
def features() -> Callable[..., FeatureSet]:
    """Return what makes a feature set of arrays by the names of features; the usual ones have frames."""
    return _features


@pytest.fixture(scope="session")
def toy() -> Callable[..., tuple[FeatureSet, list[str], list[str]]]:
    """Return what makes features, classes and groups of clips of three classes in turn."""

    def make(n: int = 48, *, seed: int = 0) -> tuple[FeatureSet, list[str], list[str]]:
        rng = np.random.default_rng(seed)
        kinds = np.arange(n) % 3
        seconds = rng.uniform(0.7, 1.5, n)

        def frames(hop_s: float, size: int, step: float) -> list[np.ndarray]:
            counts = np.maximum(1, (seconds / hop_s).astype(int))
            own = step * np.eye(3, size)[kinds]
            return [rng.normal(size=(count, size)) + row for count, row in zip(counts, own, strict=True)]

        log_mel = [3 * clip - 50 for clip in frames(0.016, 16, 0.0)]
        for clip, kind in zip(log_mel, kinds, strict=True):
            clip[::2, 1 + 5 * kind : 5 + 5 * kind] += 20
        vectors = rng.normal(size=(n, 20)) + 3 * np.eye(3, 20)[kinds]
        x = _features(
            mfcc=frames(512 / 22_050, 4, 1.0),
            midterm=frames(0.8, 3, 2.0),
            log_mel=log_mel,
            lld=frames(0.010, 5, 2.0),
            functionals=vectors * 10 ** np.linspace(-3, 3, 20),
            correlations=np.tanh(rng.normal(size=(n, 10)) + np.eye(3, 10)[kinds]),
        )
        return x, [CLASSES[kind] for kind in kinds], [f"g{i // 6}" for i in range(n)]

    return make
