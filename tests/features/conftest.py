from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile


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
