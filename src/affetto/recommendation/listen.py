"""From recordings to what a fitted voice model tells of every window of them, with or without enrolment."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from affetto.audio.decode import is_midi
from affetto.audio.recording import DecodeError
from affetto.audio.silero import SAMPLE_RATE_HZ
from affetto.audio.speech import SpeechParameters, detect_speech
from affetto.corpora.clips import DIMENSIONS
from affetto.corpora.sources.files import is_text, walk_files
from affetto.errors import AffettoError, one_line
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.parameters import FeatureParameters
from affetto.features.table import extract_together, parse_description, rates_of
from affetto.recommendation.parameters import RecommendParameters, TimelineParameters
from affetto.recommendation.windows import Window, cut_windows, plan_windows, read_chunks

if TYPE_CHECKING:
    from affetto.models.estimator import Estimator

_LOGGER = logging.getLogger(__name__)
_NAME_BYTES = 200  # most file systems allow 255, endings included
_MOST_ENROLLED = 200  # clips of a person beyond these say nothing new, and cost time with every batch


def list_recordings(path: Path, *, what: str = "voice recording") -> pd.DataFrame:
    """List the recordings at a path.

    The path is a file with sound, or a folder of them, searched to any depth; `what` names them in messages.
    Whether a file can be decoded is found when it is screened; only hidden files are left out, and those that
    cannot be named in a table, of which the log tells.

    Returns
    -------
    pandas.DataFrame
        `name` (unique: the stem, with the extension, the folders or a number where stems repeat) and
        `path`, sorted by path.

    Raises
    ------
    AffettoError
        When there is nothing at the path, or the path is not UTF-8.
    """
    if not is_text(str(path)):
        raise AffettoError(f"The name {one_line(str(path))} is not UTF-8: rename the file or folder.")
    if path.is_file():
        found, folder = [path], path.parent
    elif path.is_dir():
        found, folder = sorted(walk_files(path)), path
    else:
        raise AffettoError(f"There is no {what} at {path}: give an audio file or a folder of them.")
    if not found:
        raise AffettoError(f"The folder {path} holds no file: put recordings there.")
    names = _unique_names([file.relative_to(folder) for file in found])
    return pd.DataFrame({"name": names, "path": [str(file) for file in found]})


def _unique_names(files: Sequence[Path]) -> list[str]:
    """Name each file by the first that no other shares: stem, name, folders and stem, folders and name.

    Files that even so have one name get a number.
    """
    proposals = []
    for file in files:
        folders, name = "".join(f"{part}_" for part in file.parts[:-1]), file.name.replace(".", "_")
        names = (file.stem, name, f"{folders}{file.stem}", f"{folders}{name}")
        proposals.append([one.encode()[:_NAME_BYTES].decode(errors="ignore") for one in names])
    shared = [Counter(name.casefold() for name in level) for level in zip(*proposals, strict=True)]
    unique: dict[str, str] = {}
    for proposed in proposals:
        alone = (name for name, counts in zip(proposed, shared, strict=True) if counts[name.casefold()] == 1)
        name = next(alone, proposed[-1])
        numbered = (f"{name}_{number}" for number in itertools.count(2))
        chosen = next(one for one in itertools.chain([name], numbered) if one.casefold() not in unique)
        unique[chosen.casefold()] = chosen
    return list(unique.values())


def screen_recordings(
    recordings: pd.DataFrame, parameters: SpeechParameters, timeline: TimelineParameters
) -> pd.DataFrame:
    """Tell recordings with speech from those without and from unreadable ones, and where the speech is.

    Parameters
    ----------
    recordings
        `name, path` of `list_recordings`.
    parameters
        What counts as speech.
    timeline
        How recordings are divided into windows.

    Returns
    -------
    pandas.DataFrame
        `name, path, status` (`ok`, `no_speech`, `unreadable`), `message` (why there is no speech, or what is
        wrong with the file although it is used; empty where nothing is), `duration_s`
        (NaN when unreadable) and `windows` (a list of `Window`; empty unless `ok`).
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1, user_api="blas"):  # for matrices this small, threads only wait
        verdicts = [_screen(Path(path), parameters, timeline) for path in recordings["path"]]
    found = pd.DataFrame(verdicts, recordings.index, ["status", "message", "duration_s", "windows"])
    return recordings.join(found.astype({"status": "str", "message": "str", "duration_s": "float64"}))


