"""Wiring of the reports: the figures of each task, and the pages of all."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from affetto.pipelines import step
from affetto.pipelines.reports import nodes

_SIDES = {"music_emotion": "music", "theme": "music", "voice_emotion": "voice"}
"""Task → its side."""


def create_pipeline(*tasks: str) -> Pipeline:
    """Build the reports of tasks (`music_emotion`, `theme`, `voice_emotion`) from their `<task>.results`."""
    steps, inputs = [], {"evaluation": "params:evaluation"}
    for task in tasks:
        results, features = f"{task}.results", f"{_SIDES[task]}.features"
        steps.append(
            step(
                nodes.draw_task,
                [results, "params:evaluation", features],
                [f"{task}.figures", f"{task}.tables"],
                name=f"draw_{task}",
                box="reports",
            )
        )
        inputs |= {f"{what}__{task}": f"{task}.{what}" for what in ("results", "tables", "figures")}
        inputs |= {f"{what}__{task}": f"params:{_SIDES[task]}.{what}" for what in ("corpus", "split")}
    steps.append(step(nodes.write_reports, inputs, "reports", box="reports", tasks=tasks))
    return Pipeline(steps)
