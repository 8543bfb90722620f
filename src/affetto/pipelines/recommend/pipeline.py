"""Wiring of inference: the emotion of voices, a library of music without labels, and playlists."""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Pipeline

from affetto.pipelines import step
from affetto.pipelines.recommend import nodes

_BOX, _LIBRARY = "playlist", "library"
"""Boxes in Kedro-Viz."""
_PARAMETERS, _EXECUTOR, _CACHE = "params:recommend", "params:executor", "params:cache"


def create_hear_pipeline(voice_model: str | None = None) -> Pipeline:
    """Build what tells the emotion of recordings.

    Parameters
    ----------
    voice_model
        Name of a model in the model table, which `voice` has made; None for the model that is ready.
    """
    model = "ready.voice_model" if voice_model is None else f"voice.emotion.{voice_model}.model"
    found = ["hear.recordings", "hear.enrolled"]
    return Pipeline(
        [
            step(nodes.find_speech, [_PARAMETERS, model], found, box=_BOX),
            step(nodes.recognise_voices, [_PARAMETERS, *found, model], "hear.voices", box=_BOX),
        ]
    )


def create_summary_pipeline() -> Pipeline:
    """Build the step that puts the emotion of voices into words."""
    describe = step(nodes.describe_voices, [_PARAMETERS, "hear.voices"], "hear.summary", box=_BOX)
    return Pipeline([describe])


def create_playlist_pipeline(library: str = "music.library") -> Pipeline:
    """Build the playlists that answer voices.

    Parameters
    ----------
    library
        The music to choose from: what `theme` was trained on, or what `library` described.
    """
    inputs, made = [_PARAMETERS, "params:taxonomy", "hear.voices", library], "recommend.playlists"
    return Pipeline(
        [
            step(nodes.make_playlists, inputs, made, box=_BOX),
            step(nodes.describe_playlists, [made], "recommend.summary", box=_BOX),
        ]
    )


def create_library_pipeline(model: str, names: Sequence[str]) -> Pipeline:
    """Build the description of music without labels, from its clips and features, on what `theme` has made.

    Parameters
    ----------
    model, names
        Name of the music model in the model table, and the features that it reads.
    """
    corpus, clips, export = "params:library.corpus", "library.clips", "params:library.export"
    fitted = [f"music.emotion.{model}.model", "music.theme.codebook", "music.theme.model"]
    found = ("emotions", "highlights", "mixtures", "wordless", "notes", "learnt_from")
    known = [f"library.{name}" for name in found]
    heard = [corpus, clips, "library.features", *fitted, export, _EXECUTOR, _CACHE]
    told = [corpus, clips, "library.rejected", *known, "music.theme.cards", "library.features"]
    made = ["library.library", "library.tracks_csv", "library.summary"]
    return Pipeline(
        [
            step(nodes.recognise_tracks, heard, known, box=_LIBRARY, names=tuple(names)),
            step(nodes.describe_tracks, told, made, box=_LIBRARY),
            step(nodes.choose_tags, [export, "library.library"], "library.tagged", box=_LIBRARY),
        ]
    )
