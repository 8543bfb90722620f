"""From the emotion probabilities of a voice over a bridge to a playlist, and to the reasons of its tracks."""

from __future__ import annotations

import copy
import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from affetto.errors import AffettoError
from affetto.io.paths import as_path, as_text
from affetto.recommendation.arc import (
    fill_minutes,
    order_as_arc,
    points_of_emotions,
    points_of_library,
)
from affetto.recommendation.library import names_of_themes
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.playlist import POOR_BELOW, Playlist, Track, inside_emotion, note_match
from affetto.recommendation.ranking import (
    NO_THEME,
    Ranking,
    find_themes,
    index_library,
    rank_tracks,
    theme_weights,
)
from affetto.recommendation.voice import (
    Answer,
    EmotionProbability,
    VoiceEmotion,
    clock,
    percent,
    round_probability,
    sort_emotions,
)

_MIRROR = "congruent"
"""The bridge that tells where in the plane of music the mood of a voice lies."""


def bridge_matrix(
    bridges: Mapping[str, Any], name: str, voice_classes: Sequence[str], music_classes: Sequence[str]
) -> np.ndarray:
    """Write a bridge as `P(music emotion wanted | voice emotion)`, float64 [n_voice, n_music].

    Parameters
    ----------
    bridges
        Bridges by name: voice emotion → music emotion → weight (not negative; a row need not sum to 1).
    name
        Which of them.
    voice_classes, music_classes
        Emotions of the voice, the rows, and of the music, the columns.

    Raises
    ------
    AffettoError
        When no bridge has this name, a voice emotion has no row with a weight above 0, a row names an unknown
        music emotion, or a weight is negative or not a number.
    """
    if name not in bridges:
        near = difflib.get_close_matches(name, bridges, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(sorted(bridges))}."
        raise AffettoError(f"There is no bridge {name!r}: {hint}")
    matrix = np.zeros((len(voice_classes), len(music_classes)))
    for row, voice in enumerate(voice_classes):
        for music, weight in (bridges[name].get(voice) or {}).items():
            if music not in music_classes:
                raise AffettoError(
                    f"The bridge {name!r} answers {voice} by {music}, which is no emotion of music: "
                    f"the known ones are {', '.join(music_classes)}."
                )
            if not (isinstance(weight, (int, float)) and math.isfinite(weight) and weight >= 0):
                raise AffettoError(
                    f"The bridge {name!r} answers {voice} by {music} with the weight {weight!r}: it must be "
                    "a number that is not negative."
                )
            matrix[row, music_classes.index(music)] = weight
        if not matrix[row].any():
            raise AffettoError(
                f"The bridge {name!r} has no weight above 0 for {voice}: say there which music answers it."
            )
    normalised: np.ndarray = matrix / matrix.sum(axis=1, keepdims=True)
    return normalised


