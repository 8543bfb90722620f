"""Wiring of hearing."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from affetto.pipelines.hear import nodes
from affetto.pipelines.model_table import proposed_model


def create_pipeline(voice_model: str | None = None) -> Pipeline:
    """Build what tells the emotion of recordings: inference only, on what `voice` has made.

    Parameters
    ----------
    voice_model
        Name of the voice model in the model table; None for the proposed one.
    """
    emotion = f"voice.emotion.{voice_model or proposed_model('voice')}"
    parameters = "params:recommend"
    return Pipeline(
        [
            Node(
                nodes.find_speech,
                inputs=[parameters, f"{emotion}.fitted"],
                outputs=["hear.recordings", "hear.enrolled"],
                name="find_speech",
                namespace="hear",
            ),
            Node(
                nodes.recognise_voices,
                inputs=[parameters, "hear.recordings", "hear.enrolled", f"{emotion}.model"],
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
