"""Wiring of the recommendation."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from affetto.pipelines.hear.pipeline import BOX
from affetto.pipelines.recommend import nodes


def create_pipeline(library: str = "music.library") -> Pipeline:
    """Build the playlists that answer what `hear` has heard: inference only.

    Parameters
    ----------
    library
        The music to choose from: what `theme` was trained on, or what `library` described.
    """
    return Pipeline(
        [
            Node(
                nodes.make_playlists,
                inputs=["params:recommend", "params:taxonomy", "hear.voices", library],
                outputs="recommend.playlists",
                name="make_playlists",
                namespace=BOX,
            ),
            Node(
                nodes.describe_playlists,
                inputs="recommend.playlists",
                outputs="recommend.summary",
                name="describe_playlists",
                namespace=BOX,
            ),
        ]
    )