class Recommender:
    """Answers voices from one library.

    Parameters
    ----------
    library
        Table of `affetto.recommendation.library.build_library`.
    theme_mixtures
        `clip_id, emotion, theme, probability`: P(theme | emotion, track).
    theme_cards
        A mapping a theme with at least `theme, emotion, name`.
    taxonomy
        The taxonomy: `emotions.music` and `bridges` are read.
    voice_classes
        Emotions of the voice model, in the order of its probabilities.
    parameters
        Parameters of the recommendation; their bridges go before those of the taxonomy.

    Raises
    ------
    AffettoError
        When the bridge or a preferred theme is unknown, or the bridge names an unknown emotion.
    """

    def __init__(
        self,
        library: pd.DataFrame,
        theme_mixtures: pd.DataFrame,
        theme_cards: Sequence[Mapping[str, Any]],
        taxonomy: Mapping[str, Any],
        voice_classes: Sequence[str],
        parameters: RecommendParameters,
    ) -> None:
        self.voice_classes = tuple(voice_classes)
        self.music_classes = tuple(taxonomy["emotions"]["music"])
        self._bridges = taxonomy.get("bridges", {})
        self._library = library.sort_values("clip_id", ignore_index=True)  # the order among equals
        self.clip_ids = tuple(map(str, self._library["clip_id"]))
        self.index = index_library(self._library, theme_mixtures)
        self._names = names_of_themes(theme_cards)
        self._points = points_of_library(self._library)
        self._sorted = np.sort(self.index.probabilities, axis=0)
        self._use(parameters)

    def adapted(self, parameters: RecommendParameters) -> Self:
        """Return what answers from the same library, which is not read again, by other parameters.

        Raises
        ------
        AffettoError
            As a new one does.
        """
        other = copy.copy(self)
        other._use(parameters)
        return other

    def _use(self, parameters: RecommendParameters) -> None:
        self.parameters = parameters
        self.bridge = self._matrix(parameters.bridge)
        preferred = find_themes(self.index, self._names, parameters.preferred_themes)
        self.weights = theme_weights(self.index, preferred)

    def _matrix(self, bridge: str) -> np.ndarray:
        bridges = {**self._bridges, **self.parameters.bridges}
        return bridge_matrix(bridges, bridge, self.voice_classes, self.music_classes)

    def recommend(self, voice: VoiceEmotion, factors: np.ndarray | None = None) -> Playlist:
        """Answer a voice whose emotions are known.

        Parameters
        ----------
        voice
            What was heard.
        factors
            float [n_tracks], what listeners' thumbs make of scores (`affetto.recommendation.likes.taste`, in
            the order of `clip_ids`); None: no thumbs.

        Raises
        ------
        AffettoError
            When the library knows none of the wanted emotions.
        """
        probability = {entry.emotion: entry.probability for entry in voice.emotions}
        heard = np.array([probability[emotion] for emotion in self.voice_classes])
        wanted = heard @ self.bridge
        of = dict(zip(self.music_classes, wanted, strict=True))
        in_library = np.array([of.get(emotion, 0.0) for emotion in self.index.emotions])
        if in_library.sum() <= 0:
            emotion = self.music_classes[int(np.argmax(wanted))]
            raise AffettoError(
                f"The bridge {self.parameters.bridge!r} wants {emotion} music, but the library only knows "
                f"{', '.join(self.index.emotions)}: choose another bridge or a larger music corpus."
            )
        ranking = self._rank(heard, wanted, in_library, factors)
        told = {name: getattr(voice, name) for name in Answer.model_fields}
        most = float(wanted.max())
        tracks = tuple(
            self._track(place, ranking, in_library, most, voice.emotions[0])
            for place in range(len(ranking.tracks))
        )
        wished = sort_emotions(self.music_classes, wanted)
        return Playlist(
            **told,
            status="ok",
            voice_emotions=voice.emotions,
            bridge=self.parameters.bridge,
            music_emotions=wished,
            match_note=note_match(tracks, wished[0].emotion),
            tracks=tracks,
        )

    def _rank(
        self, heard: np.ndarray, wanted: np.ndarray, in_library: np.ndarray, factors: np.ndarray | None
    ) -> Ranking:
        """Choose and order tracks, as many as are wanted."""
        parameters = self.parameters
        if parameters.minutes is not None:
            parameters = parameters.model_copy(update={"top": parameters.pool})
        ranking = rank_tracks(self.index, in_library, parameters, self.weights, factors)
        order = np.arange(len(ranking.tracks))
        if parameters.minutes is not None:
            durations = self._library["duration_s"].to_numpy(dtype=np.float64)[ranking.tracks]
            order = order[: fill_minutes(durations, parameters.minutes)]
        if parameters.arc:
            plane = points_of_emotions(self.music_classes)
            mood = heard @ self._matrix(_MIRROR) @ plane
            order = order[order_as_arc(self._points[ranking.tracks[order]], mood, wanted @ plane)]
        return Ranking(*(part[order] for part in ranking))

    def _track(
        self, place: int, ranking: Ranking, wanted: np.ndarray, most: float, told: EmotionProbability
    ) -> Track:
        """Describe the track at a place of the ranking; `most` is how much any emotion is wanted."""
        row = int(ranking.tracks[place])
        track, own = self._library.iloc[row], self.index.probabilities[row]
        answers = int(np.argmax(wanted * own))
        emotion = self.index.emotions[answers]
        theme, probability, share = self._theme(row, answers)
        name = None if theme is None else self._names.get((emotion, theme), f"theme {theme}")
        fewer = np.searchsorted(self._sorted[:, answers], own[answers])
        better_than = float(fewer) / len(self._sorted)
        reasons = [
            f"The voice sounds most like {told.emotion} ({percent(told.probability)}), and the bridge "
            f"{self.parameters.bridge!r} wants {emotion} music with {percent(wanted[answers])}.",
            f"This track is {emotion} with a probability of {percent(own[answers])}, more than "
            f"{percent(better_than)} of the library.",
        ]
        match = round_probability((wanted * own).sum())
        fit = round_probability(match / most)
        own_emotion, own_theme = str(track["emotion"]), _text(track["theme"])
        own_name = None if own_theme is None else _text(track["theme_name"])
        if own_emotion != emotion:
            named = f", {inside_emotion(own_name, own_emotion)}" if own_name else ""
            reasons.append(f"By itself it is more likely {own_emotion} ({percent(own.max())}{named}).")
        if track["predicted_tags"]:
            reasons.append(f"Listeners might tag it {track['predicted_tags']} (predicted by musicnn).")
        if fit < POOR_BELOW:
            reasons.append(
                f"It is a poor match: it fits by {percent(fit)}, so it is likelier not to be as wanted."
            )
        if theme is not None:
            part = f"which makes up {percent(share)} of the {emotion} music"
            reasons.append(f"Its {emotion} theme is {name!r} ({percent(probability)}), {part}.")
        return Track(
            rank=place + 1,
            clip_id=str(track["clip_id"]),
            path=as_text(as_path(str(track["root"])) / str(track["path"])),
            start_s=0.0 if pd.isna(track["start_s"]) else float(track["start_s"]),
            end_s=None if pd.isna(track["end_s"]) else float(track["end_s"]),
            title=str(track["title"]),
            duration_s=float(track["duration_s"]),
            score=float(ranking.scores[place]),
            match=match,
            fit=fit,
            emotion=own_emotion,
            emotions=sort_emotions(self.index.emotions, own),
            answers=emotion,
            theme=theme,
            theme_name=name,
            theme_probability=None if theme is None else probability,
            own_theme=own_theme,
            own_theme_name=own_name,
            predicted_tags=str(track["predicted_tags"]),
            highlight_start_s=float(track["highlight_start_s"]),
            highlight_end_s=float(track["highlight_end_s"]),
            reasons=(*reasons, *self._reasons_of_place(track, place, int(ranking.places[place]))),
        )

    def _theme(self, row: int, emotion: int) -> tuple[str | None, float, float]:
        """Return the likeliest theme of a track inside an emotion, its probability and its share.

        There is none without themes, or when all are alike, as where nothing is known of the track.
        """
        columns = np.flatnonzero(self.index.emotion_of_pair == emotion)
        mixture = self.index.mixtures[row, columns]
        best = int(np.argmax(mixture))
        _, theme = self.index.pairs[columns[best]]
        if theme == NO_THEME or (len(columns) > 1 and np.ptp(mixture) == 0):
            return None, 0.0, 0.0
        probability = mixture[best] / mixture.sum() if mixture.sum() > 0 else 1.0 / len(columns)
        share = self.index.library_shares[columns[best]]
        return theme, round_probability(probability), round_probability(share)

    def _reasons_of_place(self, track: pd.Series, place: int, by_score: int) -> list[str]:
        """Say where the track starts and, where it is not the score, why it is at its place."""
        reasons = []
        if pd.notna(track["highlight_attention"]):
            start, end = clock(track["highlight_start_s"]), clock(track["highlight_end_s"])
            part = f"{percent(track['highlight_attention'])} of the emotion model's attention"
            reasons.append(f"It starts at its highlight, {start} to {end}, where {part} lies.")
        if self.parameters.arc:
            reasons.append("Its place is on the way from the mood of the voice to that of the playlist.")
        elif by_score > place + 1:
            reasons.append(f"It is here for variety: by score alone it would be number {by_score}.")
        return reasons


def _text(cell: Any) -> str | None:
    """Return a cell of a table as text; missing is None."""
    return str(cell) if isinstance(cell, str) else None
