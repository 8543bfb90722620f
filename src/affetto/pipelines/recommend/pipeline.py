"""Wiring of the recommendation."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

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


def create_pipeline(tracks: str = "music.library", mixtures: str = "music.theme.mixtures") -> Pipeline:
    """Build the playlists that answer what `hear` has heard: inference only.

    Parameters
    ----------
    tracks, mixtures
        The music to choose from, and its themes: what `theme` was trained on, or what `library` described.
    """
    return Pipeline(
        [
            Node(
                nodes.make_playlists,
                inputs=[
                    "params:recommend",
                    "params:taxonomy",
                    "hear.voices",
                    tracks,
                    mixtures,
                    "music.theme.cards",
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
