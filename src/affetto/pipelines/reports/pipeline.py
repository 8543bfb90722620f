"""Wiring of the reports: the figures of each task, and the pages of all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, update_wrapper
from typing import Any

from kedro.pipeline import Node, Pipeline

from affetto.pipelines.reports import nodes

SIDES = {"music_emotion": "music", "theme": "music", "voice_emotion": "voice"}
"""Task → its side."""
BOX = "reports"


def create_pipeline(*tasks: str) -> Pipeline:
    """Build the reports of tasks, keys of `SIDES`, from their `<task>.results`."""
    return Pipeline([*map(_drawing, tasks), _writing(tasks)])


def _drawing(task: str) -> Node:
    return Node(
        nodes.draw_task,
        inputs={
            "results": f"{task}.results",
            "evaluation": "params:evaluation",
            "features": f"{SIDES[task]}.features",
        },
        outputs=[f"{task}.figures", f"{task}.tables"],
        name=f"draw_{task}",
        namespace=BOX,
    )


def _writing(tasks: Sequence[str]) -> Node:
    inputs: dict[str, Any] = {"evaluation": "params:evaluation"}
    for task in tasks:
        inputs |= {f"{kind}__{task}": f"{task}.{kind}" for kind in ("results", "tables", "figures")}
        inputs |= {f"{kind}__{task}": f"params:{SIDES[task]}.{kind}" for kind in ("corpus", "split")}
    write = partial(nodes.write_reports, tasks=tuple(tasks))
    return Node(
        update_wrapper(write, nodes.write_reports),
        inputs=inputs,
        outputs="reports",
        name="write_reports",
        namespace=BOX,
    )
