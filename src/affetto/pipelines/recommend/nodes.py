"""Nodes of the recommendation."""

from __future__ import annotations

import logging
from typing import Any

from affetto.errors import AffettoError
from affetto.pipelines.hear.nodes import require_an_answer
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.playlist import Playlist, summarise_playlists
from affetto.recommendation.recommender import Recommender
from affetto.recommendation.voice import VoiceEmotion, VoiceResult

_LOGGER = logging.getLogger(__name__)


def make_playlists(
    parameters: RecommendParameters,
    taxonomy: dict[str, Any],
    results: dict[str, VoiceResult],
    library: dict[str, Any],
) -> dict[str, Playlist]:
    """Answer every recording, those without speech by a message only.

    Raises
    ------
    AffettoError
        When none can be answered.
    """
    require_an_answer(results, parameters.voice)
    voices = {name: result.voice for name, result in results.items()}
    classes = sorted({entry.emotion for voice in voices.values() for entry in voice.emotions})
    recommender = Recommender(
        library["tracks"], library["mixtures"], library["cards"], taxonomy, classes, parameters
    )
    answers = {name: _answer(recommender, voice) for name, voice in voices.items()}
    if not any(playlist.status == "ok" for playlist in answers.values()):
        raise AffettoError(next(playlist.message or "" for playlist in answers.values()))
    return answers


def _answer(recommender: Recommender, voice: VoiceEmotion) -> Playlist:
    if voice.status != "ok":
        return Playlist(
            name=voice.name, recording=voice.recording, status=voice.status, message=voice.message
        )
    try:
        return recommender.recommend(voice)
    except AffettoError as error:
        _LOGGER.warning("%s: %s", voice.name, error)
        return Playlist(name=voice.name, recording=voice.recording, status="unanswered", message=str(error))


def describe_playlists(playlists: dict[str, Playlist]) -> str:
    """Write the playlists as a text and log it."""
    text = summarise_playlists(playlists.values())
    _LOGGER.info("Playlists:\n%s", text)
    return text
