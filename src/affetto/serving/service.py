"""The warm model and the library: what every answer of the server is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import pandas as pd
from pydantic import Field

from affetto.errors import AffettoError
from affetto.models.estimator import Estimator
from affetto.recommendation.arc import points_of_library
from affetto.recommendation.likes import taste
from affetto.recommendation.listen import listen
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.playlist import Playlist
from affetto.recommendation.recommender import Recommender
from affetto.recommendation.timeline import summarise_timeline, timeline_table
from affetto.recommendation.voice import (
    PROBABILITY,
    Data,
    EmotionProbability,
    LearntFrom,
    VoiceEmotion,
    emotions_of,
    sort_emotions,
)
from affetto.recommendation.windows import Window

AUDIO = "/library/audio/"
"""Where the server offers the audio of tracks."""
_RECORDING = "recording"


class NoLibraryError(AffettoError):
    """There is no library to choose from yet."""


class NoSpeechError(AffettoError):
    """A recording can be read, but nobody speaks in it."""


class Step(Data):
    """A step of the emotion over time."""

    start_s: float = Field(ge=0)
    end_s: float = Field(ge=0)
    speech_s: float = Field(ge=0, description="Speech in it, s.")
    emotions: dict[str, float] = Field(description="Probability of each; empty: hardly any speech.")
    novelty: float | None = Field(description="As of the whole recording.")


class Heard(VoiceEmotion):
    """The emotion of the voice in an uploaded recording, and every step of it."""

    steps: tuple[Step, ...]


class LibraryTrack(Data):
    """A track of the library."""

    clip_id: str
    title: str
    duration_s: float
    emotion: str
    emotions: tuple[EmotionProbability, ...] = Field(description="All of them, likeliest first.")
    theme: str | None
    theme_name: str | None
    predicted_tags: str
    valence: float | None
    arousal: float | None
    highlight_start_s: float
    highlight_end_s: float
    x: float = Field(description="Valence on a map of the library, -1 to 1.")
    y: float = Field(description="Arousal there, -1 to 1.")


class LibraryPage(Data):
    """A part of the tracks that were asked for."""

    total: int = Field(ge=0, description="How many there are in all.")
    tracks: tuple[LibraryTrack, ...]


class LibraryCounts(Data):
    """What the library holds."""

    tracks: int
    emotions: dict[str, int] = Field(description="Tracks of each emotion.")
    themes: int


class Screened(NamedTuple):
    """A recording in which somebody speaks, ready to be heard.

    Attributes
    ----------
    path
        Its decoded sound.
    windows
        Where to listen.
    message
        What is wrong with the file although it is used; empty where nothing is.
    """

    path: Path
    windows: Sequence[Window]
    message: str = ""


class Service:
    """Hears voices with one model and answers from one library; it holds nothing of any listener.

    Only one thread at a time may call `hear`.

    Parameters
    ----------
    model
        Fitted voice model.
    parameters
        Parameters of the recommendation, the defaults of each request.
    taxonomy
        The taxonomy: `emotions.music` and `bridges` are read.
    library
        `tracks`, `mixtures` and `cards`; None where none was made yet.
    missing
        What to do then, in a sentence.
    """

    def __init__(
        self,
        model: Estimator,
        parameters: RecommendParameters,
        taxonomy: Mapping[str, Any],
        library: Mapping[str, Any] | None,
        missing: str = "",
    ) -> None:
        self.parameters = parameters
        self.emotions = tuple(str(name) for name in model.classes_)
        self.voice_model = LearntFrom.model_validate(model.learnt_from_) if model.learnt_from_ else None
        self.bridges = tuple(sorted({**taxonomy.get("bridges", {}), **parameters.bridges}))
        self._model, self._missing = model, missing
        self._recommender: Recommender | None = None
        self._tracks: pd.DataFrame | None = None
        self.cards: list[dict[str, Any]] = []
        if library is not None:
            self.cards = list(library["cards"])
            self._tracks = _with_points(library["tracks"])
            parts = (library["tracks"], library["mixtures"], self.cards)
            self._recommender = Recommender(*parts, taxonomy, self.emotions, parameters)
            self._rows = {str(name): row for row, name in enumerate(self._tracks["clip_id"])}
            self._searched = self._tracks["title"].str.casefold()
        self._taste: tuple[Mapping[str, bool], np.ndarray | None] = ({}, None)

    def hear(self, recording: Screened) -> Heard:
        """Tell the emotion of a voice over time.

        Raises
        ------
        AffettoError
            When its features cannot be computed.
        """
        entry = {_RECORDING: (recording.path, recording.windows)}
        heard = listen(self._model, entry, batch=self.parameters.timeline.batch)
        if heard.failures:
            told = heard.failures[_RECORDING].replace(str(recording.path), "the recording")
            raise AffettoError(told)
        found = heard.posteriors[_RECORDING], heard.novelty[_RECORDING], self._model.classes_
        table = timeline_table(
            _RECORDING, recording.windows, *found, self.parameters, heard.ratings[_RECORDING]
        )
        voice = summarise_timeline(table, _RECORDING, self.parameters, heard_by=self.voice_model)
        known = {name: getattr(voice, name) for name in VoiceEmotion.model_fields}
        known["message"] = recording.message
        return Heard(**known, steps=_steps(table))

    def known_voice(self, emotions: Mapping[str, float]) -> VoiceEmotion:
        """Return a voice of which only the probabilities are known; they are made to sum to 1.

        Raises
        ------
        AffettoError
            When an emotion is none of the model's, or all are 0.
        """
        for name in emotions:
            if name not in self.emotions:
                known = ", ".join(self.emotions)
                raise AffettoError(f"The model knows no emotion {name!r}: it knows {known}.")
        values = np.array([emotions.get(name, 0.0) for name in self.emotions])
        if not values.sum() > 0:
            raise AffettoError("No emotion has a probability above 0: give at least one.")
        ordered = sort_emotions(self.emotions, values / values.sum())
        return VoiceEmotion(
            name=_RECORDING,
            recording=_RECORDING,
            status="ok",
            emotion=ordered[0].emotion,
            emotions=ordered,
            unsure=ordered[0].probability < self.parameters.unsure_below,
        )

    def recommend(
        self, voice: VoiceEmotion, likes: Mapping[str, bool], wishes: Mapping[str, Any]
    ) -> Playlist:
        """Answer a voice with a playlist, whose paths are addresses of this server.

        Parameters
        ----------
        voice
            What was heard.
        likes
            Thumbs: clip id → up or down.
        wishes
            Parameters of the recommendation that are to have other values than the server's.

        Raises
        ------
        NoLibraryError
            When there is none yet.
        AffettoError
            When a wish cannot be met.
        """
        recommender, _ = self._of_library()
        recommender = recommender.adapted(self.parameters.model_copy(update=dict(wishes)))
        playlist = recommender.recommend(voice, self._factors(likes))
        tracks = [
            track.model_copy(update={"path": f"{AUDIO}{quote(track.clip_id)}"}) for track in playlist.tracks
        ]
        return playlist.model_copy(update={"tracks": tuple(tracks)})

    def _factors(self, likes: Mapping[str, bool]) -> np.ndarray | None:
        """Return what likes make of scores, computed once for as long as they stay."""
        recommender, _ = self._of_library()
        if likes != self._taste[0]:
            self._taste = (dict(likes), taste(recommender.index, recommender.clip_ids, likes))
        return self._taste[1]

    def _of_library(self) -> tuple[Recommender, pd.DataFrame]:
        if self._recommender is None or self._tracks is None:
            raise NoLibraryError(self._missing)
        return self._recommender, self._tracks

    def has_track(self, clip_id: str) -> bool:
        """Tell whether the library has a track."""
        self._of_library()
        return clip_id in self._rows

    def track_file(self, clip_id: str) -> tuple[str, str]:
        """Return folder, or its address, and path of the audio of a track that the library has."""
        _, tracks = self._of_library()
        row = tracks.iloc[self._rows[clip_id]]
        return str(row["root"]), str(row["path"])

    def require_library(self) -> None:
        """Raise `NoLibraryError` where there is none yet."""
        self._of_library()

    def counts(self) -> LibraryCounts | None:
        """Count what the library holds; None where there is none yet."""
        if self._tracks is None:
            return None
        emotions = {str(name): int(n) for name, n in self._tracks["emotion"].value_counts().items()}
        return LibraryCounts(tracks=len(self._tracks), emotions=emotions, themes=len(self.cards))

    def browse(
        self, *, emotion: str | None, theme: str | None, search: str, offset: int, limit: int
    ) -> LibraryPage:
        """List tracks, by title, as asked for.

        Parameters
        ----------
        emotion, theme
            Those the tracks are to have; None: any.
        search
            What is to occur in the title, whatever the case.
        offset, limit
            How many to leave out, and to list.
        """
        _, tracks = self._of_library()
        chosen = np.ones(len(tracks), dtype=bool)
        if emotion is not None:
            chosen &= (tracks["emotion"] == emotion).to_numpy()
        if theme is not None:
            chosen &= (tracks["theme"] == theme).to_numpy(dtype=bool, na_value=False)
        if search:
            found = self._searched.str.contains(search.casefold(), regex=False)
            chosen &= found.to_numpy(dtype=bool, na_value=False)
        part = tracks[chosen].iloc[offset : offset + limit]
        names = emotions_of(tracks)
        listed = tuple(_describe(row, names) for row in part.to_dict("records"))
        return LibraryPage(total=int(chosen.sum()), tracks=listed)


def _steps(table: pd.DataFrame) -> tuple[Step, ...]:
    names = emotions_of(table)
    steps = []
    for row in table.to_dict("records"):
        told = {name: row[f"{PROBABILITY}{name}"] for name in names}
        spoken = all(np.isfinite(value) for value in told.values())
        step = Step(
            **{name: float(row[name]) for name in ("start_s", "end_s", "speech_s")},
            emotions=told if spoken else {},
            novelty=_number(row["novelty"]),
        )
        steps.append(step)
    return tuple(steps)


def _with_points(library: pd.DataFrame) -> pd.DataFrame:
    """Order a library by title, and put every track on the map."""
    points = points_of_library(library)
    ordered = library.assign(x=points[:, 0], y=points[:, 1])
    return ordered.sort_values(["title", "clip_id"], ignore_index=True)


def _describe(row: Mapping[Any, Any], emotions: Sequence[str]) -> LibraryTrack:
    probabilities = np.array([row[f"{PROBABILITY}{name}"] for name in emotions])
    return LibraryTrack(
        **{name: str(row[name]) for name in ("clip_id", "title", "emotion", "predicted_tags")},
        **{name: _text(row[name]) for name in ("theme", "theme_name")},
        **{name: _number(row.get(name)) for name in ("valence", "arousal")},
        **{name: float(row[name]) for name in ("duration_s", "x", "y")},
        **{name: _number(row[name]) or 0.0 for name in ("highlight_start_s", "highlight_end_s")},
        emotions=sort_emotions(emotions, probabilities),
    )


def _text(cell: Any) -> str | None:
    return cell if isinstance(cell, str) else None


def _number(cell: Any) -> float | None:
    return None if cell is None or pd.isna(cell) else round(float(cell), 6)
