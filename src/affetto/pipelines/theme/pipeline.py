"""Wiring of the themes: codebook, audio words, topics, cards, library, and their evaluation."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from affetto.pipelines import step
from affetto.pipelines.theme import nodes

_BOX = "codebook_topics_and_themes"
_CORPUS, _THEME = "params:music.corpus", "params:music.theme"
_EXECUTOR, _CACHE = "params:executor", "params:cache"
_FEATURES, _CLIPS, _EMOTIONS = "music.features", "music.clips", "music.emotions"
_CODEBOOK, _WORDS, _MODEL = "music.theme.codebook", "music.theme.words", "music.theme.model"
_SELECTION, _DRIFT, _THEMES = "music.theme.selection", "music.theme.drift", "music.themes"
_MIXTURES, _CARDS = "music.theme.mixtures", "music.theme.cards"
_SOUNDS = ["music.theme.audio", "music.theme.inaudible"]
_EVALUATED = ["music.theme.discovery", "music.theme.discrimination"]


def create_pipeline() -> Pipeline:
    """Build the themes, from clips, folds, features and the emotions of the library."""
    steps = [
        step(
            nodes.learn_audio_words,
            [_FEATURES, _THEME, _EXECUTOR, _CACHE],
            [_CODEBOOK, _WORDS],
            box=_BOX,
        ),
        step(
            nodes.fit_theme_model,
            [_WORDS, _CODEBOOK, _CLIPS, _EMOTIONS, _THEME, _EXECUTOR, _CACHE, "music.theme.previous"],
            [_THEMES, _MIXTURES, _MODEL, _SELECTION, _DRIFT],
            box=_BOX,
        ),
        step(
            nodes.describe_themes,
            [
                *(_MODEL, _THEMES, _CLIPS, _FEATURES, _CODEBOOK, _EMOTIONS),
                *(_CORPUS, _EXECUTOR, _CACHE),
            ],
            [_CARDS, *_SOUNDS],
            box=_BOX,
        ),
        step(
            nodes.show_themes,
            [_CARDS, _MODEL, _THEMES, _SELECTION, _DRIFT, *_SOUNDS, _CORPUS, _THEME],
            "music.theme.page",
            box=_BOX,
        ),
        step(
            nodes.assemble_library,
            ["params:recommend", _CORPUS, _CLIPS, _EMOTIONS, _MIXTURES, _CARDS, _FEATURES],
            "music.library",
            box=_BOX,
        ),
        step(
            nodes.evaluate_themes,
            [_FEATURES, _CLIPS, "music.folds", _THEME, _EXECUTOR, _CACHE],
            _EVALUATED,
            box=_BOX,
        ),
    ]
    return Pipeline(steps) + create_scores_pipeline()


def create_scores_pipeline() -> Pipeline:
    """Build the scores of theme models that were evaluated before."""
    inputs = [*_EVALUATED, "params:evaluation", _CORPUS, "params:music.split"]
    return Pipeline([step(nodes.score_themes, inputs, "theme.results", box=_BOX)])