def _screen(
    path: Path, parameters: SpeechParameters, timeline: TimelineParameters
) -> tuple[str, str, float, list[Window]]:
    notes: list[str] = []
    try:
        if is_midi(path):
            return "unreadable", f"Cannot hear {path}: it is MIDI, notes and no voice.", np.nan, []
        chunks = (chunk[SAMPLE_RATE_HZ] for chunk in read_chunks(path, [SAMPLE_RATE_HZ], notes))
        found = detect_speech(chunks, parameters)
    except DecodeError as error:
        return "unreadable", str(error), np.nan, []
    except OSError as error:
        return "unreadable", f"Cannot read {path}: {error.strerror or error}.", np.nan, []
    damage = f"{path.name}: {'; '.join(notes)}; what can be decoded is used." if notes else ""
    duration_s = round(found.duration_s, 3)
    windows = plan_windows(duration_s, found.stretches, timeline)
    if any(window.span for window in windows):
        return "ok", damage, duration_s, windows
    reason = found.reason or "no part of it is speech for long enough"
    message = f"No speech was found in {path.name}: {reason}."
    return "no_speech", f"{message} {damage}".rstrip(), duration_s, []


def screen_enrolment(parameters: RecommendParameters) -> pd.DataFrame:
    """Find the recordings of the same person, without labels, that hold speech.

    Returns
    -------
    pandas.DataFrame
        As `screen_recordings`, only those with speech; a long recording is divided into windows that do not
        overlap. Empty when nobody is enrolled.

    Raises
    ------
    AffettoError
        When there are no recordings, or none holds speech.
    """
    if parameters.enrol is None:
        return pd.DataFrame({"name": [], "path": [], "status": [], "message": [], "windows": []})
    apart = parameters.timeline.model_copy(update={"hop_s": parameters.timeline.window_s})
    found = list_recordings(Path(parameters.enrol), what="enrolment recording")
    screened = screen_recordings(found, parameters.speech, apart)
    usable = screened[screened["status"] == "ok"]
    for message in screened.loc[screened["status"] != "ok", "message"]:
        _LOGGER.warning("Enrolment: %s", message)
    if usable.empty:
        raise AffettoError(
            f"None of the {len(screened)} enrolment recordings in {parameters.enrol} can be used; "
            f"the first: {screened['message'].iloc[0]}"
        )
    return usable.reset_index(drop=True)


def enrol(model: Estimator, screened: pd.DataFrame) -> FeatureSet | None:
    """Compute the features of enrolment recordings, and make sure that the model can use them.

    Returns
    -------
    FeatureSet or None
        At most 200 clips; None when `screened`, of `screen_enrolment`, is empty.

    Raises
    ------
    AffettoError
        When a recording is not fit for the features, or the model cannot be enrolled.
    """
    if screened.empty:
        return None
    kinds = _feature_kinds(model)
    clips = (
        (f"{name}/{position}", values)
        for name, path, windows in zip(screened["name"], screened["path"], screened["windows"], strict=True)
        for position, values in _extract_windows(Path(str(path)), windows, kinds)
    )
    features = _stack_features(list(itertools.islice(clips, _MOST_ENROLLED)), kinds)
    # Asked of one clip before an hour is analysed for nothing.
    model.predict_proba(features.take([0]), enrolment=features)
    return features


