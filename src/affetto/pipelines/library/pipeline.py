"""Wiring of the library: clips → features → emotion and themes → table, export, tagged copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from typing import Any

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
    export, executor, cache = "params:library.export", "params:executor", "params:cache"
    corpus, clips, own_features = "params:library.corpus", "library.clips", "library.features"
    found = ["library.emotions", "library.highlights", "library.mixtures", "library.wordless"]
    recognise = partial(nodes.recognise_emotions, names=tuple(model_features))
    description = [
        _node(
            update_wrapper(recognise, nodes.recognise_emotions),
            [own_features, f"music.emotion.{model}.model", clips, export, executor, cache],
            found[:2],
        ),
        _node(
            nodes.find_themes,
            [own_features, "music.theme.codebook", "music.theme.model", executor],
            found[2:],
        ),
        _node(nodes.note_speech, [corpus, clips, executor, cache], "library.notes"),
        _node(
            nodes.describe_tracks,
            [corpus, clips, "library.rejected", *found, "library.notes", "music.theme.cards"],
            ["library.library", "library.tracks_csv", "library.summary"],
        ),
        _node(nodes.choose_tags, [export, "library.library"], "library.tagged"),
    ]
    return (
        create_clips_pipeline("library", kind="music")
        + features_pipeline("library", features, parameters_of="music")
        + Pipeline(description)
    )


def _node(function: Callable[..., Any], inputs: list[str], outputs: str | list[str]) -> Node:
    return Node(function, inputs, outputs, name=function.__name__, namespace="library")
