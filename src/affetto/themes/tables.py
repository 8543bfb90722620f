"""Tables of themes: which theme a clip has, and how likely each is inside each emotion."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from affetto.themes.bags import AudioWords
from affetto.themes.model import ThemeModel

THEME_COLUMNS = ("clip_id", "emotion", "theme", "confidence", "mixture")
MIXTURE_COLUMNS = ("clip_id", "emotion", "theme", "probability")


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
    columns = [name for name in library_emotions.columns if name.startswith("p_")]
    by_clip = library_emotions.set_index("clip_id")[columns]
    likeliest = by_clip.dropna().idxmax(axis=1).astype(str) if columns else pd.Series(dtype=str)
    predicted = likeliest.map(lambda name: str(name).removeprefix("p_"))
    labels = clips.set_index("clip_id")["emotion"]
    return labels.where(labels.notna(), predicted.reindex(labels.index)).dropna().rename("emotion")


def themes_table(
    model: ThemeModel,
    words: AudioWords,
    emotions: pd.Series,
    *,
    mixtures: Mapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """Give every clip its theme.

    Parameters
    ----------
    model, words
        The themes, and the clips' words.
    emotions
        Emotion by `clip_id`; clips of `words` that are not here are left out.
    mixtures
        `model.mixtures(words)` where it is known already.

    Returns
    -------
    DataFrame
        `clip_id`, `emotion` (the one used), `theme` (`emotion/number`), `confidence` (its probability inside
        the emotion), `mixture` (list, the probabilities of all themes of that emotion, in their order).
    """
    mixtures = model.mixtures(words) if mixtures is None else mixtures
    rows = []
    for index, clip_id in enumerate(words.clip_ids):
        if clip_id in emotions.index:
            emotion = str(emotions[clip_id])
            mixture = mixtures[emotion][index]
            theme = model.themes_of(emotion)[int(mixture.argmax())]
            rows.append((clip_id, emotion, theme, float(mixture.max()), mixture.tolist()))
    return pd.DataFrame(rows, columns=list(THEME_COLUMNS))


def mixtures_table(
    model: ThemeModel, words: AudioWords, *, mixtures: Mapping[str, np.ndarray] | None = None
) -> pd.DataFrame:
    """Return P(theme | emotion, clip) of every clip for every emotion, in long form.

    Returns
    -------
    DataFrame
        `clip_id, emotion, theme, probability`; the probabilities of a clip and emotion sum to 1.
    """
    mixtures = model.mixtures(words) if mixtures is None else mixtures
    parts = [
        pd.DataFrame(
            {
                "clip_id": np.repeat(np.array(words.clip_ids, dtype=object), mixture.shape[1]),
                "emotion": emotion,
                "theme": np.tile(np.array(model.themes_of(emotion), dtype=object), len(mixture)),
                "probability": mixture.ravel(),
            }
        )
        for emotion, mixture in mixtures.items()
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(MIXTURE_COLUMNS))
