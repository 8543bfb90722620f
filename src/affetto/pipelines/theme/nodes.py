"""Nodes of the themes: codebook and audio words, topics, cards and their page, library, evaluation."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.evaluation.comparison import proposed_model, score_task
from affetto.evaluation.parameters import EvaluationParameters
from affetto.experiments.folds import read_features
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.highlight import cut_highlights
from affetto.io.cache import CacheParameters
from affetto.io.workers import ExecutorParameters
from affetto.recommendation.library import build_library
from affetto.recommendation.parameters import RecommendParameters
from affetto.themes.baselines import DISCOVERY_ROLES, DISCRIMINATION_ROLES, roles_of
from affetto.themes.cards import build_cards, clip_measures
from affetto.themes.codebook import Codebook, fit_codebook
from affetto.themes.comparison import compare_discovery
from affetto.themes.evaluation import METHOD, discover_themes, discriminate_themes
from affetto.themes.excerpts import Clips, cut_excerpts
from affetto.themes.identity import drift_sentences, keep_numbers, vocabulary_of
from affetto.themes.model import ThemeModel, emotions_used, fit_themes, mixtures_table, themes_table
from affetto.themes.page import render_page
from affetto.themes.parameters import ThemeParameters
from affetto.themes.tags import predict_tags
from affetto.themes.words import AudioWords, count_words

FEATURES = ("mfcc", "midterm")
"""What audio words are made of."""
OPTIONAL_FEATURES = ("tags", "encoder")
"""What names and compares themes where it is extracted: musicnn's tags, and a frozen embedding."""
Features = Mapping[str, ClipFeatures]
Results = dict[str, Any]
_LOGGER = logging.getLogger(__name__)


def learn_audio_words(
    features: Features, theme: ThemeParameters, executor: ExecutorParameters, cache: CacheParameters
) -> tuple[Codebook, AudioWords]:
    """Learn the codebook of the library from the frames of all clips, and count the audio words of each."""
    frames = frames_of_themes(features)
    key = {"features": frames.fingerprint, "codebook": theme.codebook.model_dump(mode="json")}
    codebook = Codebook.from_state(
        _cached(cache, "theme_codebook", key, lambda: fit_codebook(frames, theme.codebook).state())
    )
    words = AudioWords.from_state(
        _cached(cache, "theme_library_words", key, lambda: count_words(codebook, frames, executor).state())
    )
    return codebook, words


def frames_of_themes(features: Features) -> FeatureSet:
    """Return the features that audio words are made of, of the clips that have both.

    Clips are ordered by `clip_id`: what is fitted must not depend on the order of a table.
    """
    return read_features(features, FEATURES, sorted(features["mfcc"].clip_ids))


def frames_of_evaluation(features: Features) -> FeatureSet:
    """Return the same with the frozen embedding where it is extracted, of the clips that have all."""
    names = [*FEATURES, *(name for name in ("encoder",) if name in features)]
    return read_features(features, names, sorted(features["mfcc"].clip_ids))


def tags_of(features: Features) -> pd.Series | None:
    """Return the predicted tags of clips; None where the feature was not extracted."""
    return predict_tags(features["tags"]) if "tags" in features else None


def _cached(
    cache: CacheParameters, what: str, key: Mapping[str, Any], compute: Callable[[], Mapping[str, Any]]
) -> Mapping[str, Any]:
    return cache.store.compute({"what": what, "method": METHOD, **key}, compute)


def fit_theme_model(
    words: AudioWords,
    codebook: Codebook,
    clips: pd.DataFrame,
    recognised: Results,
    theme: ThemeParameters,
    executor: ExecutorParameters,
    cache: CacheParameters,
    previous: Mapping[str, Any] | None,
) -> tuple[pd.DataFrame, pd.DataFrame, ThemeModel, pd.DataFrame, pd.DataFrame]:
    """Choose and fit the topics of every emotion on all clips, and give every clip its theme.

    Themes get the numbers that they had before. Model and themes are made by one node, so that one is saved
    right after the other: the next training compares itself with both.

    Returns
    -------
    tuple
        The theme of every clip, its mixture inside every emotion, the model, how the numbers of topics were
        chosen, and what changed since the run before.
    """
    emotions = emotions_used(clips, recognised["emotions"])
    used = emotions.reindex(words.clip_ids).dropna()
    chosen = words.take(pd.Index(words.clip_ids).get_indexer(used.index))
    groups = list(clips.set_index("clip_id")["group"].reindex(used.index))
    columns = recognised["emotions"].columns
    predictable = [name.removeprefix("p_") for name in columns if name.startswith("p_")]
    digest = hashlib.blake2b(np.ascontiguousarray(chosen.counts).data, digest_size=16).hexdigest()
    key = {
        "words": [list(chosen.clip_ids), digest],
        "emotions": list(used),
        "groups": groups,
        "all_emotions": predictable,
        "topics": theme.topics.model_dump(mode="json"),
    }

    def fit() -> dict[str, Any]:
        model, table = fit_themes(
            chosen, list(used), groups, theme.topics, executor, all_emotions=predictable
        )
        return {**model.state(), "selection": table.to_dict(orient="list")}

    state = _cached(cache, "theme_model", key, fit)
    model = replace(ThemeModel.from_state(state), vocabulary=vocabulary_of(codebook))
    mixtures, before = model.mixtures(words), previous or {"model": None, "themes": None}
    numbered, drift = keep_numbers(
        model,
        themes_table(model, words, mixtures, emotions),
        before["model"],
        before["themes"],
    )
    notes = [topics.note for topics in model.emotions.values() if topics.note]
    for sentence in (*notes, *drift_sentences(drift)):
        _LOGGER.info(sentence)
    return (
        themes_table(numbered, words, mixtures, emotions),
        mixtures_table(numbered, words, mixtures),
        numbered,
        pd.DataFrame(state["selection"]),
        drift,
    )


