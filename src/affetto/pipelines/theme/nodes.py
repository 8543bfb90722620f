"""Nodes of the themes: thin adaptations of `affetto.themes` to the catalog."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.evaluation.parameters import EvaluationParameters
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.parallel import ExecutorParameters
from affetto.results import ResultStore
from affetto.themes.bags import AudioWords, count_words
from affetto.themes.cards import build_cards, cards_table
from affetto.themes.classifiers import CLASSIFIERS, DISCRIMINATION_ROLES
from affetto.themes.clustering import CLUSTERERS, DISCOVERY_ROLES
from affetto.themes.codebook import Codebook, fit_codebook
from affetto.themes.comparison import compare_discovery
from affetto.themes.discovery import discover_themes
from affetto.themes.discrimination import discriminate_themes
from affetto.themes.evaluation import METHOD
from affetto.themes.figures import selection_figures, theme_map, topic_word_figure
from affetto.themes.identity import drift_sentences, keep_numbers, vocabulary_of
from affetto.themes.listening import Clips, listening_material
from affetto.themes.model import ThemeModel, fit_themes
from affetto.themes.musical import clip_measures
from affetto.themes.page import render_page
from affetto.themes.parameters import ThemeParameters
from affetto.themes.tables import emotions_used, mixtures_table, themes_table

log = logging.getLogger(__name__)

DISCOVERY_MODELS = tuple(CLUSTERERS)
DISCRIMINATION_MODELS = tuple(CLASSIFIERS)
MODELS = tuple(dict.fromkeys(DISCOVERY_MODELS + DISCRIMINATION_MODELS))
ROLES = {**DISCRIMINATION_ROLES, **DISCOVERY_ROLES}


def learn_codebook(
    mfcc: ClipFeatures, midterm: ClipFeatures, theme: ThemeParameters, store: ResultStore
) -> Codebook:
    """Learn the codebook of the library from the frames of all clips."""
    features = _joined(mfcc, midterm)
    key = {
        "what": "theme_codebook",
        "method": METHOD,
        "features": features.fingerprint,
        "codebook": theme.codebook.model_dump(mode="json"),
    }
    return Codebook.from_state(store.compute(key, lambda: fit_codebook(features, theme.codebook).state()))


def count_audio_words(
    mfcc: ClipFeatures,
    midterm: ClipFeatures,
    codebook: Codebook,
    theme: ThemeParameters,
    executor: ExecutorParameters,
    store: ResultStore,
) -> AudioWords:
    """Count the audio words of all clips."""
    features = _joined(mfcc, midterm)
    key = {
        "what": "theme_library_words",
        "method": METHOD,
        "features": features.fingerprint,
        "codebook": theme.codebook.model_dump(mode="json"),
    }
    counted = store.compute(key, lambda: count_words(codebook, features, executor).state())
    return AudioWords.from_state(counted)


def _joined(mfcc: ClipFeatures, midterm: ClipFeatures) -> FeatureSet:
    """Keep the clips that both features have, by `clip_id`: what is fitted must not depend on their order."""
    return FeatureSet.align({"mfcc": mfcc, "midterm": midterm}, sorted(mfcc.clip_ids))


def fit_theme_model(
    words: AudioWords,
    clips: pd.DataFrame,
    library_emotions: pd.DataFrame,
    theme: ThemeParameters,
    executor: ExecutorParameters,
    store: ResultStore,
) -> tuple[ThemeModel, pd.DataFrame]:
    """Choose and fit the topics of every emotion on all clips, labelled or predicted."""
    emotions = emotions_used(clips, library_emotions).reindex(words.clip_ids).dropna()
    chosen = words.select(list(emotions.index))
    groups = list(clips.set_index("clip_id")["group"].reindex(emotions.index))
    predictable = [name.removeprefix("p_") for name in library_emotions.columns if name.startswith("p_")]
    key = {
        "what": "theme_model",
        "method": METHOD,
        "words": [list(chosen.clip_ids), int(chosen.counts.sum(dtype="int64")), _digest(chosen)],
        "emotions": list(emotions),
        "groups": groups,
        "all_emotions": predictable,
        "topics": theme.topics.model_dump(mode="json"),
    }

    def fit() -> dict[str, Any]:
        model, table = fit_themes(
            chosen, list(emotions), groups, theme.topics, executor, all_emotions=predictable
        )
        return {**model.state(), "selection": table.to_dict(orient="list")}

    state = store.compute(key, fit)
    model = ThemeModel.from_state(state)
    for note in model.notes:
        log.info(note)
    return model, pd.DataFrame(state["selection"])


def _digest(words: AudioWords) -> str:
    import hashlib

    return hashlib.blake2b(np.ascontiguousarray(words.counts).data, digest_size=16).hexdigest()


def assign_themes(
    fitted: ThemeModel,
    words: AudioWords,
    clips: pd.DataFrame,
    library_emotions: pd.DataFrame,
    codebook: Codebook,
    theme: ThemeParameters,
    previous_model: ThemeModel | None,
    previous_themes: pd.DataFrame | None,
) -> tuple[pd.DataFrame, pd.DataFrame, ThemeModel, pd.DataFrame]:
    """Give every clip its theme, and its mixture inside every emotion; say what changed since the last run.

    Themes get the numbers that they had before. Model and themes are made by one node, so that one is saved
    right after the other: the next training compares itself with both.
    """
    model = replace(fitted, vocabulary=vocabulary_of(codebook))
    emotions, mixtures = emotions_used(clips, library_emotions), model.mixtures(words)
    kept, drift = keep_numbers(
        model,
        themes_table(model, words, emotions, mixtures=mixtures)[["clip_id", "emotion", "theme"]],
        previous_model,
        None if previous_themes is None else previous_themes[["clip_id", "emotion", "theme"]],
        least_similarity=theme.topics.least_similarity,
    )
    for sentence in drift_sentences(drift):
        log.info(sentence)
    themes = themes_table(kept, words, emotions, mixtures=mixtures)
    return themes, mixtures_table(kept, words, mixtures=mixtures), kept, drift


def describe_themes(
    model: ThemeModel,
    themes: pd.DataFrame,
    clips: pd.DataFrame,
    mfcc: ClipFeatures,
    codebook: Codebook,
    attention: pd.DataFrame,
    theme: ThemeParameters,
    executor: ExecutorParameters,
) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """Write the theme cards."""
    measures = clip_measures(mfcc, executor)
    cards = build_cards(model, themes, clips, measures, codebook.word_names, theme.cards, attention)
    return cards, cards_table(cards)


def record_themes(
    cards: list[dict[str, Any]],
    corpus: CorpusParameters,
    clips: pd.DataFrame,
    codebook: Codebook,
    theme: ThemeParameters,
    executor: ExecutorParameters,
    mfcc: ClipFeatures,
    midterm: ClipFeatures,
) -> tuple[dict[str, bytes], dict[str, str]]:
    """Cut what the themes let one listen to: highlights of exemplars, and audio words."""
    audio, failed = listening_material(
        cards,
        Clips(clips, corpus.root, corpus.other_roots),
        codebook,
        _joined(mfcc, midterm),
        players=theme.cards.players,
        words=theme.cards.word_players,
        excerpts=theme.cards.word_excerpts,
        executor=executor,
    )
    for clip_id, reason in failed.items():
        log.warning("The exemplar %s cannot be heard: %s", clip_id, reason)
    return audio, failed


def show_themes(
    cards: list[dict[str, Any]],
    model: ThemeModel,
    themes: pd.DataFrame,
    codebook: Codebook,
    selection: pd.DataFrame,
    audio: dict[str, bytes],
    failed: dict[str, str],
    corpus: CorpusParameters,
    theme: ThemeParameters,
) -> str:
    """Write the page of the themes."""
    return render_page(
        cards,
        model,
        themes,
        codebook.word_names,
        selection_figures(selection, min_stability=theme.topics.min_stability),
        audio,
        failed,
        corpus=corpus.title,
        players=theme.cards.players,
        word_players=theme.cards.word_players,
    )


def draw_themes(
    model: ThemeModel,
    words: AudioWords,
    themes: pd.DataFrame,
    cards: list[dict[str, Any]],
    selection: pd.DataFrame,
    codebook: Codebook,
    theme: ThemeParameters,
) -> tuple[Any, dict[str, Any], Any]:
    """Draw the theme map (Plotly), the choice of topics (Matplotlib) and the words of the themes (Plotly)."""
    return (
        theme_map(words, themes, cards),
        selection_figures(selection, min_stability=theme.topics.min_stability),
        topic_word_figure(model, codebook.word_names, cards),
    )


def evaluate_discovery(
    mfcc: ClipFeatures,
    midterm: ClipFeatures,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    theme: ThemeParameters,
    executor: ExecutorParameters,
    store: ResultStore,
) -> tuple[Any, ...]:
    """Cluster held-out clips by every discovery model: assignments a model, then all metrics."""
    if clips["theme"].isna().all():
        log.info("The music has no theme labels: themes are scored by coherence and stability alone.")
    tables, metrics = discover_themes(
        _joined(mfcc, midterm), clips, folds, theme, executor=executor, store=store
    )
    return (*(tables[model] for model in DISCOVERY_MODELS), metrics)


def evaluate_discrimination(
    mfcc: ClipFeatures,
    midterm: ClipFeatures,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    theme: ThemeParameters,
    executor: ExecutorParameters,
    store: ResultStore,
) -> tuple[Any, ...]:
    """Predict theme labels of held-out clips by every discrimination model: predictions, then all metrics."""
    tables, metrics = discriminate_themes(
        _joined(mfcc, midterm), clips, folds, theme, executor=executor, store=store
    )
    if all(table.empty for table in tables.values()):
        log.info("No theme label is frequent enough inside an emotion: theme classification is left out.")
    return (*(tables[model] for model in DISCRIMINATION_MODELS), metrics)


def join_metrics(
    discovery: dict[str, dict[str, float]], discrimination: dict[str, dict[str, float]]
) -> tuple[dict[str, float], ...]:
    """Return the metrics of every model of `MODELS`, both readings together."""
    return tuple({**discovery.get(model, {}), **discrimination.get(model, {})} for model in MODELS)


def tabulate_discovery(
    discovery: dict[str, dict[str, float]], evaluation: EvaluationParameters, *assignments: pd.DataFrame
) -> pd.DataFrame:
    """Make one row a discovery model: `model, role`, its measures, and the tests of the proposed one."""
    measured = pd.DataFrame(
        [{"model": model, "role": ROLES[model], **discovery.get(model, {})} for model in DISCOVERY_MODELS]
    )
    tables = dict(zip(DISCOVERY_MODELS, assignments, strict=True))
    proposed = next(model for model in DISCOVERY_MODELS if ROLES[model] == "proposed")
    return measured.merge(compare_discovery(tables, proposed, evaluation), on="model")
