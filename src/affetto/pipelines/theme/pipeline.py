"""Wiring of the themes: codebook, audio words, topics, cards, library, and their evaluation."""

from __future__ import annotations

from functools import partial

from kedro.pipeline import Pipeline

from affetto.pipelines import step
from affetto.pipelines.theme import nodes

_step = partial(step, box="codebook_topics_and_themes")
_CORPUS, _THEME = "params:music.corpus", "params:music.theme"
_WHERE = ["params:executor", "params:cache"]
_FEATURES, _CLIPS, _EMOTIONS = "music.features", "music.clips", "music.emotions"
_CODEBOOK, _WORDS, _MODEL = "music.theme.codebook", "music.theme.words", "music.theme.model"
_SELECTION, _DRIFT, _THEMES = "music.theme.selection", "music.theme.drift", "music.themes"
_MIXTURES, _CARDS = "music.theme.mixtures", "music.theme.cards"
_SOUNDS = ["music.theme.audio", "music.theme.inaudible"]
_EVALUATED = ["music.theme.discovery", "music.theme.discrimination"]


def create_pipeline() -> Pipeline:
    """Build the themes, from clips, folds, features and the emotions of the library."""
    known = [_MODEL, _THEMES, _CLIPS, _FEATURES, _CODEBOOK, _EMOTIONS]
    fitted = [_WORDS, _CODEBOOK, _CLIPS, _EMOTIONS, _THEME, *_WHERE, "music.theme.previous"]
    shown = [_CARDS, _MODEL, _THEMES, _SELECTION, _DRIFT, *_SOUNDS, _CORPUS, _THEME]
    tracks = ["params:recommend", _CORPUS, _CLIPS, _EMOTIONS, _MIXTURES, _CARDS, _FEATURES]
    tested = [_FEATURES, _CLIPS, "music.folds", _THEME, *_WHERE]
    steps = [
        _step(nodes.learn_audio_words, [_FEATURES, _THEME, *_WHERE], [_CODEBOOK, _WORDS]),
        _step(nodes.fit_theme_model, fitted, [_THEMES, _MIXTURES, _MODEL, _SELECTION, _DRIFT]),
        _step(nodes.describe_themes, [*known, _CORPUS, *_WHERE], [_CARDS, *_SOUNDS]),
        _step(nodes.show_themes, shown, "music.theme.page"),
        _step(nodes.assemble_library, tracks, "music.library"),
        _step(nodes.evaluate_themes, tested, _EVALUATED),
    ]
    return Pipeline(steps) + create_scores_pipeline()


def create_scores_pipeline() -> Pipeline:
    """Build the scores of theme models that were evaluated before."""
    inputs = [*_EVALUATED, "params:evaluation", _CORPUS, "params:music.split"]
    return Pipeline([_step(nodes.score_themes, inputs, "theme.results")])
