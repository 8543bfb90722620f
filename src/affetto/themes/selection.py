"""How many topics an emotion has: held-out bound, coherence, stability over seeds and resampled groups."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from affetto.io.workers import ExecutorParameters, map_shards
from affetto.themes.parameters import TopicParameters
from affetto.themes.topics import TopicModel, fit_topics, single_topic
from affetto.themes.words import Documents

COLUMNS = (
    *("emotion", "n_topics", "bound_per_word", "perplexity", "coherence_npmi", "stability_ari"),
    *("bootstrap_ari", "quality", "best_seed", "chosen"),
)
EPSILON = 1e-12


class EmotionClips(NamedTuple):
    """The clips of one emotion, as its LDA sees them.

    Attributes
    ----------
    emotion
        Name of the emotion.
    documents
        Word weights, float32 [n_clips, n_words], all at once or made when asked for.
    groups
        What must not straddle the held-out split, [n_clips].
    """

    emotion: str
    documents: Documents | np.ndarray
    groups: tuple[str, ...]

    def draw(self, most: int) -> EmotionClips:
        """Return at most so many clips, drawn at random (always the same) and in memory."""
        if len(self.documents) <= most:
            return self
        chosen = np.sort(np.random.default_rng(0).permutation(len(self.documents))[:most])
        groups = tuple(self.groups[i] for i in chosen.tolist())
        return EmotionClips(self.emotion, self.documents[chosen], groups)


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
    rows = map_shards(_score_candidate, tasks, executor, description="numbers of topics", total_units=sizes)
    table = pd.DataFrame(rows, columns=[*COLUMNS[:-3], "best_seed"])
    parts = [_decide(table[table["emotion"] == clips.emotion], clips, parameters) for clips in emotions]
    final = [(clips, choice, parameters) for clips, (_, choice) in zip(emotions, parts, strict=True)]
    models = map_shards(_fit_chosen, final, executor, description="topics", total_units=[1] * len(final))
    chosen = {clips.emotion: model for clips, model in zip(emotions, models, strict=True)}
    tables = [part for part, _ in parts] or [pd.DataFrame(columns=list(COLUMNS))]
    return chosen, pd.concat(tables, ignore_index=True)


def candidate_numbers(n_clips: int, parameters: TopicParameters) -> list[int]:
    """Return the numbers of topics above 1 that `n_clips` clips can support."""
    most = n_clips // parameters.min_clips_per_topic
    return sorted({number for number in parameters.candidates if 1 < number <= most})


def held_out_mask(groups: Sequence[str], fraction: float, *, seed: int = 0) -> np.ndarray:
    """Choose whole groups, at random, until about `fraction` of the clips are held out; none of one group."""
    names = sorted(set(groups))
    held: np.ndarray = np.zeros(len(groups), dtype=bool)
    of_clip = np.asarray(groups, dtype=object)
    for name in np.random.default_rng(seed).permutation(len(names))[:-1]:
        members = of_clip == names[name]
        if held.sum() + members.sum() / 2 > fraction * len(groups) and held.any():
            break
        held |= members
    return held


def _score_candidate(task: tuple[EmotionClips, int, TopicParameters]) -> dict[str, Any]:
    """Fit one number of topics with every seed and return its row of the table."""
    clips, number, parameters = task
    held = held_out_mask(clips.groups, parameters.held_out_fraction)
    training = clips.documents[~held]
    models = [fit_topics(training, number, parameters, seed=seed) for seed in range(parameters.n_seeds)]
    bounds = [model.bound_per_word(clips.documents[held] if held.any() else training) for model in models]
    best = int(np.nanargmax(bounds)) if not np.isnan(bounds).all() else 0
    words = top_words(models[best].word_probabilities, parameters.coherence_words)
    return {
        "emotion": clips.emotion,
        "n_topics": number,
        "bound_per_word": bounds[best],
        "perplexity": float(np.exp(-bounds[best])),
        "coherence_npmi": npmi_coherence(words, training > 0),
        "stability_ari": seed_stability([model.mixtures(clips.documents).argmax(axis=1) for model in models]),
        "bootstrap_ari": bootstrap_stability(models[best], clips.documents, clips.groups, parameters),
        "best_seed": best,
    }


def _decide(
    rows: pd.DataFrame, clips: EmotionClips, parameters: TopicParameters
) -> tuple[pd.DataFrame, tuple[int, int, str]]:
    """Return an emotion's part of the table, and the number of topics, the seed and the note of its model."""
    if rows.empty:
        note = (
            f"{clips.emotion} is one theme: {len(clips.documents)} clips are too few to divide,"
            f" at {parameters.min_clips_per_topic} clips a topic."
        )
        values = {"emotion": clips.emotion, "n_topics": 1, "stability_ari": 1.0, "bootstrap_ari": 1.0}
        row = pd.DataFrame([{**values, "best_seed": 0, "chosen": True}], columns=list(COLUMNS))
        return row, (1, 0, note)
    measures = rows[["bound_per_word", "coherence_npmi"]].astype(float)
    spread = measures.std(ddof=0).replace(0.0, 1.0).fillna(1.0)
    rows = rows.assign(quality=((measures - measures.mean()) / spread).fillna(0.0).mean(axis=1).round(9))
    number = choose_number(rows, parameters)
    rows = rows.assign(chosen=rows["n_topics"] == number)[list(COLUMNS)]
    if number > 1:
        return rows, (number, int(rows.loc[rows["chosen"], "best_seed"].iloc[0]), "")
    note = (
        f"{clips.emotion} is one theme: no number of topics repeats itself over seeds and resampled groups"
        f" (best adjusted Rand index {_stability(rows).max():.2f}, wanted {parameters.min_stability})."
    )
    return rows, (1, 0, note)


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


