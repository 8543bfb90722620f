"""Wiring of hearing."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from affetto.pipelines.hear import nodes

READY_MODEL = "ready.voice_model"
"""The voice model that is part of Affetto."""
BOX = "playlist"
"""Name of the box in Kedro-Viz, with the recommendation's."""


def create_pipeline(voice_model: str | None = None) -> Pipeline:
    """Build what tells the emotion of recordings: inference only.

    Parameters
    ----------
    voice_model
        Name of a model in the model table, which `voice` has made; None for the model that is ready.
    """
    model = READY_MODEL if voice_model is None else f"voice.emotion.{voice_model}.model"
    return Pipeline(
        [
            Node(
                nodes.find_speech,
                inputs=["params:recommend", model],
                outputs=["hear.recordings", "hear.enrolled"],
                name="find_speech",
                namespace=BOX,
            ),
            Node(
                nodes.recognise_voices,
                inputs=["params:recommend", "hear.recordings", "hear.enrolled", model],
                outputs="hear.voices",
                name="recognise_voices",
                namespace=BOX,
            ),
        ]
    )


def create_summary_pipeline() -> Pipeline:
    """Build the step that puts the emotion of voices into words."""
    inputs = ["params:recommend", "hear.voices"]
    node = Node(nodes.describe_voices, inputs, "hear.summary", name="describe_voices", namespace=BOX)
    return Pipeline([node])
