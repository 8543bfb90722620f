"""How many topics an emotion has: held-out bound, coherence, stability over seeds and resamples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from affetto.parallel import ExecutorParameters, map_shards
from affetto.themes.bags import Documents, Presence
from affetto.themes.coherence import npmi_coherence, top_words
from affetto.themes.parameters import TopicParameters
from affetto.themes.stability import bootstrap_stability, seed_stability
from affetto.themes.topics import TopicModel, fit_topics, single_topic

COLUMNS = (
    "emotion",
    "n_topics",
    "bound_per_word",
    "perplexity",
    "coherence_npmi",
    "stability_ari",
    "bootstrap_ari",
    "quality",
    "best_seed",
    "chosen",
)


@dataclass(frozen=True, eq=False)
class EmotionClips:
    """The clips of one emotion, as its LDA sees them.

    Attributes
    ----------
    emotion
        Name of the emotion.
    documents
        Word weights, float32 [n_clips, n_words], all at once or made when asked for.
    presence
        Whether a clip has a word, bool [n_clips, n_words], likewise.
    groups
        What must not straddle the held-out split, [n_clips].
    """

    emotion: str
    documents: Documents | np.ndarray
    presence: Presence | np.ndarray
    groups: tuple[str, ...]

    def draw(self, most: int) -> EmotionClips:
        """Return at most so many clips, drawn at random (always the same) and in memory."""
        if len(self.documents) <= most:
            return self
        chosen = np.sort(np.random.default_rng(0).permutation(len(self.documents))[:most])
        groups = tuple(self.groups[i] for i in chosen.tolist())
        return EmotionClips(self.emotion, self.documents[chosen], self.presence[chosen], groups)


def candidate_numbers(n_clips: int, parameters: TopicParameters) -> list[int]:
    """Return the numbers of topics above 1 that `n_clips` clips can support."""
    most = n_clips // parameters.min_clips_per_topic
    return sorted({number for number in parameters.candidates if 1 < number <= most})


def held_out_mask(groups: Sequence[str], fraction: float, *, seed: int = 0) -> np.ndarray:
    """Choose whole groups, at random, until about `fraction` of the clips are held out.

    Returns
    -------
    np.ndarray
        bool [n_clips]; all False when there is one group only.
    """
    names = sorted(set(groups))
    held: np.ndarray = np.zeros(len(groups), dtype=bool)
    of_clip = np.asarray(groups, dtype=object)
    for name in np.random.default_rng(seed).permutation(len(names))[:-1]:
        members = of_clip == names[name]
        if held.sum() + members.sum() / 2 > fraction * len(groups) and held.any():
            break
        held |= members
    return held


def select_topics(
    emotions: Sequence[EmotionClips], parameters: TopicParameters, executor: ExecutorParameters
) -> tuple[dict[str, TopicModel], pd.DataFrame]:
    """Choose the number of topics of every emotion and fit its LDA on all its clips.

    Every candidate is fitted with `n_seeds` seeds on the clips that are not held out. Its *bound* is the best
    seed's on the held-out clips, its *coherence* that seed's, its *stability* the mean adjusted Rand index
    between the topics that two seeds give the clips, and its *bootstrap* the same between that seed's topics
    and those of resampled groups. Bound and coherence are standardised over the candidates
    of an emotion; their mean is the *quality*. Of the candidates that are stable enough in both ways the one
    of highest quality is taken, of equals the smaller; when none is, the whole emotion is one theme, and a
    note says so. At most `selection_clips` clips of an emotion take part in the choice: its cost is bounded.

    Returns
    -------
    tuple
        Topic models by emotion, topics sorted by size, and the table of candidates (columns `COLUMNS`).
    """
    tasks = [
        (clips, number, parameters)
        for clips in (clips.draw(parameters.selection_clips) for clips in emotions)
        for number in candidate_numbers(len(clips.documents), parameters)
    ]
    sizes = [number * len(clips.documents) for clips, number, _ in tasks]
    rows = map_shards(score_candidate, tasks, executor, description="numbers of topics", total_units=sizes)
    table = pd.DataFrame(rows, columns=[*COLUMNS[:-3], "best_seed"])
    parts = [_decide(table[table["emotion"] == clips.emotion], clips, parameters) for clips in emotions]
    final = [(clips, part[1], parameters) for clips, part in zip(emotions, parts, strict=True)]
    models = map_shards(_fit_chosen, final, executor, description="topics", total_units=[1] * len(final))
    chosen = {clips.emotion: model for clips, model in zip(emotions, models, strict=True)}
    tables = [part[0] for part in parts]
    return chosen, pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))


def score_candidate(task: tuple[EmotionClips, int, TopicParameters]) -> dict[str, Any]:
    """Fit one number of topics with every seed and return its row of the table."""
    clips, number, parameters = task
    held = held_out_mask(clips.groups, parameters.held_out_fraction)
    models = [
        fit_topics(clips.documents[~held], number, parameters, seed=seed)
        for seed in range(parameters.n_seeds)
    ]
    bounds = [model.bound_per_word(clips.documents[held if held.any() else ~held]) for model in models]
    best = int(np.nanargmax(bounds)) if not np.isnan(bounds).all() else 0
    words = top_words(models[best].word_probabilities, parameters.coherence_words)
    return {
        "emotion": clips.emotion,
        "n_topics": number,
        "bound_per_word": bounds[best],
        "perplexity": float(np.exp(-bounds[best])),
        "coherence_npmi": npmi_coherence(words, clips.presence[~held]),
        "stability_ari": seed_stability([model.mixtures(clips.documents).argmax(axis=1) for model in models]),
        "bootstrap_ari": bootstrap_stability(models[best], clips.documents, clips.groups, parameters),
        "best_seed": best,
    }


def choose_number(rows: pd.DataFrame, parameters: TopicParameters) -> int:
    """Apply the rule of `select_topics` to an emotion's rows with their `quality`; 1 when none qualifies."""
    stable = rows[_stability(rows) >= parameters.min_stability]
    if stable.empty:
        return 1
    ranked = stable.sort_values(["quality", "n_topics"], ascending=[False, True], kind="stable")
    return int(ranked["n_topics"].iloc[0])