def _fit_chosen(task: tuple[EmotionClips, tuple[int, int, str], TopicParameters]) -> TopicModel:
    clips, (number, seed, note), parameters = task
    if number == 1:
        return single_topic(clips.documents, parameters, note)
    return fit_topics(clips.documents, number, parameters, seed=seed).ordered(clips.documents)


def top_words(topics: np.ndarray, n_words: int) -> list[np.ndarray]:
    """Return the indices of the heaviest words of every topic, heaviest first; ties by number."""
    return [np.argsort(-topic, kind="stable")[:n_words] for topic in topics]


def npmi_coherence(words: Sequence[np.ndarray], presence: np.ndarray) -> float:
    """Return the mean NPMI over pairs of a topic's words, averaged over topics.

    NPMI = log(p_ij / (p_i p_j)) / −log p_ij (Bouma, 2009), with probabilities over whole clips. This is
    gensim's `CoherenceModel(coherence="c_npmi")` with a window at least as long as a document: audio words of
    a bag have no order for a sliding window to slide over. Pairs that every clip has are left out, where
    gensim has -1: they say nothing (0 / 0). NaN without topics, clips or pairs.

    Parameters
    ----------
    words
        Word indices of every topic.
    presence
        Whether a clip has a word, bool [n_clips, n_words].
    """
    scores = []
    for topic in words if len(presence) else ():
        chosen = presence[:, topic].astype(np.float64)
        joint = chosen.T @ chosen / len(chosen)
        single = np.diag(joint)
        with np.errstate(divide="ignore", invalid="ignore"):
            npmi = np.log((joint + EPSILON) / np.outer(single, single)) / -np.log(joint + EPSILON)
        pairs = ~np.eye(len(topic), dtype=bool) & np.isfinite(npmi) & (joint < 1)
        if pairs.any():
            scores.append(npmi[pairs].mean())
    return float(np.mean(scores)) if scores else float("nan")


def seed_stability(assignments: Sequence[np.ndarray]) -> float:
    """Return the mean adjusted Rand index (Hubert & Arabie, 1985) over pairs of assignments; 1 for one."""
    from sklearn.metrics import adjusted_rand_score

    scores = [adjusted_rand_score(one, other) for one, other in combinations(assignments, 2)]
    return float(np.mean(scores)) if scores else 1.0


def bootstrap_stability(
    model: TopicModel, documents: Documents | np.ndarray, groups: Sequence[str], parameters: TopicParameters
) -> float:
    """Return how alike clips are divided when the topics are fitted on resampled groups, -1 to 1.

    Groups are drawn with replacement and the topics fitted anew, `n_bootstrap` times; all clips are then
    given their topic by both fits, and the two divisions compared by the adjusted Rand index; no resample
    gives 1. After Hennig, "Cluster-wise assessment of cluster stability", CSDA 52, 2007.
    """
    usual = model.mixtures(documents).argmax(axis=1)
    scores = []
    for number in range(parameters.n_bootstrap):
        drawn = resample_groups(groups, seed=number)
        again = fit_topics(documents[drawn], model.n_topics, parameters, seed=number)
        scores.append(seed_stability([usual, again.mixtures(documents).argmax(axis=1)]))
    return float(np.mean(scores)) if scores else 1.0


def resample_groups(groups: Sequence[str], *, seed: int) -> np.ndarray:
    """Draw as many groups as there are, with replacement; return the rows of their clips, int64."""
    names, number = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    drawn = np.random.default_rng([seed, len(names)]).integers(0, max(1, len(names)), len(names))
    rows: np.ndarray = np.concatenate(
        [np.zeros(0, dtype=np.int64), *(np.flatnonzero(number == group) for group in drawn)]
    )
    return rows
