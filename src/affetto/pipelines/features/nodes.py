"""Node of the feature extraction."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.features.clip_features import ClipFeatures
from affetto.features.extraction import ExtractionPlan, extract
from affetto.features.parameters import FeatureTable
from affetto.parallel import ExecutorParameters
from affetto.results import CacheParameters


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
    return {
        name: extract(
            ExtractionPlan(name, clips, corpus.root, features.named[name], executor, corpus.other_roots),
            cache.features / side / name,
        )
        for name in names
    }
