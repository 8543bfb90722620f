"""Kedro pipelines: nodes are functions from data to data, pipelines only wire them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, update_wrapper
from typing import Any

from kedro.pipeline import Node


def step(
    function: Callable[..., Any],
    inputs: Sequence[str] | Mapping[str, str],
    outputs: str | Sequence[str],
    *,
    box: str,
    name: str | None = None,
    **fixed: Any,
) -> Node:
    """Make a node of a function.

    Parameters
    ----------
    function
        What it computes; Kedro reads from its annotations what parameters have to be.
    inputs, outputs
        Names of data sets.
    box
        The box of Kedro-Viz that the node is in.
    name
        Its name, by default that of the function.
    fixed
        Arguments of the function that are known when the pipeline is built.
    """
    bound = update_wrapper(partial(function, **fixed), function) if fixed else function
    given = dict(inputs) if isinstance(inputs, Mapping) else list(inputs)
    made = outputs if isinstance(outputs, str) else list(outputs)
    return Node(bound, given, made, name=name or function.__name__, namespace=box)
