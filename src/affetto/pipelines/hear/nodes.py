"""Nodes of hearing."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pandas as pd

from affetto.errors import AffettoError
from affetto.models.estimator import Estimator, load_estimator
from affetto.recommendation.enrolment import enrol, screen_enrolment
from affetto.recommendation.heard import HeardBy, HeardRecording, HeardVoice
from affetto.recommendation.listening import Listened, listen
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.recordings import list_recordings, screen_recordings
from affetto.recommendation.timeline import summarise_timeline, timeline_table
from affetto.recommendation.timeline_figure import draw_timeline
from affetto.recommendation.voice_summary import remarks, summarise_voices

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
) -> dict[str, HeardRecording]:
    """Say what was heard in every recording; those with speech come with a table of steps and a figure."""
    model = load_estimator(folder)
    listened = _listen(parameters, screened, enrolment, model)
    messages = pd.Series(listened.failures, dtype="str")
    failed = screened["name"].isin(messages.index)
    table = screened.assign(
        status=screened["status"].where(~failed, "unreadable"),
        message=screened["message"].where(~failed, screened["name"].map(messages)),
    )
    timelines = {
        str(row["name"]): timeline_table(
            row["name"],
            row["steps"],
            listened.posteriors[row["name"]],
            listened.novelty[row["name"]],
            model.classes_,
            parameters,
        )
        for _, row in table[table["status"] == "ok"].iterrows()
    }
    voices = {
        str(row["name"]): _voice(row, timelines.get(row["name"]), parameters, model, len(enrolment))
        for _, row in table.iterrows()
    }
    if not timelines:  # else they stand in the summary
        for sentence in remarks(voices.values()):
            _LOGGER.warning("%s", sentence)
    found = {name: HeardRecording(voice) for name, voice in voices.items()}
    for name, table in timelines.items():
        figure = draw_timeline(table, voices[name], unsure_below=parameters.unsure_below)
        found[name] = HeardRecording(voices[name], table, figure)
    return found


def describe_voices(parameters: RecommendParameters, heard: dict[str, HeardRecording]) -> str:
    """Write what was heard as a text and log it; what could not be answered is saved by now, and says so.

    Raises
    ------
    AffettoError
        When no recording can be answered.
    """
    voices = {name: recording.voice for name, recording in heard.items()}
    require_an_answer(voices, parameters.voice)
    text = summarise_voices(voices.values())
    _LOGGER.info("Voices:\n%s", text)
    return text


def require_an_answer(voices: dict[str, HeardVoice], path: str) -> None:
    """Make sure that a recording holds speech that was understood.

    Raises
    ------
    AffettoError
        When none does.
    """
    if any(voice.status == "ok" for voice in voices.values()):
        return
    first, *others = remarks(voices.values())
    if others:
        first = f"None of the {len(voices)} recordings in {path} can be answered; the first: {first}"
    raise AffettoError(first)


def _listen(
    parameters: RecommendParameters, screened: pd.DataFrame, enrolment: pd.DataFrame, model: Estimator
) -> Listened:
    from tqdm import tqdm

    usable = screened[screened["status"] == "ok"]
    recordings = {str(row["name"]): (Path(str(row["path"])), row["steps"]) for _, row in usable.iterrows()}
    n_windows = sum(step.window is not None for _, steps in recordings.values() for step in steps)
    features = enrol(model, enrolment)
    with tqdm(
        desc="listening", total=n_windows, unit=" window", disable=n_windows < _LONG_WINDOWS, file=sys.stderr
    ) as bar:
        return listen(
            model, recordings, batch=parameters.timeline.batch, enrolment=features, progress=bar.update
        )


def _voice(
    row: pd.Series,
    timeline: pd.DataFrame | None,
    parameters: RecommendParameters,
    model: Estimator,
    enrolled: int,
) -> HeardVoice:
    recording = str(row["path"])
    if timeline is not None:
        heard_by = HeardBy.model_validate(model.learnt_from_) if model.learnt_from_ else None
        voice = summarise_timeline(timeline, recording, parameters, heard_by=heard_by, enrolled=enrolled)
        return voice.model_copy(update={"message": str(row["message"])})
    return HeardVoice(
        name=str(row["name"]),
        recording=recording,
        status=row["status"],
        message=str(row["message"]),
        duration_s=None if pd.isna(row["duration_s"]) else float(row["duration_s"]),
        speech_s=0.0 if row["status"] == "no_speech" else None,
    )
