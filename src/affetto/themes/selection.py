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

COLUMNS = (
    *("emotion", "n_topics", "bound_per_word", "perplexity", "coherence_npmi", "stability_ari"),
    *("bootstrap_ari", "quality", "best_seed", "chosen"),
)
SELECTION_CLIPS = 10_000  # of an emotion, on which numbers of topics are compared
HELD_OUT_FRACTION = 0.2  # of these, which score the fits
COHERENCE_WORDS = 10  # of a topic, heaviest first
EPSILON = 1e-12


class EmotionClips(NamedTuple):
    """The clips of one emotion, as its LDA sees them.

    Attributes
    ----------
    emotion
        Name of the emotion.
    documents
        Word weights, float32 [n_clips, n_words].
    groups
        What must not straddle the held-out split, [n_clips].
    """

    emotion: str
    documents: np.ndarray
    groups: tuple[str, ...]

    def draw(self, most: int) -> EmotionClips:
        """Return at most so many clips, drawn at random (always the same)."""
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
    and those of resampled groups. Bound and coherence are standardised over the candidates of an emotion;
    their mean is the *quality*. Of the candidates that are stable enough in both ways the one of highest
    quality is taken, of equals the smaller; when none is, the whole emotion is one theme, and a note says so.
    At most 10,000 clips of an emotion take part in the choice: its cost is bounded.

    Returns
    -------
    tuple
        Topic models by emotion, topics sorted by size, and the table of candidates (columns `COLUMNS`).
    """
    tasks = []
    for clips in emotions:
        drawn = clips.draw(SELECTION_CLIPS)
        most = len(drawn.documents) // parameters.min_clips_per_topic
        numbers = sorted({number for number in parameters.candidates if 1 < number <= most})
        tasks += [(drawn, number, parameters) for number in numbers]
    sizes = [number * len(clips.documents) for clips, number, _ in tasks]
    rows = map_shards(_score_candidate, tasks, executor, description="numbers of topics", total_units=sizes)
    table = pd.DataFrame(rows, columns=[*COLUMNS[:-3], "best_seed"])
    tables, final = [pd.DataFrame(columns=list(COLUMNS))], []
    for clips in emotions:
        part, number, note = _decide(table[table["emotion"] == clips.emotion], clips, parameters)
        seed = int(part.loc[part["chosen"], "best_seed"].iloc[0]) if number > 1 else 0
        tables.append(part)
        final.append((clips, number, parameters.passes, seed, note))
    models = map_shards(_fit_chosen, final, executor, description="topics", total_units=[1] * len(final))
    chosen = {clips.emotion: model for clips, model in zip(emotions, models, strict=True)}
    return chosen, pd.concat(tables[1:] or tables, ignore_index=True)


def held_out_mask(groups: Sequence[str], *, seed: int = 0) -> np.ndarray:
    """Choose whole groups, at random, until about a fifth of the clips is held out; none of one group."""
    names = sorted(set(groups))
    held: np.ndarray = np.zeros(len(groups), dtype=bool)
    of_clip = np.asarray(groups, dtype=object)
    for name in np.random.default_rng(seed).permutation(len(names))[:-1]:
        members = of_clip == names[name]
        if held.sum() + members.sum() / 2 > HELD_OUT_FRACTION * len(groups) and held.any():
            break
        held |= members
    return held


def _score_candidate(task: tuple[EmotionClips, int, TopicParameters]) -> dict[str, Any]:
    """Fit one number of topics with every seed and return its row of the table."""
    clips, number, parameters = task
    passes, documents = parameters.passes, clips.documents
    held = held_out_mask(clips.groups)
    training = documents[~held]
    models = [fit_topics(training, number, passes, seed=seed) for seed in range(parameters.n_seeds)]
    bounds = [model.bound_per_word(documents[held] if held.any() else training) for model in models]
    best = int(np.nanargmax(bounds)) if not np.isnan(bounds).all() else 0
    words = top_words(models[best].word_probabilities, COHERENCE_WORDS)
    return {
        "emotion": clips.emotion,
        "n_topics": number,
        "bound_per_word": bounds[best],
        "perplexity": float(np.exp(-bounds[best])),
        "coherence_npmi": npmi_coherence(words, training > 0),
        "stability_ari": seed_stability([model.mixtures(documents).argmax(axis=1) for model in models]),
        "bootstrap_ari": bootstrap_stability(models[best], clips, passes, parameters.n_bootstrap),
        "best_seed": best,
    }


def _decide(
    rows: pd.DataFrame, clips: EmotionClips, parameters: TopicParameters
) -> tuple[pd.DataFrame, int, str]:
    """Return an emotion's part of the table, and the number of topics and the note of its model."""
    if rows.empty:
        note = (
            f"{clips.emotion} is one theme: {len(clips.documents)} clips are too few to divide,"
            f" at {parameters.min_clips_per_topic} clips a topic."
        )
        values = {"emotion": clips.emotion, "n_topics": 1, "stability_ari": 1.0, "bootstrap_ari": 1.0}
        row = pd.DataFrame([{**values, "best_seed": 0, "chosen": True}], columns=list(COLUMNS))
        return row, 1, note
    measures = rows[["bound_per_word", "coherence_npmi"]].astype(float)
    spread = measures.std(ddof=0).replace(0.0, 1.0).fillna(1.0)
    rows = rows.assign(quality=((measures - measures.mean()) / spread).fillna(0.0).mean(axis=1).round(9))
    number = choose_number(rows, parameters.min_stability)
    rows = rows.assign(chosen=rows["n_topics"] == number)[list(COLUMNS)]
    if number > 1:
        return rows, number, ""
    note = (
        f"{clips.emotion} is one theme: no number of topics repeats itself over seeds and resampled groups"
        f" (best adjusted Rand index {_stability(rows).max():.2f}, wanted {parameters.min_stability})."
    )
    return rows, 1, note


