"""Nodes of hearing."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from affetto.errors import AffettoError
from affetto.models.estimator import Estimator, load_estimator
from affetto.recommendation.listen import (
    Listened,
    enrol,
    list_recordings,
    listen,
    screen_enrolment,
    screen_recordings,
)
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.timeline import draw_timeline, summarise_timeline, timeline_table
from affetto.recommendation.voice import LearntFrom, VoiceEmotion, VoiceResult, remarks, summarise_voices

_LOGGER = logging.getLogger(__name__)
_LONG_WINDOWS = 120
"""A progress bar is shown from so many windows on."""


def find_speech(parameters: RecommendParameters, model: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """List the recordings, and those of the person's enrolment, and tell where there is speech.

    `model` is the folder of the voice model: recordings are looked for only when there is one, since those of
    the demo are made together with its corpus.

    Raises
    ------
    AffettoError
        When there are no recordings.
    """
    found = list_recordings(Path(parameters.voice))
    screened = screen_recordings(found, parameters.voice_activity, parameters.timeline)
    return screened, screen_enrolment(parameters)


def recognise_voices(
    parameters: RecommendParameters, screened: pd.DataFrame, enrolment: pd.DataFrame, folder: Path
) -> dict[str, VoiceResult]:
    """Recognise the emotion of every recording; those with speech come with a timeline and a figure."""
    model = load_estimator(folder)
    listened = _listen(parameters, screened, enrolment, model)
    heard_by = LearntFrom.model_validate(model.learnt_from_) if model.learnt_from_ else None
    results = {}
    for _, row in screened.iterrows():
        name, path, status, message = (str(row[key]) for key in ("name", "path", "status", "message"))
        if name in listened.failures:
            status, message = "unreadable", listened.failures[name]
        if status != "ok":
            voice = VoiceEmotion(
                name=name,
                recording=path,
                status=status,
                message=message,
                duration_s=None if pd.isna(row["duration_s"]) else float(row["duration_s"]),
                speech_s=0.0 if status == "no_speech" else None,
            )
            results[name] = VoiceResult(voice)
            continue
        table = timeline_table(
            name,
            row["windows"],
            listened.posteriors[name],
            listened.novelty[name],
            model.classes_,
            parameters,
        )
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
    from tqdm import tqdm

    usable = screened[screened["status"] == "ok"]
    recordings = {str(row["name"]): (Path(str(row["path"])), row["windows"]) for _, row in usable.iterrows()}
    number = sum(window.span is not None for _, windows in recordings.values() for window in windows)
    features = enrol(model, enrolment)
    with tqdm(
        desc="listening", total=number, unit=" window", disable=number < _LONG_WINDOWS, file=sys.stderr
    ) as bar:
        return listen(
            model, recordings, batch=parameters.timeline.batch, enrolment=features, progress=bar.update
        )


def describe_voices(parameters: RecommendParameters, results: dict[str, VoiceResult]) -> str:
    """Write the emotion of all voices as a text and log it.

    Raises
    ------
    AffettoError
        When no recording can be answered; why is saved by now.
    """
    require_an_answer(results, parameters.voice)
    text = summarise_voices(result.voice for result in results.values())
    _LOGGER.info("Voices:\n%s", text)
    return text


def require_an_answer(results: Mapping[str, VoiceResult], path: str) -> None:
    """Make sure that a recording holds speech that was understood.

    Raises
    ------
    AffettoError
        When none does.
    """
    voices = [result.voice for result in results.values()]
    if any(voice.status == "ok" for voice in voices):
        return
    first, *others = remarks(voices)
    if others:
        first = f"None of the {len(voices)} recordings in {path} can be answered; the first: {first}"
    raise AffettoError(first)
