"""Wiring of the recommendation."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from affetto.pipelines.model_table import proposed_model
from affetto.pipelines.recommend import nodes


def create_pipeline(voice_model: str | None = None) -> Pipeline:
    """Build the recommendation: inference only, on what `voice` and `theme` have made.

    Parameters
    ----------
    voice_model
        Name of the voice model in the model table; None for the proposed one.
    """
    model = f"voice.emotion.{voice_model or proposed_model('voice')}.model"
    parameters = "params:recommend"
    return Pipeline(
        [
            Node(nodes.find_speech, inputs=parameters, outputs="recommend.recordings", name="find_speech"),
            Node(
                nodes.recognise_voices,
                inputs=[parameters, "recommend.recordings", model, "params:voice.features"],
                outputs="recommend.voices",
                name="recognise_voices",
            ),
            Node(
                nodes.make_playlists,
                inputs=[
                    parameters,
                    "params:taxonomy",
                    "recommend.voices",
                    "music.library",
                    "music.theme.mixtures",
                ],
                outputs="recommend.playlists",
                name="make_playlists",
            ),
            Node(
                nodes.describe_playlists,
                inputs="recommend.playlists",
                outputs="recommend.summary",
                name="describe_playlists",
            ),
        ]
    )
