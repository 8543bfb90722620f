"""Themes that keep their numbers when the model is trained again, and what became of each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from affetto.themes.codebook import Codebook
from affetto.themes.model import ThemeModel

DRIFT_COLUMNS = (
    "emotion",
    "theme",
    "status",
    "similarity",
    "members",
    "words",
    "clips_before",
    "clips_now",
    "clips_kept",
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
        pairs = _similarities(emotion, model, previous, inside)
        matched = _match(pairs["similarity"], least_similarity)
        last = highest.get(emotion, 0)
        found = []
        for place in range(model.emotions[emotion].n_topics):
            before = matched.get(place)
            last += before is None
            found.append(last if before is None else previous.numbers[emotion][before])
        numbers[emotion], highest[emotion] = tuple(found), max(last, *found)
        rows += _drift(emotion, found, previous.numbers.get(emotion, ()), matched, pairs, inside)
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


def _similarities(
    emotion: str, model: ThemeModel, previous: ThemeModel, inside: pd.DataFrame
) -> dict[str, np.ndarray]:
    """Compare all new themes with all old ones: `members`, `words` (NaN unless comparable), `similarity`."""
    before = previous.themes_of(emotion) if emotion in previous.emotions else []
    members = np.array(
        [
            [_jaccard(inside["theme"] == now, inside["theme_before"] == then) for then in before]
            for now in model.themes_of(emotion)
        ]
    ).reshape(model.emotions[emotion].n_topics, len(before))
    words = np.full(members.shape, np.nan)
    if before and model.vocabulary and model.vocabulary == previous.vocabulary:
        words = _alike(
            model.emotions[emotion].word_probabilities, previous.emotions[emotion].word_probabilities
        )
    similarity = np.where(np.isnan(words), members, (members + words) / 2)
    return {"members": members, "words": words, "similarity": similarity}


def _jaccard(now: pd.Series, then: pd.Series) -> float:
    either = int((now | then).sum())
    return float((now & then).sum()) / either if either else 0.0


def _alike(now: np.ndarray, then: np.ndarray) -> np.ndarray:
    from scipy.spatial.distance import cdist

    distances: np.ndarray = cdist(now, then, metric="jensenshannon") / np.sqrt(np.log(2))
    return 1.0 - distances


def _match(similarity: np.ndarray, least: float) -> dict[int, int]:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(similarity, maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {now: then for now, then in pairs if similarity[now, then] >= least}


def _drift(
    emotion: str,
    numbers: list[int],
    numbers_before: tuple[int, ...],
    matched: Mapping[int, int],
    pairs: Mapping[str, np.ndarray],
    inside: pd.DataFrame,
) -> list[dict[str, Any]]:
    rows = []
    for place, number in enumerate(numbers):
        then = matched.get(place)
        known = {} if then is None else {name: float(value[place, then]) for name, value in pairs.items()}
        now_rows = inside["theme"] == f"{emotion}/{place + 1}"
        then_rows = inside["theme_before"] == f"{emotion}/{number}"
        rows.append(
            {
                "emotion": emotion,
                "theme": f"{emotion}/{number}",
                "status": "new" if then is None else "kept",
                **known,
                "clips_before": 0 if then is None else int(then_rows.sum()),
                "clips_now": int(now_rows.sum()),
                "clips_kept": 0 if then is None else int((now_rows & then_rows).sum()),
            }
        )
    for place, number in enumerate(numbers_before):
        if place not in matched.values():
            theme = f"{emotion}/{number}"
            lost = int((inside["theme_before"] == theme).sum())
            row: dict[str, Any] = {"emotion": emotion, "theme": theme, "status": "retired"}
            rows.append({**row, "clips_before": lost, "clips_now": 0, "clips_kept": 0})
    return rows
