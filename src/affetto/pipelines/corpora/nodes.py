"""Nodes of the corpora and their features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from affetto.corpora.audit import audit_corpora
from affetto.corpora.audit_report import log_summary, summarise_audit
from affetto.corpora.index import index_corpora
from affetto.corpora.parameters import AuditParameters, CorpusParameters, SplitParameters
from affetto.corpora.splits import check_protocol, make_folds
from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures
from affetto.features.extract import extract
from affetto.features.table import FeatureTable
from affetto.io.cache import CacheParameters
from affetto.io.workers import ExecutorParameters


def index(
    corpus: CorpusParameters,
    taxonomy: dict[str, Any],
    executor: ExecutorParameters,
    cache: CacheParameters,
    *,
    side: str,
    kind: str,
) -> pd.DataFrame:
    """List the clips of the corpus of a side, and of its training corpora.

    `kind` is `music` or `voice`; so is `side`, unless it is the name of another corpus of that kind.
    """
    try:
        return index_corpora(corpus, taxonomy, side=kind, executor=executor, store=cache.store)
    except AffettoError as error:
        raise AffettoError(str(error).replace(f"{kind}.corpus.", f"{side}.corpus.")) from error


def audit(
    raw_clips: pd.DataFrame,
    corpus: CorpusParameters,
    audit: AuditParameters,
    executor: ExecutorParameters,
    cache: CacheParameters,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Measure all clips; return those fit for use, the rejected ones, and a summary."""
    clips, rejected = audit_corpora(raw_clips, corpus, audit, executor, store=cache.store)
    summary = summarise_audit(clips, rejected, audit)
    log_summary(summary)
    return clips, rejected, summary


def split(
    clips: pd.DataFrame, corpus: CorpusParameters, split: SplitParameters, *, side: str
) -> pd.DataFrame:
    """Divide the labelled clips by group or by corpus."""
    check_protocol(corpus, split, side=side)
    return make_folds(clips, split, tested=corpus.known_as)


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
