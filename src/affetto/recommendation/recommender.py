"""From the emotion probabilities of a voice to a playlist, and to the reasons of its tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from affetto.errors import AffettoError
from affetto.io.paths import as_path, as_text
from affetto.recommendation.bridge import bridge_matrix, choose_bridge, wanted_emotions
from affetto.recommendation.library import names_of_themes
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.playlist import Playlist, Track
from affetto.recommendation.ranking import (
    NO_THEME,
    Ranking,
    find_themes,
    index_library,
    rank_tracks,
    theme_weights,
)
from affetto.recommendation.voice import (
    EmotionProbability,
    clock,
    percent,
    round_probability,
    sort_emotions,
)


class Recommender:
    """Answers voices from one library.

    Parameters
    ----------
    library
        Table of `affetto.recommendation.library.build_library`.
    theme_mixtures
        `clip_id, emotion, theme, probability`: P(theme | emotion, track).
    taxonomy
        The taxonomy: `emotions.music` and `bridges` are read.
    theme_cards
        A mapping a theme with at least `theme, emotion, name`.
    voice_classes
        Emotions of the voice model, in the order of its probabilities.
    parameters
        Parameters of the recommendation.

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
        self.parameters = parameters
        self.voice_classes = tuple(voice_classes)
        self.music_classes = tuple(taxonomy["emotions"]["music"])
        own = parameters.bridge in parameters.bridges
        key = f"{'recommend' if own else 'taxonomy'}.bridges.{parameters.bridge}"
        bridge = choose_bridge(taxonomy, parameters.bridges, parameters.bridge)
        self.bridge = bridge_matrix(bridge, self.voice_classes, self.music_classes, key=key)
        self._library = library.reset_index(drop=True)
        self.index = index_library(self._library, theme_mixtures)
        self._names = names_of_themes(theme_cards)
        preferred = find_themes(self.index, self._names, parameters.preferred_themes)
        self._weights = theme_weights(
            self.index,
            weighting=parameters.theme_weighting,
            preferred=preferred,
            preference=parameters.preference,
        )

    def recommend(self, name: str, recording: str, voice_probabilities: np.ndarray) -> Playlist:
        """Answer one voice.

        Parameters
        ----------
        name, recording
            Name of the playlist, and path of the recording.
        voice_probabilities
            float [n_voice_classes], summing to 1.

        Raises
        ------
        AffettoError
            When the library knows none of the wanted emotions.
        """
        wanted = wanted_emotions(voice_probabilities, self.bridge)
        in_library = self._in_library(wanted)
        ranking = rank_tracks(self.index, in_library, self.parameters, self._weights)
        told = sort_emotions(self.voice_classes, voice_probabilities)
        return Playlist(
            name=name,
            recording=recording,
            status="ok",
            emotion=told[0].emotion,
            voice_emotions=told,
            unsure=told[0].probability < self.parameters.unsure_below,
            bridge=self.parameters.bridge,
            music_emotions=sort_emotions(self.music_classes, wanted),
            tracks=tuple(
                self._track(place, ranking, in_library, told[0]) for place in range(len(ranking.tracks))
            ),
        )

    def _in_library(self, wanted: np.ndarray) -> np.ndarray:
        """Return the wanted probabilities in the library's order, float64 [n_library_emotions]."""
        of = dict(zip(self.music_classes, wanted, strict=True))
        known = np.array([of.get(emotion, 0.0) for emotion in self.index.emotions])
        if known.sum() <= 0:
            emotion = self.music_classes[int(np.argmax(wanted))]
            raise AffettoError(
                f"The bridge {self.parameters.bridge!r} wants {emotion} music, but the library only knows "
                f"{', '.join(self.index.emotions)}: choose another bridge or a larger music corpus."
            )
        return known

    def _track(self, place: int, ranking: Ranking, wanted: np.ndarray, told: EmotionProbability) -> Track:
        row = int(ranking.tracks[place])
        track = self._library.iloc[row]
        own = self.index.probabilities[row]
        terms = wanted * own
        answers = int(np.argmax(terms))
        emotion = self.index.emotions[answers]
        theme, probability, share = self._theme(row, answers)
        name = None if theme is None else self._names.get((emotion, theme), f"theme {theme}")
        start_s, end_s = float(track["highlight_start_s"]), float(track["highlight_end_s"])
        better_than = float(np.mean(self.index.probabilities[:, answers] < own[answers]))
        reasons = [
            f"The voice sounds most like {told.emotion} ({percent(told.probability)}), "
            f"and the bridge {self.parameters.bridge!r} wants {emotion} music "
            f"with {percent(float(wanted[answers]))}.",
            f"This track is {emotion} with a probability of {percent(float(own[answers]))}, "
            f"more than {percent(better_than)} of the library.",
        ]
        if theme is not None:
            reasons.append(
                f"Its theme is {name!r} ({percent(probability)}), which makes up "
                f"{percent(share)} of the {emotion} music."
            )
        if pd.notna(track["highlight_attention"]):
            reasons.append(
                f"It starts at its highlight, {clock(start_s)} to {clock(end_s)}, where "
                f"{percent(float(track['highlight_attention']))} of the emotion model's attention lies."
            )
        by_score = int(ranking.places[place])
        if by_score > place + 1:
            reasons.append(f"It is here for variety: by score alone it would be number {by_score}.")
        return Track(
            rank=place + 1,
            clip_id=str(track["clip_id"]),
            path=as_text(as_path(str(track["root"])) / str(track["path"])),
            start_s=0.0 if pd.isna(track["start_s"]) else float(track["start_s"]),
            end_s=None if pd.isna(track["end_s"]) else float(track["end_s"]),
            title=str(track["title"]),
            duration_s=float(track["duration_s"]),
            score=float(ranking.scores[place]),
            match=round_probability(terms.sum()),
            emotion=str(track["emotion"]),
            emotions=sort_emotions(self.index.emotions, own),
            answers=emotion,
            theme=theme,
            theme_name=name,
            theme_probability=probability,
            highlight_start_s=start_s,
            highlight_end_s=end_s,
            reasons=tuple(reasons),
        )

    def _theme(self, row: int, emotion: int) -> tuple[str | None, float | None, float | None]:
        """Return the likeliest theme of a track inside an emotion, its probability and its share.

        None where there is none: no themes, or all alike, as where nothing is known of the track.
        """
        columns = np.flatnonzero(self.index.emotion_of_pair == emotion)
        mixture = self.index.mixtures[row, columns]
        best = int(np.argmax(mixture))
        theme = self.index.pairs[columns[best]][1]
        if theme == NO_THEME or (len(columns) > 1 and np.ptp(mixture) == 0):
            return None, None, None
        probability = mixture[best] / mixture.sum() if mixture.sum() > 0 else 1.0 / len(columns)
        return (
            theme,
            round_probability(probability),
            round_probability(self.index.library_shares[columns[best]]),
        )
