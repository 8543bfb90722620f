"""Nodes of the themes: thin adaptations of `affetto.themes` to the catalog."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
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
from affetto.io.cache import CacheParameters
from affetto.io.workers import ExecutorParameters
from affetto.recommendation.library import build_library
from affetto.recommendation.parameters import RecommendParameters
from affetto.themes.baselines import DISCOVERY_ROLES, DISCRIMINATION_ROLES
from affetto.themes.cards import build_cards, clip_measures
from affetto.themes.codebook import Codebook, fit_codebook
from affetto.themes.comparison import compare_discovery
from affetto.themes.evaluation import METHOD, discover_themes, discriminate_themes
from affetto.themes.excerpts import Clips, cut_excerpts
from affetto.themes.identity import drift_sentences, keep_numbers, vocabulary_of
from affetto.themes.model import ThemeModel, emotions_used, fit_themes, mixtures_table, themes_table
from affetto.themes.page import render_page
from affetto.themes.parameters import ThemeParameters
from affetto.themes.words import AudioWords, count_words

log = logging.getLogger(__name__)

FEATURES = ("mfcc", "midterm")
"""What audio words are made of."""
Features = Mapping[str, ClipFeatures]
Results = dict[str, Any]


def learn_codebook(features: Features, theme: ThemeParameters, cache: CacheParameters) -> Codebook:
    """Learn the codebook of the library from the frames of all clips."""
    frames = read_by_themes(features)
    key = {"features": frames.fingerprint, "codebook": theme.codebook.model_dump(mode="json")}
    return Codebook.from_state(
        _cached(cache, "theme_codebook", key, lambda: fit_codebook(frames, theme.codebook).state())
    )


def count_audio_words(
    features: Features,
    codebook: Codebook,
    theme: ThemeParameters,
    executor: ExecutorParameters,
    cache: CacheParameters,
) -> AudioWords:
    """Count the audio words of all clips."""
    frames = read_by_themes(features)
    key = {"features": frames.fingerprint, "codebook": theme.codebook.model_dump(mode="json")}
    return AudioWords.from_state(
        _cached(cache, "theme_library_words", key, lambda: count_words(codebook, frames, executor).state())
    )


def read_by_themes(features: Features) -> FeatureSet:
    """Return the features that audio words are made of, of the clips that have both.

    Clips are ordered by `clip_id`: what is fitted must not depend on the order of a table.
    """
    return read_features(features, FEATURES, sorted(features["mfcc"].clip_ids))


def _cached(
    cache: CacheParameters, what: str, key: Mapping[str, Any], compute: Callable[[], Mapping[str, Any]]
) -> Mapping[str, Any]:
    return cache.store.compute({"what": what, "method": METHOD, **key}, compute)


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
    chosen = words.take(pd.Index(words.clip_ids).get_indexer(emotions.index))
    groups = list(clips.set_index("clip_id")["group"].reindex(emotions.index))
    predictable = [name.removeprefix("p_") for name in library_emotions.columns if name.startswith("p_")]
    digest = hashlib.blake2b(np.ascontiguousarray(chosen.counts).data, digest_size=16).hexdigest()
    key = {
        "words": [list(chosen.clip_ids), digest],
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

    state = _cached(cache, "theme_model", key, fit)
    model = ThemeModel.from_state(state)
    for topics in model.emotions.values():
        if topics.note:
            log.info(topics.note)
    return model, pd.DataFrame(state["selection"])


def assign_themes(
    fitted: ThemeModel,
    words: AudioWords,
    clips: pd.DataFrame,
    recognised: Results,
    codebook: Codebook,
    previous: Mapping[str, Any] | None,
) -> tuple[pd.DataFrame, pd.DataFrame, ThemeModel, pd.DataFrame]:
    """Give every clip its theme, and its mixture inside every emotion; say what changed since the last run.

    Themes get the numbers that they had before. Model and themes are made by one node, so that one is saved
    right after the other: the next training compares itself with both.
    """
    model = replace(fitted, vocabulary=vocabulary_of(codebook))
    emotions, mixtures = emotions_used(clips, recognised["emotions"]), model.mixtures(words)
    numbered, drift = keep_numbers(
        model,
        themes_table(model, words, mixtures, emotions)[["clip_id", "emotion", "theme"]],
        previous["model"] if previous else None,
        previous["themes"][["clip_id", "emotion", "theme"]] if previous else None,
    )
    for sentence in drift_sentences(drift):
        log.info(sentence)
    themes = themes_table(numbered, words, mixtures, emotions)
    return themes, mixtures_table(numbered, words, mixtures), numbered, drift


def describe_themes(
    model: ThemeModel,
    themes: pd.DataFrame,
    clips: pd.DataFrame,
    features: Features,
    codebook: Codebook,
    recognised: Results,
    executor: ExecutorParameters,
) -> list[dict[str, Any]]:
    """Write the theme cards."""
    measures = clip_measures(features["mfcc"], executor)
    return build_cards(model, themes, clips, measures, codebook.word_names, recognised["attention"])


def record_themes(
    cards: list[dict[str, Any]],
    corpus: CorpusParameters,
    clips: pd.DataFrame,
    codebook: Codebook,
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
    }
    found = cache.store.get(key)
    if found is None:
        recordings = Clips(clips, corpus.root, corpus.other_roots)
        audio, failed = cut_excerpts(cards, recordings, codebook, frames, executor)
        sizes = [len(content) for content in audio.values()]
        joined = np.frombuffer(b"".join(audio.values()), dtype=np.uint8)
        found = {"names": list(audio), "sizes": sizes, "audio": joined, "failed": failed}
        if not failed:  # what failed is tried again by the next run
            cache.store.put(key, found)
    for clip_id, reason in found["failed"].items():
        log.warning("The exemplar %s cannot be heard: %s", clip_id, reason)
    parts = np.split(np.asarray(found["audio"]), np.cumsum(found["sizes"])[:-1])
    return {name: part.tobytes() for name, part in zip(found["names"], parts, strict=False)}, found["failed"]


def show_themes(
    cards: list[dict[str, Any]],
    model: ThemeModel,
    themes: pd.DataFrame,
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
        selection,
        audio,
        failed,
        corpus=corpus.title,
        changes=drift_sentences(drift),
        min_stability=theme.topics.min_stability,
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
        never saw a label (`model, role`, its measures, and the tests of the proposed one); `metrics` of each
        model.
    """
    measured = pd.DataFrame(
        [
            {"model": model, "role": role, **discovery["metrics"].get(model, {})}
            for model, role in DISCOVERY_ROLES.items()
        ]
    )
    (proposed,) = (model for model, role in DISCOVERY_ROLES.items() if role == "proposed")
    tables = {model: discovery[model] for model in DISCOVERY_ROLES}
    return {
        **score_task(
            {name: discrimination[name] for name in DISCRIMINATION_ROLES},
            DISCRIMINATION_ROLES,
            protocol=split.title,
            corpus=corpus.title,
            task="theme",
            parameters=evaluation,
        ),
        "discovery": measured.merge(compare_discovery(tables, proposed, evaluation), on="model"),
        "metrics": {
            name: {**discovery["metrics"].get(name, {}), **discrimination["metrics"].get(name, {})}
            for name in {**DISCRIMINATION_ROLES, **DISCOVERY_ROLES}
        },
    }