def describe_themes(
    model: ThemeModel,
    themes: pd.DataFrame,
    clips: pd.DataFrame,
    features: Features,
    codebook: Codebook,
    recognised: Results,
    corpus: CorpusParameters,
    executor: ExecutorParameters,
    cache: CacheParameters,
) -> tuple[list[dict[str, Any]], dict[str, bytes], dict[str, str]]:
    """Write the theme cards, and cut what they let one listen to.

    Returns
    -------
    tuple
        The cards; highlights of exemplars and audio words as MP3 by name; and exemplars that cannot be heard
        with the reason.
    """
    frames, measures = frames_of_themes(features), clip_measures(features["mfcc"], executor)
    names, attention = codebook.word_names, recognised["attention"]
    cards = build_cards(model, themes, clips, measures, names, attention, tags_of(features))
    key = {
        "what": "theme_audio",
        "method": METHOD,
        "features": frames.fingerprint,
        "codebook": vocabulary_of(codebook),
        "cards": [[card["exemplars"], card["words"]] for card in cards],
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
        _LOGGER.warning("The exemplar %s cannot be heard: %s", clip_id, reason)
    parts = np.split(np.asarray(found["audio"]), np.cumsum(found["sizes"])[:-1])
    audio = {name: part.tobytes() for name, part in zip(found["names"], parts, strict=False)}
    return cards, audio, found["failed"]


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
    features: Features,
) -> Results:
    """Put together what is known of every track: `tracks`, `mixtures` and `cards`."""
    emotions, roots = recognised["emotions"], corpus.other_roots
    highlights = cut_highlights(clips, recognised["attention"], parameters.highlight_s)
    described = (clips, corpus.root, emotions, mixtures, cards, highlights)
    tracks = build_library(*described, other_roots=roots, predicted=tags_of(features))
    return {"tracks": tracks, "mixtures": mixtures, "cards": cards}


def evaluate_themes(
    features: Features,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    theme: ThemeParameters,
    executor: ExecutorParameters,
    cache: CacheParameters,
) -> tuple[Results, Results]:
    """Cluster held-out clips by every discovery model, and predict their theme labels by every classifier.

    Returns
    -------
    tuple
        For discovery and for discrimination, the table of every model, and `metrics` of all.
    """
    tested = (frames_of_evaluation(features), clips, folds, theme)
    clusters, found = discover_themes(*tested, executor=executor, store=cache.store)
    predictions, told = discriminate_themes(*tested, executor=executor, store=cache.store)
    if clips["theme"].isna().all():
        _LOGGER.info("The music has no theme labels: themes are scored by coherence and stability alone.")
    elif all(table.empty for table in predictions.values()):
        _LOGGER.info("No theme label is frequent enough inside an emotion: none is classified.")
    return {**clusters, "metrics": found}, {**predictions, "metrics": told}


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
    found, told = discovery["metrics"], discrimination["metrics"]
    discovered, classified = (
        roles_of(discovery, DISCOVERY_ROLES),
        roles_of(discrimination, DISCRIMINATION_ROLES),
    )
    measured = [{"model": model, "role": role, **found.get(model, {})} for model, role in discovered.items()]
    tables = {model: discovery[model] for model in discovered}
    tests = compare_discovery(tables, str(proposed_model(discovered)), evaluation)
    compared = score_task(
        {name: discrimination[name] for name in classified},
        classified,
        protocol=split.title,
        corpus=corpus.title,
        task="theme",
        parameters=evaluation,
    )
    models = {**classified, **discovered}
    return {
        **compared,
        "discovery": pd.DataFrame(measured).merge(tests, on="model"),
        "metrics": {name: {**found.get(name, {}), **told.get(name, {})} for name in models},
    }
