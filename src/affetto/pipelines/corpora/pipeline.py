"""Wiring of a side's corpus: source folders → clips, rejected clips, folds."""

from __future__ import annotations

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from affetto.pipelines.corpora import nodes


def create_pipeline(side: str, *, kind: str | None = None) -> Pipeline:
    """Build the corpora pipeline of a side; its nodes are tagged with it.

    Parameters
    ----------
    side
        `music`, `voice`, or another name that datasets and parameters have.
    kind
        Which of `music` and `voice` the corpus holds, where `side` is neither.
    """
    index = partial(nodes.index, side=side, kind=kind)
    split = partial(nodes.split, side=side)
    return Pipeline(
        [
            Node(
                update_wrapper(index, nodes.index),
                inputs=[f"params:{side}.corpus", "params:taxonomy", "params:executor", "params:cache"],
                outputs=f"{side}.raw_clips",
                name=f"index_{side}",
                namespace="corpora",
            ),
            Node(
                nodes.audit,
                inputs=[
                    f"{side}.raw_clips",
                    f"params:{side}.corpus",
                    f"params:{side}.audit",
                    "params:executor",
                    "params:cache",
                ],
                outputs=[f"{side}.clips", f"{side}.rejected", f"{side}.audit_summary"],
                name=f"audit_{side}",
                namespace="corpora",
            ),
            Node(
                nodes.report_audit,
                inputs=[f"{side}.audit_summary", f"{side}.clips", f"{side}.rejected"],
                outputs=f"{side}.audit_report",
                name=f"report_{side}_audit",
                namespace="corpora",
            ),
            Node(
                update_wrapper(split, nodes.split),
                inputs=[f"{side}.clips", f"params:{side}.corpus", f"params:{side}.split"],
                outputs=f"{side}.folds",
                name=f"split_{side}",
                namespace="corpora",
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
