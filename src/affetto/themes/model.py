"""The theme model: one LDA inside every emotion, and the themes that it gives to clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from affetto.io.workers import ExecutorParameters
from affetto.themes.parameters import TopicParameters
from affetto.themes.selection import EmotionClips, select_topics
from affetto.themes.topics import TopicModel
from affetto.themes.words import AudioWords, make_documents

MIXTURE_COLUMNS = ("clip_id", "emotion", "theme", "probability")


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

    def mixtures(self, words: AudioWords) -> dict[str, np.ndarray]:
        """Return P(theme | emotion, clip) inside every emotion, each [n_clips, n_topics]."""
        documents = make_documents(words, self.parameters.document_length)
        return {emotion: model.mixtures(documents) for emotion, model in self.emotions.items()}

    def state(self) -> dict[str, Any]:
        """Return arrays and JSON values from which `from_state` makes an equal model."""
        topic_words = {f"{emotion}/topic_words": one.topic_words for emotion, one in self.emotions.items()}
        return {
            **topic_words,
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
            emotion: TopicModel(state[f"{emotion}/topic_words"], np.array(rest["alpha"], float), rest["note"])
            for emotion, rest in state["emotions"].items()
        }
        return cls(
            emotions,
            # Files of earlier versions name parameters that are constants by now.
            TopicParameters.model_validate(state["parameters"], extra="ignore"),
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
    clips = []
    for emotion in sorted({*emotions, *all_emotions}):
        chosen = np.flatnonzero(np.asarray(emotions, dtype=object) == emotion)
        documents = make_documents(words.take(chosen), parameters.document_length)
        clips.append(EmotionClips(emotion, documents, tuple(groups[i] for i in chosen.tolist())))
    models, table = select_topics(clips, parameters, executor)
    return ThemeModel(models, parameters), table


def emotions_used(clips: pd.DataFrame, library_emotions: pd.DataFrame) -> pd.Series:
    """Return the emotion of every clip: its label, else the likeliest predicted one.

    Parameters
    ----------
    clips
        Clip table with `clip_id, emotion`.
    library_emotions
        `clip_id, p_<emotion>…`; clips without a label that are missing here are left out.

    Returns
    -------
    Series
        Emotion by `clip_id`, in the order of `clips`.
    """
    probabilities = library_emotions.set_index("clip_id").filter(regex="^p_").dropna()
    predicted = probabilities.idxmax(axis=1).astype(str).str.removeprefix("p_")
    labels = clips.set_index("clip_id")["emotion"]
    return labels.where(labels.notna(), predicted.reindex(labels.index)).dropna().rename("emotion")


def themes_table(
    model: ThemeModel, words: AudioWords, mixtures: Mapping[str, np.ndarray], emotions: pd.Series
) -> pd.DataFrame:
    """Give every clip its theme.

    Parameters
    ----------
    model, words, mixtures
        The themes, the clips, and `model.mixtures(words)`.
    emotions
        Emotion by `clip_id`; clips of `words` that are not here are left out.

    Returns
    -------
    DataFrame
        `clip_id`, `emotion` (the one used), `theme` (`emotion/number`), `confidence` (its probability inside
        the emotion), `mixture` (list, the probabilities of all themes of that emotion, in their order).
    """
    rows = []
    for index, clip_id in enumerate(words.clip_ids):
        if clip_id in emotions.index:
            emotion = str(emotions[clip_id])
            mixture = mixtures[emotion][index]
            theme = model.themes_of(emotion)[int(mixture.argmax())]
            rows.append((clip_id, emotion, theme, float(mixture.max()), mixture.tolist()))
    return pd.DataFrame(rows, columns=["clip_id", "emotion", "theme", "confidence", "mixture"])


def mixtures_table(model: ThemeModel, words: AudioWords, mixtures: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return `MIXTURE_COLUMNS`: P(theme | emotion, clip) of all clips and emotions."""
    parts = [pd.DataFrame(columns=list(MIXTURE_COLUMNS))]
    for emotion, mixture in mixtures.items():
        clip_ids = np.repeat(np.array(words.clip_ids, dtype=object), mixture.shape[1])
        themes = np.tile(np.array(model.themes_of(emotion), dtype=object), len(mixture))
        values = (clip_ids, emotion, themes, mixture.ravel())
        parts.append(pd.DataFrame(dict(zip(MIXTURE_COLUMNS, values, strict=True))))
    return pd.concat(parts[1:] or parts, ignore_index=True)
