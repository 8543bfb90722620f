"""Wiring of hearing."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from affetto.pipelines.hear import nodes

READY_MODEL = "ready.voice_model"
"""The voice model that is part of Affetto."""


def create_pipeline(voice_model: str | None = None) -> Pipeline:
    """Build what tells the emotion of recordings: inference only.

    Parameters
    ----------
    voice_model
        Name of a model in the model table, which `voice` has made; None for the model that is ready.
    """
    fitted, model = READY_MODEL, READY_MODEL
    if voice_model is not None:
        fitted, model = (f"voice.emotion.{voice_model}.{what}" for what in ("fitted", "model"))
    parameters = "params:recommend"
    return Pipeline(
        [
            Node(
                nodes.find_speech,
                inputs=[parameters, fitted],
                outputs=["hear.recordings", "hear.enrolled"],
                name="find_speech",
                namespace="hear",
            ),
            Node(
                nodes.recognise_voices,
                inputs=[parameters, "hear.recordings", "hear.enrolled", model],
                outputs=["hear.voices", "hear.timelines"],
                name="recognise_voices",
                namespace="hear",
            ),
            Node(
                nodes.draw_voices,
                inputs=[parameters, "hear.voices", "hear.timelines"],
                outputs="hear.figures",
                name="draw_voices",
                namespace="hear",
            ),
            Node(
                nodes.describe_voices,
                # Not read: whatever comes of it, figures of the run before are gone by then.
                inputs=[parameters, "hear.voices", "hear.figures"],
                outputs="hear.summary",
                name="describe_voices",
                namespace="hear",
            ),
        ]
    )
