"""Wiring of the recommendation."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from affetto.pipelines.model_table import proposed_model
from affetto.pipelines.recommend import nodes


def create_library_pipeline() -> Pipeline:
    """Build the last step of the music side: the table of all tracks."""
    return Pipeline(
        [
            Node(
                nodes.assemble_library,
                inputs=[
                    "params:recommend",
                    "params:music.corpus",
                    "music.clips",
                    "music.library_emotions",
                    "music.theme.mixtures",
                    "music.theme.cards",
                    "music.library_attention",
                ],
                outputs="music.library",
                name="assemble_library",
                namespace="music",
            )
        ]
    )


def create_pipeline(voice_model: str | None = None) -> Pipeline:
    """Build the recommendation: inference only, on what `voice` and `theme` have made.

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
                outputs="recommend.recordings",
                name="find_speech",
                namespace="recommend",
            ),
            Node(
                nodes.recognise_voices,
                inputs=[parameters, "recommend.recordings", f"{emotion}.model"],
                outputs="recommend.voices",
                name="recognise_voices",
                namespace="recommend",
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
                namespace="recommend",
            ),
            Node(
                nodes.describe_playlists,
                inputs="recommend.playlists",
                outputs="recommend.summary",
                name="describe_playlists",
                namespace="recommend",
            ),
        ]
    )
