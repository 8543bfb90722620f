"""Wiring of the reports: the figures of each task, and the pages of all."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from affetto.pipelines import step
from affetto.pipelines.reports import nodes

_SIDES = {"music_emotion": "music", "theme": "music", "voice_emotion": "voice"}
"""Task → its side."""
_MEASURED = "recommendation.tables"


def create_pipeline(*tasks: str, recommendation: bool = False) -> Pipeline:
    """Build the reports of tasks from their results.

    Parameters
    ----------
    tasks
        Of `music_emotion`, `theme`, `voice_emotion`.
    recommendation
        Whether playlists are measured too, on what the emotion models of both sides told.
    """
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
    if recommendation:
        read = {
            "library": "music.library",
            "clips": "music.clips",
            "music": "music_emotion.results",
            "voice": "voice_emotion.results",
            "taxonomy": "params:taxonomy",
            "recommend": "params:recommend",
            "evaluation": "params:evaluation",
        }
        for what in ("corpus", "split"):
            read |= {f"{what}__{side}": f"params:{side}.{what}" for side in ("music", "voice")}
        steps.append(step(nodes.measure_playlists, read, _MEASURED, box="reports"))
        inputs["recommendation"] = _MEASURED
    steps.append(step(nodes.write_reports, inputs, "reports", box="reports", tasks=tasks))
    return Pipeline(steps)