class Listened(NamedTuple):
    """What a model told of recordings, by their names.

    Attributes
    ----------
    posteriors
        float64 [n_windows, n_classes], NaN where there is too little speech.
    novelty
        float64 [n_windows] (`Estimator.novelty`), NaN also where the model does not tell.
    ratings
        float64 [n_windows, 2], valence and arousal (`Estimator.dimensions`), NaN as in `novelty`.
    failures
        Why features cannot be computed.
    """

    posteriors: dict[str, np.ndarray]
    novelty: dict[str, np.ndarray]
    ratings: dict[str, np.ndarray]
    failures: dict[str, str]


def listen(
    model: Estimator,
    recordings: Mapping[str, tuple[Path, Sequence[Window]]],
    *,
    batch: int,
    enrolment: FeatureSet | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Listened:
    """Estimate the emotion of every window of recordings.

    A recording is decoded once, in chunks, for all its windows and features; windows of all recordings are
    predicted in batches. Memory depends on neither the length nor the number of recordings.

    Parameters
    ----------
    model
        Fitted voice model.
    recordings
        Name → file and windows.
    batch
        Windows in memory and predicted together.
    enrolment
        Features of recordings of the same person, for models that make use of them.
    progress
        Called with the number of windows whose features were just computed; predicting them is quick.
    """
    kinds = _feature_kinds(model)
    sizes = {name: len(windows) for name, (_, windows) in recordings.items()}
    posteriors = {name: np.full((size, len(model.classes_)), np.nan) for name, size in sizes.items()}
    novelty = {name: np.full(size, np.nan) for name, size in sizes.items()}
    ratings = {name: np.full((size, len(DIMENSIONS)), np.nan) for name, size in sizes.items()}
    failures: dict[str, str] = {}

    def extract() -> Iterator[tuple[tuple[str, int], dict[str, np.ndarray]]]:
        for name, (path, windows) in recordings.items():
            try:
                for position, values in _extract_windows(path, windows, kinds):
                    progress(1)
                    yield (name, position), values
            except AffettoError as error:
                failures[name] = str(error) if str(path) in str(error) else f"{path}: {error}"

    extracted = extract()
    options = {} if enrolment is None else {"enrolment": enrolment}
    while some := list(itertools.islice(extracted, batch)):
        x = _stack_features([(f"{name}/{position}", values) for (name, position), values in some], kinds)
        found, far, rated = model.predict_proba(x, **options), model.novelty(x), model.dimensions(x)
        for place, ((name, position), _) in enumerate(some):
            posteriors[name][position] = found[place]
            if far is not None:
                novelty[name][position] = far[place]
            if rated is not None:
                ratings[name][position] = rated[place]
    for name in failures:
        del posteriors[name], novelty[name], ratings[name]
    return Listened(posteriors, novelty, ratings, failures)


def _feature_kinds(model: Estimator) -> dict[str, FeatureParameters]:
    """Return the parameters of each feature that a model was fitted on; an error where one is not at hand."""
    kinds = {name: parse_description(model.feature_parameters_[name]) for name in model.features}
    for parameters in kinds.values():
        parameters.check_available()
    return kinds


def _extract_windows(
    path: Path, windows: Sequence[Window], kinds: Mapping[str, FeatureParameters]
) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Yield the position of each window with enough speech, and its features, float32 [n_frames, n] each."""
    rates = rates_of(kinds)
    spans = {position: window.span for position, window in enumerate(windows) if window.span is not None}
    cut = cut_windows(read_chunks(path, rates), list(spans.values()), rates)
    for position, samples in zip(spans, cut, strict=True):
        yield position, extract_together(samples, kinds)


def _stack_features(
    clips: Sequence[tuple[str, dict[str, np.ndarray]]], kinds: Mapping[str, FeatureParameters]
) -> FeatureSet:
    """Join the features of windows, by name, into what models read."""
    clip_ids = [clip_id for clip_id, _ in clips]
    features = {}
    for name, parameters in kinds.items():
        features[name] = ClipFeatures.from_arrays(
            name,
            clip_ids,
            [values[name] for _, values in clips],
            dimensions=parameters.dimensions(),
            hop_s=parameters.frame_s,
            parameters=parameters.describe(),
        )
    return FeatureSet(features)
