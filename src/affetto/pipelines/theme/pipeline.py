"""Wiring of the themes: codebook, topics, cards and their evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node, Pipeline

from affetto.pipelines.theme import nodes

PARAMETERS = "params:music.theme"
STORE = "music.theme.store"
EXECUTOR = "params:executor"
NAMESPACE = "music.theme"


def create_pipeline() -> Pipeline:
    """Build the themes, from clips, folds, MFCC and the emotions of the library."""
    return _themes() + _reports() + _evaluation()


def _themes() -> Pipeline:
    return Pipeline(
        [
            _node(
                nodes.learn_codebook,
                inputs=["music.mfcc", "music.midterm", PARAMETERS, STORE],
                outputs="music.theme.codebook",
            ),
            _node(
                nodes.count_audio_words,
                inputs=[
                    "music.mfcc",
                    "music.midterm",
                    "music.theme.codebook",
                    PARAMETERS,
                    EXECUTOR,
                    STORE,
                ],
                outputs="music.theme.words",
            ),
            _node(
                nodes.fit_theme_model,
                inputs=[
                    "music.theme.words",
                    "music.clips",
                    "music.library_emotions",
                    PARAMETERS,
                    EXECUTOR,
                    STORE,
                ],
                outputs=["music.theme.fitted", "music.theme.selection"],
            ),
            _node(
                nodes.assign_themes,
                inputs=[
                    "music.theme.fitted",
                    "music.theme.words",
                    "music.clips",
                    "music.library_emotions",
                    "music.theme.codebook",
                    PARAMETERS,
                    "music.theme.previous_model",
                    "music.theme.previous_themes",
                ],
                outputs=["music.themes", "music.theme.mixtures", "music.theme.model", "music.theme.drift"],
            ),
        ]
    )


def _reports() -> Pipeline:
    return Pipeline(
        [
            _node(
                nodes.describe_themes,
                inputs=[
                    "music.theme.model",
                    "music.themes",
                    "music.clips",
                    "music.mfcc",
                    "music.theme.codebook",
                    "music.library_attention",
                    PARAMETERS,
                    EXECUTOR,
                ],
                outputs=["music.theme.cards", "music.theme.cards_table"],
            ),
            _node(
                nodes.record_themes,
                inputs=[
                    "music.theme.cards",
                    "params:music.corpus",
                    "music.clips",
                    "music.theme.codebook",
                    PARAMETERS,
                    EXECUTOR,
                    "music.mfcc",
                    "music.midterm",
                ],
                outputs=["music.theme.audio", "music.theme.inaudible"],
            ),
            _node(
                nodes.show_themes,
                inputs=[
                    "music.theme.cards",
                    "music.theme.model",
                    "music.themes",
                    "music.theme.codebook",
                    "music.theme.selection",
                    "music.theme.audio",
                    "music.theme.inaudible",
                    "params:music.corpus",
                    PARAMETERS,
                ],
                outputs="music.theme.page",
            ),
            _node(
                nodes.draw_themes,
                inputs=[
                    "music.theme.model",
                    "music.theme.words",
                    "music.themes",
                    "music.theme.cards",
                    "music.theme.selection",
                    "music.theme.codebook",
                    PARAMETERS,
                ],
                outputs=[
                    "music.theme.map_figure",
                    "music.theme.selection_figures",
                    "music.theme.words_figure",
                ],
            ),
        ]
    )


def _evaluation() -> Pipeline:
    inputs = ["music.mfcc", "music.midterm", "music.clips", "music.folds", PARAMETERS, EXECUTOR, STORE]
    return Pipeline(
        [
            _node(
                nodes.evaluate_discovery,
                inputs=inputs,
                outputs=[
                    *(f"music.theme.{model}.assignments" for model in nodes.DISCOVERY_MODELS),
                    "music.theme.discovery",
                ],
            ),
            _node(
                nodes.evaluate_discrimination,
                inputs=inputs,
                outputs=[
                    *(f"music.theme.{model}.predictions" for model in nodes.DISCRIMINATION_MODELS),
                    "music.theme.discrimination",
                ],
            ),
            _node(
                nodes.join_metrics,
                inputs=["music.theme.discovery", "music.theme.discrimination"],
                outputs=[f"music.theme.{model}.metrics" for model in nodes.MODELS],
            ),
            _node(
                nodes.tabulate_discovery,
                inputs=[
                    "music.theme.discovery",
                    "params:evaluation",
                    *(f"music.theme.{model}.assignments" for model in nodes.DISCOVERY_MODELS),
                ],
                outputs="music.theme.discovery_table",
            ),
        ]
    )


def _node(function: Callable[..., Any], inputs: list[str], outputs: str | list[str]) -> Node:
    return Node(function, inputs, outputs, name=function.__name__, namespace=NAMESPACE)
