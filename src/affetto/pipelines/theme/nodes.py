"""Nodes of the themes: thin adaptations of `affetto.themes` to the catalog."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.evaluation.comparison import score_task
from affetto.evaluation.parameters import EvaluationParameters
from affetto.experiments.folds import read_features
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.highlight import cut_highlights
from affetto.parallel import ExecutorParameters
from affetto.recommendation.library import build_library
from affetto.recommendation.parameters import RecommendParameters
from affetto.results import CacheParameters
from affetto.themes.bags import AudioWords, count_words
from affetto.themes.cards import build_cards
from affetto.themes.classifiers import DISCRIMINATION_ROLES
from affetto.themes.clustering import DISCOVERY_ROLES
from affetto.themes.codebook import Codebook, fit_codebook
from affetto.themes.comparison import compare_discovery
from affetto.themes.discovery import discover_themes
from affetto.themes.discrimination import discriminate_themes
from affetto.themes.evaluation import METHOD
from affetto.themes.figures import selection_figures
from affetto.themes.identity import drift_sentences, keep_numbers, vocabulary_of
from affetto.themes.listening import Clips, listening_material
from affetto.themes.model import ThemeModel, fit_themes
from affetto.themes.musical import clip_measures
from affetto.themes.page import render_page
from affetto.themes.parameters import ThemeParameters
from affetto.themes.tables import emotions_used, mixtures_table, themes_table

log = logging.getLogger(__name__)

FEATURES = ("mfcc", "midterm")
"""What audio words are made of."""
Features = Mapping[str, ClipFeatures]
Results = dict[str, Any]


def learn_codebook(features: Features, theme: ThemeParameters, cache: CacheParameters) -> Codebook:
    """Learn the codebook of the library from the frames of all clips."""
    frames = read_by_themes(features)
    key = {
        "what": "theme_codebook",
        "method": METHOD,
        "features": frames.fingerprint,
        "codebook": theme.codebook.model_dump(mode="json"),
    }
    state = cache.store.compute(key, lambda: fit_codebook(frames, theme.codebook).state())
    return Codebook.from_state(state)


def count_audio_words(
    features: Features,
    codebook: Codebook,
    theme: ThemeParameters,
    executor: ExecutorParameters,
    cache: CacheParameters,
) -> AudioWords:
    """Count the audio words of all clips."""
    frames = read_by_themes(features)
    key = {
        "what": "theme_library_words",
        "method": METHOD,
        "features": frames.fingerprint,
        "codebook": theme.codebook.model_dump(mode="json"),
    }
    counted = cache.store.compute(key, lambda: count_words(codebook, frames, executor).state())
    return AudioWords.from_state(counted)


def read_by_themes(features: Features) -> FeatureSet:
    """Return the features that audio words are made of, of the clips that have both.

    Clips are ordered by `clip_id`: what is fitted must not depend on the order of a table.
    """
    return read_features(features, FEATURES, sorted(features["mfcc"].clip_ids))


def fit_theme_model(
    words: AudioWords,
    clips: pd.DataFrame,
    recognised: Results,
    theme: ThemeParameters,
    executor: ExecutorParameters,
    cache: CacheParameters,
) -> tuple[ThemeModel, pd.DataFrame]:
    """Choose and fit the topics of every emotion on all clips, labelled or recognised."""
    library_emotions = recognised["emotions"]
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

    state = cache.store.compute(key, fit)
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
    recognised: Results,
    codebook: Codebook,
    theme: ThemeParameters,
    previous: Mapping[str, Any] | None,
) -> tuple[pd.DataFrame, pd.DataFrame, ThemeModel, pd.DataFrame]:
    """Give every clip its theme, and its mixture inside every emotion; say what changed since the last run.

    Themes get the numbers that they had before. Model and themes are made by one node, so that one is saved
    right after the other: the next training compares itself with both.
    """
    model = replace(fitted, vocabulary=vocabulary_of(codebook))
    emotions, mixtures = emotions_used(clips, recognised["emotions"]), model.mixtures(words)
    kept, drift = keep_numbers(
        model,
        themes_table(model, words, emotions, mixtures=mixtures)[["clip_id", "emotion", "theme"]],
        previous["model"] if previous else None,
        previous["themes"][["clip_id", "emotion", "theme"]] if previous else None,
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
    features: Features,
    codebook: Codebook,
    recognised: Results,
    theme: ThemeParameters,
    executor: ExecutorParameters,
) -> list[dict[str, Any]]:
    """Write the theme cards."""
    measures = clip_measures(features["mfcc"], executor)
    return build_cards(
        model, themes, clips, measures, codebook.word_names, theme.cards, recognised["attention"]
    )


def record_themes(
    cards: list[dict[str, Any]],
    corpus: CorpusParameters,
    clips: pd.DataFrame,
    codebook: Codebook,
    theme: ThemeParameters,
    executor: ExecutorParameters,
    features: Features,
    cache: CacheParameters,
) -> tuple[dict[str, bytes], dict[str, str]]:
    """Cut what the themes let one listen to: highlights of exemplars, and audio words."""
    frames = read_by_themes(features)
    key = {
        "what": "theme_audio",
        "method": METHOD,
        "features": frames.fingerprint,
        "codebook": vocabulary_of(codebook),
        "cards": cards,
        "parameters": theme.cards.model_dump(mode="json"),
    }

    def cut() -> dict[str, Any]:
        audio, failed = listening_material(
            cards,
            Clips(clips, corpus.root, corpus.other_roots),
            codebook,
            frames,
            players=theme.cards.players,
            words=theme.cards.word_players,
            excerpts=theme.cards.word_excerpts,
            executor=executor,
        )
        sizes = [len(content) for content in audio.values()]
        joined = np.frombuffer(b"".join(audio.values()), dtype=np.uint8)
        return {"names": list(audio), "sizes": sizes, "audio": joined, "failed": failed}

    found = cache.store.get(key)
    if found is None:
        found = cut()
        if not found["failed"]:  # what failed is tried again by the next run
            cache.store.put(key, found)
    for clip_id, reason in found["failed"].items():
        log.warning("The exemplar %s cannot be heard: %s", clip_id, reason)
    parts = np.split(np.asarray(found["audio"]), np.cumsum(found["sizes"])[:-1])
    audio = {name: part.tobytes() for name, part in zip(found["names"], parts, strict=False)}
    return audio, found["failed"]


def show_themes(
    cards: list[dict[str, Any]],
    model: ThemeModel,
    themes: pd.DataFrame,
    codebook: Codebook,
    selection: pd.DataFrame,
    drift: pd.DataFrame,
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
        changes=drift_sentences(drift),
        players=theme.cards.players,
        word_players=theme.cards.word_players,
    )


def assemble_library(
    parameters: RecommendParameters,
    corpus: CorpusParameters,
    clips: pd.DataFrame,
    recognised: Results,
    mixtures: pd.DataFrame,
    cards: list[dict[str, Any]],
) -> Results:
    """Put together what is known of every track: `tracks`, `mixtures` and `cards`."""
    highlights = cut_highlights(clips, recognised["attention"], parameters.highlight_s)
    tracks = build_library(
        clips,
        corpus.root,
        recognised["emotions"],
        mixtures,
        cards,
        highlights,
        other_roots=corpus.other_roots,
    )
    return {"tracks": tracks, "mixtures": mixtures, "cards": cards}


def evaluate_discovery(
    features: Features,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    theme: ThemeParameters,
    executor: ExecutorParameters,
    cache: CacheParameters,
) -> Results:
    """Cluster held-out clips by every discovery model: the assignments of each, and `metrics` of all."""
    if clips["theme"].isna().all():
        log.info("The music has no theme labels: themes are scored by coherence and stability alone.")
    tables, metrics = discover_themes(
        read_by_themes(features), clips, folds, theme, executor=executor, store=cache.store
    )
    return {**tables, "metrics": metrics}


def evaluate_discrimination(
    features: Features,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    theme: ThemeParameters,
    executor: ExecutorParameters,
    cache: CacheParameters,
) -> Results:
    """Predict theme labels of held-out clips: the predictions of every model, and `metrics` of all."""
    tables, metrics = discriminate_themes(
        read_by_themes(features), clips, folds, theme, executor=executor, store=cache.store
    )
    if all(table.empty for table in tables.values()):
        log.info("No theme label is frequent enough inside an emotion: theme classification is left out.")
    return {**tables, "metrics": metrics}


def score_themes(
    discovery: Results,
    discrimination: Results,
    evaluation: EvaluationParameters,
    corpus: CorpusParameters,
    split: SplitParameters,
) -> Results:
    """Compare the models of theme classification, and those of theme discovery.

    Returns
    -------
    dict
        `comparison`, `groups` and `predictions` as of the emotion models; `discovery`, a row a model that
        never saw a label; `metrics` of each model.
    """
    return {
        **score_task(
            {name: discrimination[name] for name in DISCRIMINATION_ROLES},
            DISCRIMINATION_ROLES,
            protocol=split.title,
            corpus=corpus.title,
            task="theme",
            parameters=evaluation,
        ),
        "discovery": _tabulate_discovery(discovery, evaluation),
        "metrics": {
            name: {**discovery["metrics"].get(name, {}), **discrimination["metrics"].get(name, {})}
            for name in {**DISCRIMINATION_ROLES, **DISCOVERY_ROLES}
        },
    }


def _tabulate_discovery(discovery: Results, evaluation: EvaluationParameters) -> pd.DataFrame:
    """Make one row a discovery model: `model, role`, its measures, and the tests of the proposed one."""
    measured = pd.DataFrame(
        [
            {"model": model, "role": role, **discovery["metrics"].get(model, {})}
            for model, role in DISCOVERY_ROLES.items()
        ]
    )
    proposed = next(model for model, role in DISCOVERY_ROLES.items() if role == "proposed")
    tables = {model: discovery[model] for model in DISCOVERY_ROLES}
    return measured.merge(compare_discovery(tables, proposed, evaluation), on="model")
