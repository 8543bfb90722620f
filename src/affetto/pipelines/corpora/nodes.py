"""Nodes of the corpora: thin adaptation of the domain functions to the catalog."""

from __future__ import annotations

from typing import Any

import pandas as pd

from affetto.corpora.audit import audit_corpora
from affetto.corpora.audit_report import log_summary, render_audit, summarise_audit
from affetto.corpora.index import index_corpora
from affetto.corpora.parameters import AuditParameters, CorpusParameters, SplitParameters
from affetto.corpora.splits import check_protocol, make_folds
from affetto.errors import AffettoError
from affetto.io.cache import CacheParameters
from affetto.io.workers import ExecutorParameters


def index(
    corpus: CorpusParameters,
    taxonomy: dict[str, Any],
    executor: ExecutorParameters,
    cache: CacheParameters,
    *,
    side: str,
    kind: str | None = None,
) -> pd.DataFrame:
    """List the clips of the corpus of a side, and of its training corpora.

    `kind` is `music` or `voice`, where `side` is the name of another corpus of that kind.
    """
    kind = kind or side
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
    """Measure all clips, keep those fit for use, and sum up what was found.

    Returns
    -------
    tuple
        Accepted clips, rejected clips, summary.
    """
    clips, rejected = audit_corpora(raw_clips, corpus, audit, executor, store=cache.store)
    summary = summarise_audit(clips, rejected, audit)
    log_summary(summary)
    return clips, rejected, summary


def report_audit(summary: dict[str, Any], clips: pd.DataFrame, rejected: pd.DataFrame) -> str:
    """Write what the audit has found as one HTML page."""
    return render_audit(summary, clips, rejected)


def split(
    clips: pd.DataFrame, corpus: CorpusParameters, split: SplitParameters, *, side: str
) -> pd.DataFrame:
    """Divide the labelled clips by group or by corpus."""
    check_protocol(corpus, split, side=side)
    return make_folds(clips, split, tested=corpus.known_as)
