"""The theme model: one LDA inside every emotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from affetto.parallel import ExecutorParameters
from affetto.themes.bags import AudioWords, Documents, lazy_documents
from affetto.themes.parameters import TopicParameters
from affetto.themes.selection import EmotionClips, select_topics
from affetto.themes.topics import TopicModel


@dataclass(frozen=True, eq=False)
class ThemeModel:
    """Topic models by emotion.

    Attributes
    ----------
    emotions
        A topic model an emotion, sorted by name; an emotion without clips has one empty theme.
    parameters
        How documents are made and topics were fitted.
    numbers
        Number of each theme by emotion, in the order of the topics; by default from 1. A theme keeps its
        number when the model is trained again (see `identity.keep_numbers`).
    highest
        Highest number that a theme of the emotion ever had.
    vocabulary
        Digest of the codebook's words; empty where it is not known.
    """

    emotions: dict[str, TopicModel]
    parameters: TopicParameters
    numbers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    highest: dict[str, int] = field(default_factory=dict)
    vocabulary: str = ""

    def __post_init__(self) -> None:
        for emotion, topics in self.emotions.items():
            numbers = self.numbers.setdefault(emotion, tuple(range(1, topics.n_topics + 1)))
            self.highest.setdefault(emotion, max(numbers))

    @property
    def themes(self) -> list[str]:
        """Names `emotion/number` of all themes, the largest of each emotion first."""
        return [theme for emotion in self.emotions for theme in self.themes_of(emotion)]

    def themes_of(self, emotion: str) -> list[str]:
        """Names of the themes of one emotion."""
        return [f"{emotion}/{number}" for number in self.numbers[emotion]]

    @property
    def notes(self) -> list[str]:
        """Why emotions were not divided, one sentence each."""
        return [model.note for model in self.emotions.values() if model.note]

    def documents(self, words: AudioWords) -> Documents:
        """Return the documents of clips, made when asked for."""
        return lazy_documents(words, self.parameters)

    def mixtures(self, words: AudioWords) -> dict[str, np.ndarray]:
        """Return P(theme | emotion, clip) inside every emotion, each [n_clips, n_topics]."""
        rows = self.documents(words)
        return {emotion: model.mixtures(rows) for emotion, model in self.emotions.items()}

    def state(self) -> dict[str, Any]:
        """Return arrays and JSON values from which `from_state` makes an equal model."""
        return {
            **{f"{emotion}/topic_words": model.topic_words for emotion, model in self.emotions.items()},
            "emotions": {
                emotion: {"alpha": model.alpha.tolist(), "note": model.note}
                for emotion, model in self.emotions.items()
            },
            "parameters": self.parameters.model_dump(mode="json"),
            "numbers": {emotion: list(numbers) for emotion, numbers in self.numbers.items()},
            "highest": self.highest,
            "vocabulary": self.vocabulary,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ThemeModel:
        """Restore a model from its `state`."""
        emotions = {
            emotion: TopicModel.from_state({**rest, "topic_words": state[f"{emotion}/topic_words"]})
            for emotion, rest in state["emotions"].items()
        }
        return cls(
            emotions,
            TopicParameters.model_validate(state["parameters"]),
            {emotion: tuple(numbers) for emotion, numbers in state.get("numbers", {}).items()},
            dict(state.get("highest", {})),
            str(state.get("vocabulary", "")),
        )


def fit_themes(
    words: AudioWords,
    emotions: Sequence[str],
    groups: Sequence[str],
    parameters: TopicParameters,
    executor: ExecutorParameters,
    *,
    all_emotions: Sequence[str] = (),
) -> tuple[ThemeModel, pd.DataFrame]:
    """Fit the themes of every emotion.

    Parameters
    ----------
    words
        Word counts of the clips.
    emotions, groups
        Of every clip.
    parameters, executor
        Topics, and where the fits run.
    all_emotions
        Emotions that get a model even when no clip has them.

    Returns
    -------
    tuple
        The model and the table of candidates (see `selection.select_topics`).
    """
    clips = emotion_clips(words, emotions, groups, parameters, all_emotions=all_emotions)
    models, table = select_topics(clips, parameters, executor)
    return ThemeModel(models, parameters), table


def emotion_clips(
    words: AudioWords,
    emotions: Sequence[str],
    groups: Sequence[str],
    parameters: TopicParameters,
    *,
    all_emotions: Sequence[str] = (),
) -> list[EmotionClips]:
    """Divide clips by emotion, sorted by name."""
    rows = lazy_documents(words, parameters)
    parts = []
    for emotion in sorted({*emotions, *all_emotions}):
        chosen = np.flatnonzero(np.asarray(emotions, dtype=object) == emotion)
        mine = rows.take(chosen)
        parts.append(EmotionClips(emotion, mine, mine.presence, tuple(groups[i] for i in chosen.tolist())))
    return parts