def _stability(rows: pd.DataFrame) -> pd.Series:
    """Return the lesser of both kinds of stability."""
    return rows[["stability_ari", "bootstrap_ari"]].astype(float).min(axis=1)


def _quality(rows: pd.DataFrame) -> pd.Series:
    values = rows[["bound_per_word", "coherence_npmi"]].astype(float)
    spread = values.std(ddof=0).replace(0.0, 1.0).fillna(1.0)
    return ((values - values.mean()) / spread).fillna(0.0).mean(axis=1).round(9)


def _decide(
    rows: pd.DataFrame, clips: EmotionClips, parameters: TopicParameters
) -> tuple[pd.DataFrame, tuple[int, int, str]]:
    rows = rows.assign(quality=_quality(rows))
    number = choose_number(rows, parameters)
    chosen = rows["n_topics"] == number
    seed = int(rows.loc[chosen, "best_seed"].iloc[0]) if chosen.any() else 0
    table = rows.assign(chosen=chosen) if len(rows) else _one_theme_row(clips.emotion)
    return table[list(COLUMNS)], (number, seed, _note(rows, clips, number, parameters))


def _one_theme_row(emotion: str) -> pd.DataFrame:
    row = dict.fromkeys(COLUMNS, float("nan")) | {
        "emotion": emotion,
        "n_topics": 1,
        "stability_ari": 1.0,
        "bootstrap_ari": 1.0,
        "best_seed": 0,
        "chosen": True,
    }
    return pd.DataFrame([row])


def _note(rows: pd.DataFrame, clips: EmotionClips, number: int, parameters: TopicParameters) -> str:
    if number > 1:
        return ""
    if rows.empty:
        return (
            f"{clips.emotion} is one theme: {len(clips.documents)} clips are too few to divide,"
            f" at {parameters.min_clips_per_topic} clips a topic."
        )
    return (
        f"{clips.emotion} is one theme: no number of topics repeats itself over seeds and resampled groups"
        f" (best adjusted Rand index {_stability(rows).max():.2f}, wanted {parameters.min_stability})."
    )


def _fit_chosen(task: tuple[EmotionClips, tuple[int, int, str], TopicParameters]) -> TopicModel:
    clips, (number, seed, note), parameters = task
    if number == 1:
        return single_topic(clips.documents, parameters, note)
    return fit_topics(clips.documents, number, parameters, seed=seed).ordered(clips.documents)
