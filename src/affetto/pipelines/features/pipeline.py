"""Wiring of the feature extraction: one node a feature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from affetto.features.extraction import ExtractionPlan
from affetto.pipelines.features import nodes

PLANS: dict[str, Callable[..., ExtractionPlan]] = {
    "mfcc": nodes.plan_mfcc,
    "midterm": nodes.plan_midterm,
    "log_mel": nodes.plan_log_mel,
    "functionals": nodes.plan_opensmile,
    "raw_functionals": nodes.plan_opensmile,
    "egemaps": nodes.plan_opensmile,
    "lld": nodes.plan_opensmile,
    "correlations": nodes.plan_opensmile,
    "encoder": nodes.plan_encoder,
}
"""Name of each feature in the catalog and the node that plans it."""


def create_pipeline(side: str, names: Sequence[str], *, parameters_of: str | None = None) -> Pipeline:
    """Build the extraction of features of a side.

    Parameters
    ----------
    side
        `music` or `voice`: clips come from `<side>.clips`, features go to `<side>.<name>`, parameters are
        under `<side>.features.<name>`. Or another name, with clips of its own.
    names
        The features, keys of `PLANS`.
    parameters_of
        The side whose parameters count, where it is not `side`.
    """
    return Pipeline([_node(side, name, parameters_of or side) for name in names])


def _node(side: str, name: str, parameters_of: str) -> Node:
    return Node(
        update_wrapper(partial(PLANS[name], name=name), PLANS[name]),
        inputs={
            "clips": f"{side}.clips",
            "corpus": f"params:{side}.corpus",
            "parameters": f"params:{parameters_of}.features.{name}",
            "executor": "params:executor",
        },
        outputs=f"{side}.{name}",
        name=f"extract_{name}",
        namespace=f"{side}.features",
    )
