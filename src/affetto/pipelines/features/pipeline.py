"""Wiring of the feature extraction: one node a side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from affetto.pipelines.features import nodes


def create_pipeline(side: str, names: Sequence[str], *, parameters_of: str | None = None) -> Pipeline:
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
    extract = partial(nodes.extract_features, side=side, names=tuple(names))
    return Pipeline(
        [
            Node(
                update_wrapper(extract, nodes.extract_features),
                inputs={
                    "clips": f"{side}.clips",
                    "corpus": f"params:{side}.corpus",
                    "features": f"params:{parameters_of or side}.features",
                    "executor": "params:executor",
                    "cache": "params:cache",
                },
                outputs=f"{side}.features",
                name=f"extract_{side}_features",
                namespace="features",
            )
        ],
        tags=side,
    )
