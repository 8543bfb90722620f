"""Wiring of a side's corpus: source folders → clips, rejected clips, folds."""

from __future__ import annotations

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from affetto.pipelines.corpora import nodes


def create_pipeline(side: str, *, kind: str | None = None) -> Pipeline:
    """Build the corpora pipeline of a side.

    Parameters
    ----------
    side
        `music`, `voice`, or another name that datasets and parameters have.
    kind
        Which of `music` and `voice` the corpus holds, where `side` is neither.
    """
    return Pipeline(
        [
            Node(
                update_wrapper(partial(nodes.index, side=side, kind=kind), nodes.index),
                inputs=[f"params:{side}.corpus", "params:taxonomy", "params:executor", f"{side}.audit_store"],
                outputs=f"{side}.raw_clips",
                name="index",
                namespace=f"{side}.corpora",
            ),
            Node(
                nodes.audit,
                inputs={
                    "raw_clips": f"{side}.raw_clips",
                    "corpus": f"params:{side}.corpus",
                    "audit": f"params:{side}.audit",
                    "executor": "params:executor",
                    "store": f"{side}.audit_store",
                },
                outputs=[
                    f"{side}.{what}"
                    for what in ("clips", "rejected", "audit_summary", "audit_figure", "audit_report")
                ],
                name="audit",
                namespace=f"{side}.corpora",
            ),
            Node(
                update_wrapper(partial(nodes.split, side=side), nodes.split),
                inputs=[f"{side}.clips", f"params:{side}.corpus", f"params:{side}.split"],
                outputs=f"{side}.folds",
                name="split",
                namespace=f"{side}.corpora",
            ),
            Node(
                nodes.split_at_random,
                inputs=[f"{side}.clips", f"{side}.folds", f"params:{side}.split"],
                outputs=f"{side}.random_folds",
                name="split_at_random",
                namespace=f"{side}.corpora",
            ),
        ]
    )


def create_clips_pipeline(side: str, *, kind: str | None = None) -> Pipeline:
    """Build the part of the corpora pipeline that ends at the clips: a corpus without labels has no folds.

    Parameters
    ----------
    side, kind
        As for `create_pipeline`.
    """
    return create_pipeline(side, kind=kind).to_outputs(f"{side}.clips")
