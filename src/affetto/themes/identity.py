"""Themes that keep their numbers when the model is trained again, and what became of each."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd

from affetto.themes.codebook import Codebook
from affetto.themes.model import ThemeModel

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
    *,
    least_similarity: float,
) -> tuple[ThemeModel, pd.DataFrame]:
    """Give themes the numbers that the same themes had before.

    Themes of an emotion are paired so that their similarities sum to the most (Kuhn 1955). Similar are themes
    with the same members, of the clips that both models know (Jaccard index), and with the same words: one
    minus the Jensen-Shannon distance, where both models have the same vocabulary; the mean of both counts.
    Pairs below `least_similarity` are different themes. A new theme gets a number that none ever had.

    Parameters
    ----------
    model, themes
        The new model, numbered by position, and the themes it gives to clips (`clip_id, emotion, theme`).
    previous, previous_themes
        The same of the training before; None the first time.
    least_similarity
        0 to 1.

    Returns
    -------
    tuple
        The model with its numbers, and a table of `DRIFT_COLUMNS`, a row a theme of either model; empty where
        there is nothing to compare: the first time, or when no clip is the same.
    """
    from scipy.optimize import linear_sum_assignment

    nothing = pd.DataFrame(columns=list(DRIFT_COLUMNS))
    if previous is None or previous_themes is None:
        return model, nothing
    known = themes.merge(previous_themes, on=["clip_id", "emotion"], suffixes=("", "_before"))
    of_two_trainings = not {*previous_themes["theme"]} <= {*previous.themes}  # one of them interrupted
    if known.empty or of_two_trainings:
        return model, nothing
    numbers, highest, rows = {}, dict(previous.highest), []
    for emotion in model.emotions:
        inside = known[known["emotion"] == emotion]
        now = {theme: inside["theme"] == theme for theme in model.themes_of(emotion)}
        before = previous.themes_of(emotion) if emotion in previous.emotions else []
        then = {theme: inside["theme_before"] == theme for theme in before}
        members = np.array([[_jaccard(a, b) for b in then.values()] for a in now.values()])
        members = members.reshape(len(now), len(then))
        words = _word_similarity(model, previous, emotion, members.shape)
        similarity = np.where(np.isnan(words), members, (members + words) / 2)
        pairs = zip(*linear_sum_assignment(similarity, maximize=True), strict=True)
        matched = {int(new): int(old) for new, old in pairs if similarity[new, old] >= least_similarity}
        last, found = highest.get(emotion, 0), []
        for place, clips_now in enumerate(now.values()):
            row = {"emotion": emotion, "status": "new", "clips_before": 0, "clips_kept": 0}
            if place in matched:
                old = matched[place]
                found.append(previous.numbers[emotion][old])
                row |= {"status": "kept", "similarity": similarity[place, old]}
                row |= {"members": members[place, old], "words": words[place, old]}
                row |= {"clips_before": int(then[before[old]].sum())}
                row |= {"clips_kept": int((clips_now & then[before[old]]).sum())}
            else:
                last += 1
                found.append(last)
            rows.append({**row, "theme": f"{emotion}/{found[-1]}", "clips_now": int(clips_now.sum())})
        for place, theme in enumerate(before):
            if place not in matched.values():
                row = {"emotion": emotion, "theme": theme, "status": "retired"}
                rows.append({**row, "clips_before": int(then[theme].sum()), "clips_now": 0, "clips_kept": 0})
        numbers[emotion], highest[emotion] = tuple(found), max(last, *found)
    kept = replace(model, numbers=numbers, highest=highest)
    return kept, pd.DataFrame(rows, columns=list(DRIFT_COLUMNS))


def vocabulary_of(codebook: Codebook) -> str:
    """Return a digest of the codewords: models with the same one speak of the same audio words."""
    digest = hashlib.blake2b(digest_size=16)
    for name, vocabulary in codebook.vocabularies.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(vocabulary.words).data)
    return digest.hexdigest()


def drift_sentences(drift: pd.DataFrame) -> list[str]:
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


def _jaccard(now: pd.Series, then: pd.Series) -> float:
    either = int((now | then).sum())
    return float((now & then).sum()) / either if either else 0.0


def _word_similarity(
    model: ThemeModel, previous: ThemeModel, emotion: str, shape: tuple[int, int]
) -> np.ndarray:
    """Compare the words of all new themes of an emotion with those of all old ones; NaN: not comparable."""
    from scipy.spatial.distance import cdist

    if shape[1] == 0 or not model.vocabulary or model.vocabulary != previous.vocabulary:
        return np.full(shape, np.nan)
    now, then = (one.emotions[emotion].word_probabilities for one in (model, previous))
    distances: np.ndarray = cdist(now, then, metric="jensenshannon") / np.sqrt(np.log(2))
    return 1.0 - distances
