"""Nodes of the recommendation."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.errors import AffettoError
from affetto.models.base import Estimator
from affetto.recommendation.library import build_library
from affetto.recommendation.listening import hear
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.playlist import Playlist
from affetto.recommendation.recommender import Recommender
from affetto.recommendation.recordings import list_recordings, readable, screen_recordings
from affetto.recommendation.summary import summarise

_LOGGER = logging.getLogger(__name__)
_PROBABILITY = "p_"


def assemble_library(
    parameters: RecommendParameters,
    corpus: CorpusParameters,
    clips: pd.DataFrame,
    emotions: pd.DataFrame,
    mixtures: pd.DataFrame,
    cards: list[dict[str, Any]],
    attention: pd.DataFrame,
) -> pd.DataFrame:
    """Put together what is known of every track."""
    return build_library(
        clips,
        corpus.root,
        emotions,
        mixtures,
        cards,
        attention,
        highlight_s=parameters.highlight_s,
        other_roots=corpus.other_roots,
    )


def find_speech(parameters: RecommendParameters, model: str) -> pd.DataFrame:
    """List the recordings and tell which hold speech.

    `model` is where the voice model was fitted: recordings are looked for only when there is one, since
    those of the demo are made together with its corpus.

    Raises
    ------
    AffettoError
        When there are no recordings, or none holds speech.
    """
    screened = screen_recordings(list_recordings(Path(parameters.voice)), parameters.voice_activity)
    _require_one(screened, parameters.voice)
    return screened


def recognise_voices(
    parameters: RecommendParameters, screened: pd.DataFrame, model: Estimator
) -> pd.DataFrame:
    """Add a column `p_<emotion>` for each emotion of the voice; NaN where there is no speech."""
    table, probabilities = hear(model, screened)
    _require_one(table, parameters.voice)
    columns = [f"{_PROBABILITY}{emotion}" for emotion in model.classes_]
    return table.assign(**dict(zip(columns, probabilities.T, strict=True)))


def make_playlists(
    parameters: RecommendParameters,
    taxonomy: dict[str, Any],
    voices: pd.DataFrame,
    library: pd.DataFrame,
    mixtures: pd.DataFrame,
) -> dict[str, Playlist]:
    """Answer every recording, those without speech by a message only."""
    columns = [name for name in voices.columns if name.startswith(_PROBABILITY)]
    classes = [name.removeprefix(_PROBABILITY) for name in columns]
    recommender = Recommender(library, mixtures, taxonomy, classes, parameters)
    answers = {
        str(row["name"]): _answer(recommender, row, row[columns].to_numpy(dtype=np.float64))
        for _, row in voices.iterrows()
    }
    if not any(playlist.status == "ok" for playlist in answers.values()):
        raise AffettoError(next(playlist.message or "" for playlist in answers.values()))
    return answers


def describe_playlists(playlists: dict[str, Playlist]) -> str:
    """Write the playlists as a text and log it."""
    text = summarise(playlists.values())
    _LOGGER.info("Playlists:\n%s", text)
    return text


def _answer(recommender: Recommender, row: pd.Series, probabilities: np.ndarray) -> Playlist:
    name, recording = str(row["name"]), readable(str(row["path"]))
    if row["status"] == "ok":
        try:
            return recommender.recommend(name, recording, probabilities)
        except AffettoError as error:
            _LOGGER.warning("%s: %s", name, error)
            return Playlist(name=name, recording=recording, status="unanswered", message=str(error))
    _LOGGER.warning("%s", row["message"])
    return Playlist(name=name, recording=recording, status=row["status"], message=str(row["message"]))


def _require_one(table: pd.DataFrame, path: str) -> None:
    if (table["status"] == "ok").any():
        return
    message = str(table["message"].iloc[0])
    if len(table) > 1:
        raise AffettoError(
            f"None of the {len(table)} recordings in {path} can be answered; the first: {message}"
        )
    raise AffettoError(message)
