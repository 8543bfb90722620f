"""Nodes of the library: inference only, on what the theme pipeline has made."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.experiments.folds import read_features
from affetto.features.clip_features import ClipFeatures
from affetto.io.cache import CacheParameters
from affetto.io.workers import ExecutorParameters
from affetto.pipelines.theme.nodes import read_by_themes
from affetto.recommendation import recognition
from affetto.recommendation.library import (
    add_confidence,
    build_library,
    harmless_in_spreadsheets,
    library_sentence,
    summarise_tracks,
)
from affetto.recommendation.parameters import LibraryExportParameters
from affetto.recommendation.tagging import plan_tags
from affetto.themes.codebook import Codebook
from affetto.themes.model import ThemeModel

_LOGGER = logging.getLogger(__name__)


def recognise_emotions(
    features: Mapping[str, ClipFeatures],
    model: Path,
    clips: pd.DataFrame,
    export: LibraryExportParameters,
    executor: ExecutorParameters,
    cache: CacheParameters,
    *,
    names: Sequence[str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Recognise every track's emotion with the model fitted on the labelled music, and cut its highlight."""
    read = read_features(features, names)
    return recognition.predict_library(model, clips, read, export.highlight_s, executor, cache.store)


def find_themes(
    features: Mapping[str, ClipFeatures],
    codebook: Codebook,
    model: ThemeModel,
    executor: ExecutorParameters,
) -> tuple[pd.DataFrame, list[str]]:
    """Infer the themes of every track; tracks without audio words get none."""
    mixtures, wordless = recognition.find_themes(codebook, model, read_by_themes(features), executor)
    if wordless:
        _LOGGER.warning(
            "%d tracks have no audio words, so their theme is unknown; the first is %s",
            len(wordless),
            wordless[0],
        )
    return mixtures, wordless


def note_speech(
    corpus: CorpusParameters, clips: pd.DataFrame, executor: ExecutorParameters, cache: CacheParameters
) -> pd.DataFrame:
    """Tell the tracks that are speech and no music; they stay in the library, with a note."""
    return recognition.note_speech(clips, corpus.root, corpus.other_roots, executor, cache.store)


def describe_tracks(
    corpus: CorpusParameters,
    clips: pd.DataFrame,
    rejected: pd.DataFrame,
    emotions: pd.DataFrame,
    highlights: pd.DataFrame,
    mixtures: pd.DataFrame,
    wordless: list[str],
    notes: pd.DataFrame,
    cards: list[dict[str, Any]],
) -> tuple[dict[str, Any], pd.DataFrame, dict[str, Any]]:
    """Put together what is known of every track.

    Returns
    -------
    tuple
        The library (`tracks`, `mixtures` and `cards`), the tracks for a spreadsheet, and a summary.
    """
    library = build_library(
        clips, corpus.root, emotions, mixtures, cards, highlights, other_roots=corpus.other_roots
    )
    tracks = add_confidence(library).merge(notes, on="clip_id", validate="one_to_one")
    summary = summarise_tracks(tracks, rejected, wordless, cards, n_clips=len(clips))
    _LOGGER.info("%s", library_sentence(summary))
    everything = {"tracks": tracks, "mixtures": mixtures, "cards": cards}
    return everything, harmless_in_spreadsheets(tracks), summary


def choose_tags(export: LibraryExportParameters, library: dict[str, Any]) -> pd.DataFrame:
    """Plan the tags of copies; nothing is planned unless `library.export.write_tags` asks for it."""
    plan = plan_tags(library["tracks"])
    return plan if export.write_tags else plan.iloc[:0]
