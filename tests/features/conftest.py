import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile

from affetto.features.clip_features import KEY_DTYPE
from affetto.features.store import Description, FeatureStore, Plan

DESCRIPTION = Description(
    name="x", dimensions=("a", "b"), hop_s=0.01, parameters={"extractor": "x", "version": 1}
)


def make_signal(sample_rate_hz: int, seconds: float, seed: int = 0) -> np.ndarray:
    """A gliding tone with a pulsing second one and some noise, float32 [n]."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(sample_rate_hz * seconds)) / sample_rate_hz
    glide = 0.3 * np.sin(2 * np.pi * (150 + 20 * seed) * t * (1 + 0.1 * np.sin(t)))
    pulse = 0.2 * np.sin(2 * np.pi * 1330 * t) * (t % 0.5 < 0.1)
    return (glide + pulse + 0.01 * rng.standard_normal(len(t))).astype(np.float32)


@pytest.fixture(scope="session")
def signal():
    return make_signal


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Path]:
    """Thirty short recordings, clip table and root."""
    root = tmp_path_factory.mktemp("corpus")
    rows = []
    for i in range(30):
        soundfile.write(
            root / f"{i:02d}.wav", make_signal(16_000, 0.3 + 0.02 * i, seed=i), 16_000, subtype="FLOAT"
        )
        rows.append(
            {"clip_id": f"c/{i:02d}", "path": f"{i:02d}.wav", "content_hash": f"hash{i}", "start_s": np.nan}
        )
    return pd.DataFrame(rows).assign(end_s=np.nan, duration_s=0.5), root


def key_of(clip_id: str) -> str:
    return hashlib.blake2b(clip_id.encode(), digest_size=16).hexdigest()


def save_plan(store: FeatureStore, ids: list[str], reasons: dict[str, str] | None = None) -> None:
    """Make these clips the plan."""
    store.write_plan(Plan(ids, np.array([key_of(i) for i in ids], KEY_DTYPE), reasons or {}, DESCRIPTION))


def fill(store: FeatureStore, sizes: list[int], cut: int) -> tuple[list[str], list[np.ndarray]]:
    """Write clips of these numbers of frames in shards of `cut` clips, and a plan of all in order."""
    ids = [f"c/{i}" for i in range(len(sizes))]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(n, 2)).astype(np.float32) for n in sizes]
    for start in range(0, len(ids), cut):
        part = slice(start, start + cut)
        store.add(ids[part], [key_of(i) for i in ids[part]], arrays[part], DESCRIPTION)
    save_plan(store, ids)
    return ids, arrays


@pytest.fixture(scope="session")
def stores():
    """What fills a store without extracting anything."""
    return SimpleNamespace(DESCRIPTION=DESCRIPTION, key_of=key_of, save_plan=save_plan, fill=fill)
