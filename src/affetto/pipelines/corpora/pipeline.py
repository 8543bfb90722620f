"""Wiring of a side's corpus: source folders → clips, rejected clips, folds, features."""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Pipeline

from affetto.corpora.audit_report import render_audit
from affetto.pipelines import step
from affetto.pipelines.corpora import nodes

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
    corpus, clips = f"params:{side}.corpus", f"{side}.clips"
    found = [f"{side}.audit_summary", clips, f"{side}.rejected"]
    return Pipeline(
        [
            step(
                nodes.index,
                [corpus, "params:taxonomy", _EXECUTOR, _CACHE],
                f"{side}.raw_clips",
                name=f"index_{side}",
                box="corpora",
                side=side,
                kind=kind or side,
            ),
            step(
                nodes.audit,
                [f"{side}.raw_clips", corpus, f"params:{side}.audit", _EXECUTOR, _CACHE],
                [clips, f"{side}.rejected", f"{side}.audit_summary"],
                name=f"audit_{side}",
                box="corpora",
            ),
            step(render_audit, found, f"{side}.audit_report", name=f"report_{side}_audit", box="corpora"),
            step(
                nodes.split,
                [clips, corpus, f"params:{side}.split"],
                f"{side}.folds",
                name=f"split_{side}",
                box="corpora",
                side=side,
            ),
        ],
        tags=side,
    )


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
