"""Wiring of the themes: codebook, topics, cards and their evaluation."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from affetto.pipelines.theme import nodes

PARAMETERS = "params:music.theme"
STORE = "music.theme.store"
EXECUTOR = "params:executor"


def create_pipeline() -> Pipeline:
    """Build the themes, from clips, folds, MFCC and the emotions of the library."""
    return _themes() + _reports() + _evaluation()


def _themes() -> Pipeline:
    return Pipeline(
        [
            Node(
                nodes.learn_codebook,
                inputs=["music.mfcc", "music.midterm", PARAMETERS, STORE],
                outputs="music.theme.codebook",
                name="learn_codebook",
                namespace="music.theme",
            ),
            Node(
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
                name="count_audio_words",
                namespace="music.theme",
            ),
            Node(
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
                name="fit_theme_model",
                namespace="music.theme",
            ),
            Node(
                nodes.keep_theme_numbers,
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
                outputs=["music.theme.model", "music.theme.drift"],
                name="keep_theme_numbers",
                namespace="music.theme",
            ),
            Node(
                nodes.assign_themes,
                inputs=["music.theme.model", "music.theme.words", "music.clips", "music.library_emotions"],
                outputs=["music.themes", "music.theme.mixtures"],
                name="assign_themes",
                namespace="music.theme",
            ),
        ]
    )


def _reports() -> Pipeline:
    return Pipeline(
        [
            Node(
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
                name="describe_themes",
                namespace="music.theme",
            ),
            Node(
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
                name="record_themes",
                namespace="music.theme",
            ),
            Node(
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
                name="show_themes",
                namespace="music.theme",
            ),
            Node(
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
                name="draw_themes",
                namespace="music.theme",
            ),
        ]
    )


def _evaluation() -> Pipeline:
    inputs = ["music.mfcc", "music.midterm", "music.clips", "music.folds", PARAMETERS, EXECUTOR, STORE]
    return Pipeline(
        [
            Node(
                nodes.evaluate_discovery,
                inputs=inputs,
                outputs=[
                    *(f"music.theme.{model}.assignments" for model in nodes.DISCOVERY_MODELS),
                    "music.theme.discovery",
                ],
                name="evaluate_discovery",
                namespace="music.theme",
            ),
            Node(
                nodes.evaluate_discrimination,
                inputs=inputs,
                outputs=[
                    *(f"music.theme.{model}.predictions" for model in nodes.DISCRIMINATION_MODELS),
                    "music.theme.discrimination",
                ],
                name="evaluate_discrimination",
                namespace="music.theme",
            ),
            Node(
                nodes.join_metrics,
                inputs=["music.theme.discovery", "music.theme.discrimination"],
                outputs=[f"music.theme.{model}.metrics" for model in nodes.MODELS],
                name="join_metrics",
                namespace="music.theme",
            ),
        ]
    )
