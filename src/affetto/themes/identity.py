"""Themes that keep their numbers when the model is trained again, and what became of each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from affetto.themes.codebook import Codebook
from affetto.themes.model import ThemeModel

LEAST_SIMILARITY = 0.3  # of themes that are the same
DRIFT_COLUMNS = (
    *("emotion", "theme", "status", "similarity", "members", "words"),
    *("clips_before", "clips_now", "clips_kept"),
)
"""`status` is `kept`, `new` or `retired`; similarities are 0 to 1, clips those that both models know."""


def keep_numbers(
    model: ThemeModel,
    themes: pd.DataFrame,
    previous: ThemeModel | None,
    previous_themes: pd.DataFrame | None,
) -> tuple[ThemeModel, pd.DataFrame]:
    """Give themes the numbers that the same themes had before.

    Themes of an emotion are paired so that their similarities sum to the most (Kuhn 1955). Similar are themes
    with the same members, of the clips that both models know (Jaccard index), and with the same words: one
    minus the Jensen-Shannon distance, where both models have the same vocabulary; the mean of both counts.
    Pairs of a similarity below 0.3 are different themes. A new theme gets a number that none ever had.

    Parameters
    ----------
    model, themes
        The new model, numbered by position, and the themes it gives to clips (`clip_id, emotion, theme`).
    previous, previous_themes
        The same of the training before; None the first time.

    Returns
    -------
    tuple
        The model with its numbers, and a table of `DRIFT_COLUMNS`, a row a theme of either model; empty where
        there is nothing to compare: the first time, or when no clip is the same.
    """
    nothing = pd.DataFrame(columns=list(DRIFT_COLUMNS))
    if previous is None or previous_themes is None:
        return model, nothing
    known = themes.merge(previous_themes, on=["clip_id", "emotion"], suffixes=("", "_before"))
    of_two_trainings = not {*previous_themes["theme"]} <= {*previous.themes}  # one of them interrupted
    if known.empty or of_two_trainings:
        return model, nothing
    numbers, highest, rows = {}, dict(previous.highest), []
    for emotion in model.emotions:
        before = previous.themes_of(emotion) if emotion in previous.emotions else []
        inside = known[known["emotion"] == emotion]
        shared = pd.crosstab(inside["theme"], inside["theme_before"])
        shared = shared.reindex(index=model.themes_of(emotion), columns=before, fill_value=0)
        matched = _pair(shared.to_numpy(), _word_similarity(model, previous, emotion, len(before)))
        last, found = highest.get(emotion, 0), []
        for place, (_, clips) in enumerate(shared.iterrows()):
            old, similarities = matched.get(place, (None, {}))
            if old is None:
                last += 1
                number, row = last, {"status": "new", "clips_before": 0, "clips_kept": 0}
            else:
                number = previous.numbers[emotion][old]
                counts = {"clips_before": shared.iloc[:, old].sum(), "clips_kept": clips.iloc[old]}
                row = {"status": "kept", **similarities, **counts}
            found.append(number)
            rows.append({"emotion": emotion, "theme": f"{emotion}/{number}", "clips_now": clips.sum(), **row})
        kept = {old for old, _ in matched.values()}
        for place, theme in enumerate(before):
            if place not in kept:
                clips_before = shared.iloc[:, place].sum()
                row = {"status": "retired", "clips_before": clips_before, "clips_now": 0, "clips_kept": 0}
                rows.append({"emotion": emotion, "theme": theme, **row})
        numbers[emotion], highest[emotion] = tuple(found), max(last, *found)
    kept_model = replace(model, numbers=numbers, highest=highest)
    return kept_model, pd.DataFrame(rows, columns=list(DRIFT_COLUMNS))


def _pair(shared: np.ndarray, words: np.ndarray) -> dict[int, tuple[int, dict[str, float]]]:
    """Pair new themes, the rows, with old ones: new → old, and the similarities of the two."""
    from scipy.optimize import linear_sum_assignment

    either = shared.sum(axis=1, keepdims=True) + shared.sum(axis=0) - shared
    members = shared / np.where(either > 0, either, 1)
    similarity = np.where(np.isnan(words), members, (members + words) / 2)
    matched = {}
    for new, old in zip(*linear_sum_assignment(similarity, maximize=True), strict=True):
        if similarity[new, old] >= LEAST_SIMILARITY:
            values = {"similarity": similarity, "members": members, "words": words}
            told = {name: float(value[new, old]) for name, value in values.items()}
            matched[int(new)] = (int(old), told)
    return matched


def vocabulary_of(codebook: Codebook) -> str:
    """Return a digest of the codewords: models with the same one speak of the same audio words."""
    digest = hashlib.blake2b(digest_size=16)
    for name, vocabulary in codebook.vocabularies.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(vocabulary.words).data)
    return digest.hexdigest()


def drift_sentences(drift: pd.DataFrame) -> Sequence[str]:
    """Say of each emotion how many themes were kept, are new or were retired."""
    sentences = []
    for emotion, rows in drift.groupby("emotion", sort=False):
        counts = rows["status"].value_counts()
        kept = rows[rows["status"] == "kept"]
        moved = int((kept["clips_before"] - kept["clips_kept"]).sum())
        sentences.append(
            f"{emotion}: {counts.get('kept', 0)} themes kept their number, {counts.get('new', 0)} are new, "
            f"{counts.get('retired', 0)} retired; {moved} clips left the themes that were kept."
        )
    return sentences


def _word_similarity(model: ThemeModel, previous: ThemeModel, emotion: str, n_before: int) -> np.ndarray:
    """Compare the words of all new themes of an emotion with those of all old ones; NaN: not comparable."""
    from scipy.spatial.distance import cdist

    if n_before == 0 or not model.vocabulary or model.vocabulary != previous.vocabulary:
        return np.full((model.emotions[emotion].n_topics, n_before), np.nan)
    now, then = (one.emotions[emotion].word_probabilities for one in (model, previous))
    distances: np.ndarray = cdist(now, then, metric="jensenshannon") / np.sqrt(np.log(2))
    return 1.0 - distances
