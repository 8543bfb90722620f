"""Wiring of the library: clips → features → emotion and themes → table, export, tagged copies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from affetto.pipelines.corpora.pipeline import create_clips_pipeline
from affetto.pipelines.features.pipeline import create_pipeline as features_pipeline
from affetto.pipelines.library import nodes
from affetto.pipelines.theme.nodes import FEATURES


def create_pipeline(model: str, model_features: Sequence[str]) -> Pipeline:
    """Build the description of music without labels: inference only, on what `theme` has made.

    Parameters
    ----------
    model
        Name of the music model in the model table.
    model_features
        What it reads.
    """
    features = tuple(dict.fromkeys([*model_features, *FEATURES]))
    return (
        create_clips_pipeline("library", kind="music")
        + features_pipeline("library", features, parameters_of="music")
        + _description(model, model_features)
    )


def _description(model: str, model_features: Sequence[str]) -> Pipeline:
    export = "params:library.export"
    recognise = partial(nodes.recognise_emotions, names=tuple(model_features))
    return Pipeline(
        [
            Node(
                update_wrapper(recognise, nodes.recognise_emotions),
                inputs={
                    "export": export,
                    "clips": "library.clips",
                    "model": f"music.emotion.{model}.model",
                    "executor": "params:executor",
                    "cache": "params:cache",
                    "features": "library.features",
                },
                outputs=["library.emotions", "library.highlights"],
                name="recognise_emotions",
                namespace="library",
            ),
            Node(
                nodes.find_themes,
                inputs={
                    "codebook": "music.theme.codebook",
                    "model": "music.theme.model",
                    "executor": "params:executor",
                    "features": "library.features",
                },
                outputs=["library.mixtures", "library.wordless"],
                name="find_themes",
                namespace="library",
            ),
            Node(
                nodes.note_speech,
                inputs=["params:library.corpus", "library.clips", "params:executor", "params:cache"],
                outputs="library.notes",
                name="note_speech",
                namespace="library",
            ),
            Node(
                nodes.describe_tracks,
                inputs=[
                    "params:library.corpus",
                    "library.clips",
                    "library.rejected",
                    "library.emotions",
                    "library.highlights",
                    "library.mixtures",
                    "library.wordless",
                    "music.theme.cards",
                    "library.notes",
                ],
                outputs=["library.library", "library.tracks_csv", "library.summary"],
                name="describe_tracks",
                namespace="library",
            ),
            Node(
                nodes.choose_tags,
                inputs=[export, "library.library"],
                outputs="library.tagged",
                name="choose_tags",
                namespace="library",
            ),
        ]
    )
