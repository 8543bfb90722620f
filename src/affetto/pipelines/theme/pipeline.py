"""Wiring of the themes: codebook, audio words, topics, cards, library, and their evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node, Pipeline

from affetto.pipelines.theme import nodes

CORPUS, THEME = "params:music.corpus", "params:music.theme"
CACHE, EXECUTOR = "params:cache", "params:executor"
FEATURES, CLIPS, EMOTIONS = "music.features", "music.clips", "music.emotions"


def create_pipeline() -> Pipeline:
    """Build the themes, from clips, folds, features and the emotions of the library."""
    evaluated = [FEATURES, CLIPS, "music.folds", THEME, EXECUTOR, CACHE]
    return (
        Pipeline(
            [
                _node(nodes.learn_codebook, [FEATURES, THEME, CACHE], "music.theme.codebook"),
                _node(
                    nodes.count_audio_words,
                    [FEATURES, "music.theme.codebook", THEME, EXECUTOR, CACHE],
                    "music.theme.words",
                ),
                _node(
                    nodes.fit_theme_model,
                    ["music.theme.words", CLIPS, EMOTIONS, THEME, EXECUTOR, CACHE],
                    ["music.theme.fitted", "music.theme.selection"],
                ),
                _node(
                    nodes.assign_themes,
                    [
                        *("music.theme.fitted", "music.theme.words", CLIPS, EMOTIONS),
                        *("music.theme.codebook", "music.theme.previous"),
                    ],
                    ["music.themes", "music.theme.mixtures", "music.theme.model", "music.theme.drift"],
                ),
                _node(
                    nodes.describe_themes,
                    [
                        *("music.theme.model", "music.themes", CLIPS, FEATURES),
                        *("music.theme.codebook", EMOTIONS, EXECUTOR),
                    ],
                    "music.theme.cards",
                ),
                _node(
                    nodes.record_themes,
                    [
                        *("music.theme.cards", CORPUS, CLIPS, "music.theme.codebook"),
                        *(EXECUTOR, FEATURES, CACHE),
                    ],
                    ["music.theme.audio", "music.theme.inaudible"],
                ),
                _node(
                    nodes.show_themes,
                    [
                        *("music.theme.cards", "music.theme.model", "music.themes"),
                        *("music.theme.selection", "music.theme.drift", "music.theme.audio"),
                        *("music.theme.inaudible", CORPUS, THEME),
                    ],
                    "music.theme.page",
                ),
                _node(
                    nodes.assemble_library,
                    [
                        *("params:recommend", CORPUS, CLIPS, EMOTIONS),
                        *("music.theme.mixtures", "music.theme.cards"),
                    ],
                    "music.library",
                ),
                _node(nodes.evaluate_discovery, evaluated, "music.theme.discovery"),
                _node(nodes.evaluate_discrimination, evaluated, "music.theme.discrimination"),
            ]
        )
        + create_scores_pipeline()
    )


def create_scores_pipeline() -> Pipeline:
    """Build the scores of theme models that were evaluated before."""
    results = ["music.theme.discovery", "music.theme.discrimination"]
    inputs = [*results, "params:evaluation", CORPUS, "params:music.split"]
    return Pipeline([_node(nodes.score_themes, inputs, "theme.results")])


def _node(function: Callable[..., Any], inputs: list[str], outputs: str | list[str]) -> Node:
    return Node(function, inputs, outputs, name=function.__name__, namespace="codebook_topics_and_themes")
