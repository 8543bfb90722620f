"""Node of the feature extraction."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.features.clip_features import ClipFeatures
from affetto.features.extract import extract
from affetto.features.table import FeatureTable
from affetto.io.cache import CacheParameters
from affetto.io.workers import ExecutorParameters


def extract_features(
    clips: pd.DataFrame,
    corpus: CorpusParameters,
    features: FeatureTable,
    executor: ExecutorParameters,
    cache: CacheParameters,
    *,
    side: str,
    names: Sequence[str],
) -> dict[str, ClipFeatures]:
    """Extract features of all clips of a side; what the feature stores hold is not computed again."""
    wanted = {name: features.named[name] for name in names}
    stores = cache.features / side
    found = extract(clips, corpus.root, wanted, stores, executor, other_roots=corpus.other_roots)
    return {name: each.features for name, each in found.items()}
