"""What a fitted voice model hears in new recordings, step by step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.parameters import FeatureParameters
from affetto.features.recording import extract_together, rates_of
from affetto.features.table import parse_description
from affetto.recommendation.blocks import cut_windows, read_blocks
from affetto.recommendation.steps import Step

if TYPE_CHECKING:
    from affetto.models.estimator import Estimator

Progress = Callable[[int], object]
Features = dict[str, np.ndarray]
T = TypeVar("T")


@dataclass(frozen=True)
class Listened:
    """What was heard.

    Attributes
    ----------
    posteriors
        Name of the recording → float64 [n_steps, n_classes], NaN in steps that were not heard.
    novelty
        Name of the recording → float64 [n_steps] (`Estimator.novelty`), NaN also where the model does not
        tell.
    failures
        Name of the recording → why its features cannot be computed.
    """

    posteriors: dict[str, np.ndarray]
    novelty: dict[str, np.ndarray]
    failures: dict[str, str]


def listen(
    model: Estimator,
    recordings: Mapping[str, tuple[Path, Sequence[Step]]],
    *,
    batch: int = 256,
    enrolment: FeatureSet | None = None,
    progress: Progress = lambda _: None,
) -> Listened:
    """Estimate the emotion of every step of recordings.

    A recording is decoded once, in blocks, for all its windows and features; windows of all recordings are
    predicted in batches. Memory depends on neither the length nor the number of recordings.

    Parameters
    ----------
    model
        Fitted voice model.
    recordings
        Name → file and steps.
    batch
        Windows held and predicted together.
    enrolment
        Features of recordings of the same person, for models that make use of them.
    progress
        Called with the number of windows whose features were just computed; predicting them is quick.

    Returns
    -------
    Listened
        The posteriors, and what failed.
    """
    kinds = feature_kinds(model)
    posteriors = {
        name: np.full((len(steps), len(model.classes_)), np.nan) for name, (_, steps) in recordings.items()
    }
    novelty = {name: np.full(len(steps), np.nan) for name, (_, steps) in recordings.items()}
    failures: dict[str, str] = {}
    heard = _windows_of_all(recordings, kinds, failures, progress)
    for some in _batched(heard, batch):
        x = stack_features([f"{name}/{step}" for name, step, _ in some], [f for *_, f in some], kinds)
        found = model.predict_proba(x) if enrolment is None else model.predict_proba(x, enrolment=enrolment)
        far = model.novelty(x)
        unlike = np.full(len(some), np.nan) if far is None else far
        for (name, step, _), row, value in zip(some, found, unlike, strict=True):
            posteriors[name][step], novelty[name][step] = row, value
    for name in failures:
        del posteriors[name], novelty[name]
    return Listened(posteriors, novelty, failures)


def feature_kinds(model: Estimator) -> dict[str, FeatureParameters]:
    """Return the parameters of each feature that a model was fitted on.

    Raises
    ------
    AffettoError
        When this version of Affetto or this machine cannot compute one of them.
    """
    kinds = {name: parse_description(model.feature_parameters_[name]) for name in model.features}
    for parameters in kinds.values():
        parameters.check_available()
    return kinds


def extract_windows(
    path: Path, steps: Sequence[Step], kinds: Mapping[str, FeatureParameters]
) -> Iterator[tuple[int, Features]]:
    """Compute the features of each step of a recording that is to be heard.

    Parameters
    ----------
    path
        The recording.
    steps
        Its steps.
    kinds
        Name of each feature → its parameters.

    Yields
    ------
    tuple
        Position of the step, and its features, float32 [n_frames, n_dimensions] each.

    Raises
    ------
    AffettoError
        When the recording cannot be decoded or is not fit for a feature.
    """
    rates = rates_of(kinds)
    planned = [(position, step.window) for position, step in enumerate(steps) if step.window is not None]
    windows = cut_windows(read_blocks(path, rates), [window for _, window in planned], rates)
    for (position, _), samples in zip(planned, windows, strict=True):
        yield position, extract_together(samples, kinds)


def stack_features(
    clip_ids: Sequence[str], clips: Sequence[Features], kinds: Mapping[str, FeatureParameters]
) -> FeatureSet:
    """Join the features of windows into what models read."""
    return FeatureSet(
        {
            name: ClipFeatures.from_arrays(
                name,
                clip_ids,
                [clip[name] for clip in clips],
                dimensions=parameters.dimensions(),
                hop_s=parameters.frame_s,
                parameters=parameters.describe(),
            )
            for name, parameters in kinds.items()
        }
    )


def _windows_of_all(
    recordings: Mapping[str, tuple[Path, Sequence[Step]]],
    kinds: Mapping[str, FeatureParameters],
    failures: dict[str, str],
    progress: Progress,
) -> Iterator[tuple[str, int, Features]]:
    for name, (path, steps) in recordings.items():
        try:
            for position, features in extract_windows(path, steps, kinds):
                progress(1)
                yield name, position, features
        except AffettoError as error:
            failures[name] = str(error) if str(path) in str(error) else f"{path}: {error}"


def _batched(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Do what `itertools.batched` does, which Python 3.11 lacks."""
    stream = iter(items)
    while some := tuple(itertools.islice(stream, size)):
        yield some
