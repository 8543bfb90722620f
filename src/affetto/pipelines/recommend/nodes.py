"""Nodes of inference: recordings of a voice, a library of music without labels, and playlists."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from affetto.corpora.parameters import CorpusParameters
from affetto.errors import AffettoError
from affetto.experiments.folds import read_features
from affetto.features.clip_features import ClipFeatures
from affetto.io.cache import CacheParameters
from affetto.io.workers import ExecutorParameters
from affetto.models.estimator import Estimator, load_estimator, read_signature
from affetto.pipelines.theme.nodes import frames_of_themes, tags_of
from affetto.recommendation import recognition
from affetto.recommendation.library import (
    add_confidence,
    build_library,
    harmless_in_spreadsheets,
    library_sentence,
    summarise_tracks,
)
from affetto.recommendation.listen import (
    Listened,
    enrol,
    list_recordings,
    listen,
    screen_enrolment,
    screen_recordings,
)
from affetto.recommendation.parameters import LibraryExportParameters, RecommendParameters
from affetto.recommendation.playlist import Playlist, summarise_playlists
from affetto.recommendation.recommender import Recommender
from affetto.recommendation.tagging import plan_tags
from affetto.recommendation.timeline import draw_timeline, summarise_timeline, timeline_table
from affetto.recommendation.voice import LearntFrom, VoiceEmotion, VoiceResult, remarks, summarise_voices
from affetto.themes.codebook import Codebook
from affetto.themes.model import ThemeModel

Features = Mapping[str, ClipFeatures]
_LOGGER = logging.getLogger(__name__)
_LONG_WINDOWS = 120
"""A progress bar is shown from so many windows on."""


def find_speech(parameters: RecommendParameters, model: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """List the recordings, and those of the person's enrolment, and tell where there is speech.

    `model` is the folder of the voice model: recordings are looked for only when there is one, since those of
    the demo are made together with its corpus.
    """
    found = list_recordings(Path(parameters.voice))
    screened = screen_recordings(found, parameters.speech, parameters.timeline)
    return screened, screen_enrolment(parameters)


def recognise_voices(
    parameters: RecommendParameters, screened: pd.DataFrame, enrolment: pd.DataFrame, folder: Path
) -> dict[str, VoiceResult]:
    """Recognise the emotion of every recording; those with speech come with a timeline and a figure."""
    model = load_estimator(folder)
    listened = _listen(parameters, screened, enrolment, model)
    heard_by = LearntFrom.model_validate(model.learnt_from_) if model.learnt_from_ else None
    results = {}
    for row in screened.to_dict("records"):
        name, path, status = row["name"], row["path"], row["status"]
        message = listened.failures.get(name, row["message"])
        if status != "ok" or name in listened.failures:
            voice = VoiceEmotion(
                name=name,
                recording=path,
                status="unreadable" if status == "ok" else status,
                message=message,
                duration_s=None if pd.isna(row["duration_s"]) else row["duration_s"],
                speech_s=0.0 if status == "no_speech" else None,
            )
            results[name] = VoiceResult(voice)
            continue
        found = listened.posteriors[name], listened.novelty[name], model.classes_
        table = timeline_table(name, row["windows"], *found, parameters, listened.ratings[name])
        voice = summarise_timeline(table, path, parameters, heard_by=heard_by, enrolled=len(enrolment))
        voice = voice.model_copy(update={"message": message})
        figure = draw_timeline(table, voice, unsure_below=parameters.unsure_below)
        results[name] = VoiceResult(voice, table, figure)
    if not any(result.timeline is not None for result in results.values()):  # else they are in the summary
        for sentence in remarks(result.voice for result in results.values()):
            _LOGGER.warning("%s", sentence)
    return results


def _listen(
    parameters: RecommendParameters, screened: pd.DataFrame, enrolment: pd.DataFrame, model: Estimator
) -> Listened:
    usable = screened[screened["status"] == "ok"]
    recordings = {str(row["name"]): (Path(str(row["path"])), row["windows"]) for _, row in usable.iterrows()}
    number = sum(window.span is not None for _, windows in recordings.values() for window in windows)
    features = enrol(model, enrolment)
    short = number < _LONG_WINDOWS
    with tqdm(desc="listening", total=number, unit=" window", disable=short, file=sys.stderr) as bar:
        batch = parameters.timeline.batch
        return listen(model, recordings, batch=batch, enrolment=features, progress=bar.update)


def describe_voices(parameters: RecommendParameters, results: dict[str, VoiceResult]) -> str:
    """Write the emotion of all voices as a text and log it."""
    _require_an_answer(results, parameters.voice)
    text = summarise_voices(result.voice for result in results.values())
    _LOGGER.info("Voices:\n%s", text)
    return text


def _require_an_answer(results: Mapping[str, VoiceResult], path: str) -> None:
    """Make sure that a recording holds speech that was understood; why none does is saved by now."""
    voices = [result.voice for result in results.values()]
    if any(voice.status == "ok" for voice in voices):
        return
    first, *others = remarks(voices)
    if others:
        first = f"None of the {len(voices)} recordings in {path} can be answered; the first: {first}"
    raise AffettoError(first)


def make_playlists(
    parameters: RecommendParameters,
    taxonomy: dict[str, Any],
    results: dict[str, VoiceResult],
    library: dict[str, Any],
) -> dict[str, Playlist]:
    """Answer every recording, those without speech by a message only; at least one has to be answered."""
    _require_an_answer(results, parameters.voice)
    voices = [result.voice for result in results.values()]
    classes = sorted({entry.emotion for voice in voices for entry in voice.emotions})
    recommender = Recommender(
        library["tracks"], library["mixtures"], library["cards"], taxonomy, classes, parameters
    )
    answers = {voice.name: _answer(recommender, voice) for voice in voices}
    if not any(playlist.status == "ok" for playlist in answers.values()):
        raise AffettoError(next(playlist.message or "" for playlist in answers.values()))
    return answers


def _answer(recommender: Recommender, voice: VoiceEmotion) -> Playlist:
    name, recording = voice.name, voice.recording
    if voice.status != "ok":
        return Playlist(name=name, recording=recording, status=voice.status, message=voice.message)
    try:
        return recommender.recommend(voice)
    except AffettoError as error:
        _LOGGER.warning("%s: %s", name, error)
        return Playlist(name=name, recording=recording, status="unanswered", message=str(error))


def describe_playlists(playlists: dict[str, Playlist]) -> str:
    """Write the playlists as a text and log it."""
    text = summarise_playlists(playlists.values())
    _LOGGER.info("Playlists:\n%s", text)
    return text


def recognise_tracks(
    corpus: CorpusParameters,
    clips: pd.DataFrame,
    features: Features,
    model: Path,
    codebook: Codebook,
    themes: ThemeModel,
    export: LibraryExportParameters,
    executor: ExecutorParameters,
    cache: CacheParameters,
    *,
    names: Sequence[str],
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, list[str], pd.DataFrame, dict[str, Any]]:
    """Recognise emotion and themes of every track with what was fitted on the labelled music.

    Returns
    -------
    tuple
        Emotions and highlights; themes, and the tracks without audio words, which have none; which tracks
        are speech and no music: they stay in the library, with a note; and what the model has learnt from.
    """
    read, where = read_features(features, names), (executor, cache.store)
    emotions, highlights = recognition.predict_library(model, clips, read, export.highlight_s, *where)
    mixtures, wordless = recognition.find_themes(codebook, themes, frames_of_themes(features), executor)
    if wordless:
        _LOGGER.warning(
            "%d tracks have no audio words, so their theme is unknown; the first is %s",
            len(wordless),
            wordless[0],
        )
    notes = recognition.note_speech(clips, corpus.root, corpus.other_roots, *where)
    return emotions, highlights, mixtures, wordless, notes, read_signature(model).get("learnt_from", {})


def describe_tracks(
    corpus: CorpusParameters,
    clips: pd.DataFrame,
    rejected: pd.DataFrame,
    emotions: pd.DataFrame,
    highlights: pd.DataFrame,
    mixtures: pd.DataFrame,
    wordless: list[str],
    notes: pd.DataFrame,
    learnt_from: dict[str, Any],
    cards: list[dict[str, Any]],
    features: Features,
) -> tuple[dict[str, Any], pd.DataFrame, dict[str, Any]]:
    """Put together what is known of every track.

    Returns
    -------
    tuple
        The library (`tracks`, `mixtures` and `cards`), the tracks for a spreadsheet, and a summary.
    """
    described, roots = (clips, corpus.root, emotions, mixtures, cards, highlights), corpus.other_roots
    library = build_library(*described, other_roots=roots, predicted=tags_of(features))
    tracks = add_confidence(library).merge(notes, on="clip_id", validate="one_to_one")
    summary = summarise_tracks(tracks, rejected, wordless, cards, n_clips=len(clips))
    summary["learnt_from"] = learnt_from
    _LOGGER.info("%s", library_sentence(summary))
    everything = {"tracks": tracks, "mixtures": mixtures, "cards": cards}
    return everything, harmless_in_spreadsheets(tracks), summary


def choose_tags(export: LibraryExportParameters, library: dict[str, Any]) -> pd.DataFrame:
    """Plan the tags of tracks; nothing is planned unless `library.export.write_tags` asks for it."""
    plan = plan_tags(library["tracks"])
    return plan if export.write_tags else plan.iloc[:0]