def choose_number(rows: pd.DataFrame, min_stability: float) -> int:
    """Apply the rule of `select_topics` to an emotion's rows with their `quality`; 1 when none qualifies."""
    stable = rows[_stability(rows) >= min_stability]
    if stable.empty:
        return 1
    ranked = stable.sort_values(["quality", "n_topics"], ascending=[False, True], kind="stable")
    return int(ranked["n_topics"].iloc[0])


def _stability(rows: pd.DataFrame) -> pd.Series:
    """Return the lesser of both kinds of stability."""
    return rows[["stability_ari", "bootstrap_ari"]].astype(float).min(axis=1)


def _fit_chosen(task: tuple[EmotionClips, int, int, int, str]) -> TopicModel:
    clips, number, passes, seed, note = task
    if number == 1:
        return single_topic(clips.documents, note)
    return fit_topics(clips.documents, number, passes, seed=seed).ordered(clips.documents)


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


def bootstrap_stability(model: TopicModel, clips: EmotionClips, passes: int, n_bootstrap: int) -> float:
    """Return how alike clips are divided when the topics are fitted on resampled groups, -1 to 1.

    Groups are drawn with replacement and the topics fitted anew; all clips are then given their topic by both
    fits, and the two divisions compared by the adjusted Rand index; no resample gives 1. After Hennig,
    "Cluster-wise assessment of cluster stability", CSDA 52, 2007.
    """
    usual = model.mixtures(clips.documents).argmax(axis=1)
    names, group_of = np.unique(np.asarray(clips.groups, dtype=str), return_inverse=True)
    scores = []
    for seed in range(n_bootstrap):
        groups = np.random.default_rng([seed, len(names)]).integers(0, len(names), len(names))
        drawn = np.concatenate([np.flatnonzero(group_of == group) for group in groups])
        again = fit_topics(clips.documents[drawn], model.n_topics, passes, seed=seed)
        scores.append(seed_stability([usual, again.mixtures(clips.documents).argmax(axis=1)]))
    return float(np.mean(scores)) if scores else 1.0
