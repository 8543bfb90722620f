"""Wiring of the themes: codebook, audio words, topics, cards, library, and their evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node, Pipeline

from affetto.pipelines.theme import nodes

PARAMETERS, CACHE, EXECUTOR = "params:music.theme", "params:cache", "params:executor"
FEATURES, CLIPS, FOLDS, RECOGNISED = "music.features", "music.clips", "music.folds", "music.emotions"


def create_pipeline() -> Pipeline:
    """Build the themes, from clips, folds, features and the emotions of the library."""
    return _topics() + _library() + _evaluation() + create_scores_pipeline()


def create_scores_pipeline() -> Pipeline:
    """Build the scores of theme models that were evaluated before."""
    return _node(
        nodes.score_themes,
        inputs=[
            "music.theme.discovery",
            "music.theme.discrimination",
            "params:evaluation",
            "params:music.corpus",
            "params:music.split",
        ],
        outputs="theme.results",
    )


def _topics() -> Pipeline:
    return (
        _node(nodes.learn_codebook, inputs=[FEATURES, PARAMETERS, CACHE], outputs="music.theme.codebook")
        + _node(
            nodes.count_audio_words,
            inputs=[FEATURES, "music.theme.codebook", PARAMETERS, EXECUTOR, CACHE],
            outputs="music.theme.words",
        )
        + _node(
            nodes.fit_theme_model,
            inputs=["music.theme.words", CLIPS, RECOGNISED, PARAMETERS, EXECUTOR, CACHE],
            outputs=["music.theme.fitted", "music.theme.selection"],
        )
        + _node(
            nodes.assign_themes,
            inputs=[
                "music.theme.fitted",
                "music.theme.words",
                CLIPS,
                RECOGNISED,
                "music.theme.codebook",
                PARAMETERS,
                "music.theme.previous",
            ],
            outputs=["music.themes", "music.theme.mixtures", "music.theme.model", "music.theme.drift"],
        )
    )


def _library() -> Pipeline:
    return (
        _node(
            nodes.describe_themes,
            inputs=[
                "music.theme.model",
                "music.themes",
                CLIPS,
                FEATURES,
                "music.theme.codebook",
                RECOGNISED,
                PARAMETERS,
                EXECUTOR,
            ],
            outputs="music.theme.cards",
        )
        + _node(
            nodes.record_themes,
            inputs=[
                "music.theme.cards",
                "params:music.corpus",
                CLIPS,
                "music.theme.codebook",
                PARAMETERS,
                EXECUTOR,
                FEATURES,
                CACHE,
            ],
            outputs=["music.theme.audio", "music.theme.inaudible"],
        )
        + _node(
            nodes.show_themes,
            inputs=[
                "music.theme.cards",
                "music.theme.model",
                "music.themes",
                "music.theme.codebook",
                "music.theme.selection",
                "music.theme.drift",
                "music.theme.audio",
                "music.theme.inaudible",
                "params:music.corpus",
                PARAMETERS,
            ],
            outputs="music.theme.page",
        )
        + _node(
            nodes.assemble_library,
            inputs=[
                "params:recommend",
                "params:music.corpus",
                CLIPS,
                RECOGNISED,
                "music.theme.mixtures",
                "music.theme.cards",
            ],
            outputs="music.library",
        )
    )


def _evaluation() -> Pipeline:
    inputs = [FEATURES, CLIPS, FOLDS, PARAMETERS, EXECUTOR, CACHE]
    return _node(nodes.evaluate_discovery, inputs=inputs, outputs="music.theme.discovery") + _node(
        nodes.evaluate_discrimination, inputs=inputs, outputs="music.theme.discrimination"
    )


def _node(function: Callable[..., Any], inputs: list[str], outputs: str | list[str]) -> Pipeline:
    name = function.__name__
    return Pipeline([Node(function, inputs, outputs, name=name, namespace="codebook_topics_and_themes")])
