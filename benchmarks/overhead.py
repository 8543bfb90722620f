"""What index, audit and feature store add to the extraction itself."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from timing import heading, row

from affetto.audio.decode import read_audio
from affetto.corpora.audit import audit_corpora
from affetto.corpora.index import index_corpora
from affetto.corpora.parameters import AuditParameters, CorpusParameters
from affetto.features.extract import extract
from affetto.features.table import FeatureParameters
from affetto.io.cache import ResultStore
from affetto.io.workers import ExecutorParameters

CONFIGURATION = Path(__file__).resolve().parents[1] / "conf/base"
TARGET_PERCENT = 15
_ONE = ExecutorParameters(n_jobs=1, progress=False)


def print_overhead(root: Path, features: Mapping[str, FeatureParameters], side: str, *, repeat: int) -> None:
    """Print the shares of index, audit and store in the CPU time of the extraction.

    Parameters
    ----------
    root
        Folder that holds the recordings and nothing else.
    features
        What is extracted, by name.
    side
        `music` or `voice`.
    repeat
        The least of so many runs counts.
    """
    runs = [_measure(root, features, side) for _ in range(repeat)]
    least = {part: min(run[part] for run in runs) for part in runs[0]}
    alone = least.pop("extraction")
    least["store"] -= alone
    heading(f"index, audit and store beside the extraction of {', '.join(features)}, {side}, one core")
    row("extraction alone, each feature with its own decoding", alone, "s CPU")
    for part, seconds in least.items():
        row(part, 100 * seconds / alone, "% of it")
    row("index + audit + store", 100 * sum(least.values()) / alone, "% of it", at_most=TARGET_PERCENT)


def _measure(root: Path, features: Mapping[str, FeatureParameters], side: str) -> dict[str, float]:
    """Return the CPU time of each part; `store` still holds the extraction."""
    taxonomy = yaml.safe_load((CONFIGURATION / "taxonomy.yml").read_text())["taxonomy"]
    times: dict[str, float] = {}
    corpus = CorpusParameters(source="folders", root=root)
    with tempfile.TemporaryDirectory() as folder:
        clips = _timed(
            times,
            "index",
            lambda: index_corpora(corpus, taxonomy, side=side),
        )
        memo = ResultStore(Path(folder, "memo"))
        kept, _ = _timed(
            times, "audit", lambda: audit_corpora(clips, corpus, AuditParameters(), _ONE, store=memo)
        )
        _timed(times, "extraction", lambda: _extract(root, kept["path"], list(features.values())))
        _timed(times, "store", lambda: _fill(Path(folder), kept, root, features))
    return times


def _timed(times: dict[str, float], name: str, function: Callable[[], Any]) -> Any:
    started = time.process_time()
    result = function()
    times[name] = time.process_time() - started
    return result


def _extract(root: Path, paths: pd.Series, features: Sequence[FeatureParameters]) -> None:
    for parameters in features:
        for path in paths:
            samples, rate = read_audio(root / path, sample_rate_hz=parameters.rate_hz)
            parameters.extract(samples, rate)


def _fill(folder: Path, clips: pd.DataFrame, root: Path, features: Mapping[str, FeatureParameters]) -> None:
    extract(clips, root, features, folder, _ONE)
