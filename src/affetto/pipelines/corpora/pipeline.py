"""Wiring of a side's corpus: source folders → clips, rejected clips, folds, features."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from kedro.pipeline import Pipeline

from affetto.corpora.audit_report import render_audit
from affetto.pipelines import step
from affetto.pipelines.corpora import nodes

_step = partial(step, box="corpora")
_EXECUTOR, _CACHE = "params:executor", "params:cache"


def create_pipeline(side: str, *, kind: str | None = None) -> Pipeline:
    """Build the corpora pipeline of a side; its nodes are tagged with it.

    Parameters
    ----------
    side
        `music`, `voice`, or another name that datasets and parameters have.
    kind
        Which of `music` and `voice` the corpus holds, where `side` is neither.
    """
    corpus, clips, rejected = f"params:{side}.corpus", f"{side}.clips", f"{side}.rejected"
    raw, summary = f"{side}.raw_clips", f"{side}.audit_summary"
    listed = [corpus, "params:taxonomy", _EXECUTOR, _CACHE]
    heard = [raw, corpus, f"params:{side}.audit", _EXECUTOR, _CACHE]
    shown, dealt = [summary, clips, rejected], [clips, corpus, f"params:{side}.split"]
    about = {"side": side, "kind": kind or side}
    steps = [
        _step(nodes.index, listed, raw, name=f"index_{side}", **about),
        _step(nodes.audit, heard, [clips, rejected, summary], name=f"audit_{side}"),
        _step(render_audit, shown, f"{side}.audit_report", name=f"report_{side}_audit"),
        _step(nodes.split, dealt, f"{side}.folds", name=f"split_{side}", side=side),
    ]
    return Pipeline(steps, tags=side)


def create_clips_pipeline(side: str, *, kind: str | None = None) -> Pipeline:
    """Build the part of the corpora pipeline that ends at the clips: a corpus without labels has no folds.

    Parameters
    ----------
    side, kind
        As for `create_pipeline`.
    """
    return create_pipeline(side, kind=kind).to_outputs(f"{side}.clips", f"{side}.audit_report")


def create_features_pipeline(
    side: str, names: Sequence[str], *, parameters_of: str | None = None
) -> Pipeline:
    """Build the extraction of features of a side; its node is tagged with it.

    Parameters
    ----------
    side
        `music` or `voice`: clips come from `<side>.clips`, features go to `<side>.features`, parameters are
        under `<side>.features`. Or another name, with clips of its own.
    names
        The features, fields of `FeatureTable`.
    parameters_of
        The side whose parameters count, where it is not `side`.
    """
    parameters = f"params:{parameters_of or side}.features"
    extract = step(
        nodes.extract_features,
        [f"{side}.clips", f"params:{side}.corpus", parameters, _EXECUTOR, _CACHE],
        f"{side}.features",
        name=f"extract_{side}_features",
        box="features",
        side=side,
        names=tuple(names),
    )
    return Pipeline([extract], tags=side)
