"""The table of strangers: how well the models of a task tell what they cannot know from what they can."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from affetto.audio.conditions import AnyCondition, Excerpt
from affetto.corpora.sources.files import find_recordings
from affetto.evaluation.parameters import EvaluationParameters, Stranger, StrangeRecordings
from affetto.evaluation.strangers import STRANGER_COLUMNS, stranger_row, unknown_strangers
from affetto.experiments.answers import Asked, ask_models, own_clips
from affetto.experiments.clips import lot
from affetto.experiments.robustness import Candidate, Recordings
from affetto.features.clip_features import ArraySource, ClipFeatures, FeatureSet
from affetto.features.extract import clip_keys
from affetto.features.table import parse_description
from affetto.models.experiment import FoldModel
from affetto.parallel import ExecutorParameters
from affetto.results import ResultStore
from affetto.storage import absolute

_LOGGER = logging.getLogger(__name__)
_HELD_OUT = "held out"  # no name of strangers has a space


@dataclass(frozen=True)
class _Found:
    """Strangers of one kind.

    Attributes
    ----------
    features
        Of all of them; None: there are none.
    reason
        Why there are none.
    from_elsewhere
        Whether they are recordings of other groups, which every model hears; else each model hears those of
        the groups that it was tested with.
    """

    features: FeatureSet | None
    reason: str = ""
    from_elsewhere: bool = False


def measure_strangers(
    models: Mapping[str, Candidate],
    features: FeatureSet,
    changed: Sequence[str],
    recordings: Recordings,
    evaluation: EvaluationParameters,
    *,
    store: ResultStore,
    executor: ExecutorParameters,
) -> pd.DataFrame:
    """Ask the models of all folds about strangers, and about the clips that they were tested with.

    Parameters
    ----------
    models
        By name.
    features
        All features that the models read, of all clips of the corpus.
    changed
        Ids of the tested clips that excerpts and noise are made of.
    recordings
        Where the clips are, and where features of what is made of them are kept.
    evaluation
        Which strangers; how intervals are made.
    store
        Answers of models are found here and never asked for again.
    executor
        Where to extract and predict.

    Returns
    -------
    DataFrame
        `STRANGER_COLUMNS`, a row a kind of strangers and model.
    """
    chosen = {name: kind for name, kind in evaluation.strangers.items() if kind is not None}
    found = {
        name: _find(name, kind, features, changed, recordings, executor) for name, kind in chosen.items()
    }
    groups = dict(zip(recordings.clips["clip_id"], recordings.clips["group"], strict=True))
    asked = [each for name, model in models.items() for each in _asked(name, model, features, found, groups)]
    answers = ask_models(asked, store=store, executor=executor, description="strangers")
    scored = {name: _scored(table, groups) for name, table in answers.items()}
    rows = []
    for kind, strangers in found.items():
        for name, model in models.items():
            row: dict[str, Any] = {"strangers": kind, "model": name, "role": model.role}
            if (name, kind) in scored:
                both = scored[name, kind], scored[name, _HELD_OUT]
                row |= stranger_row(*both, evaluation, same_groups=not strangers.from_elsewhere)
            else:
                row |= unknown_strangers(strangers.reason or "none of them could be heard")
            rows.append(row)
    return pd.DataFrame(rows, columns=list(STRANGER_COLUMNS))


def _find(
    name: str,
    kind: Stranger,
    features: FeatureSet,
    changed: Sequence[str],
    recordings: Recordings,
    executor: ExecutorParameters,
) -> _Found:
    if isinstance(kind, AnyCondition):
        return _Found(recordings.heard_in(kind, features.select(changed), executor, f"strangers, {name}"))
    if isinstance(kind, StrangeRecordings):
        return _find_recordings(name, kind, features, recordings, executor)
    clips = recordings.clips
    unlabelled = clips.loc[clips["emotion"].isna() & clips["clip_id"].isin(features.clip_ids), "clip_id"]
    if unlabelled.empty:
        return _Found(None, "the corpus has no unlabelled clip")
    return _Found(features.select(list(unlabelled)), "no tested group has an unlabelled clip")


def _find_recordings(
    name: str,
    kind: StrangeRecordings,
    features: FeatureSet,
    recordings: Recordings,
    executor: ExecutorParameters,
) -> _Found:
    root = absolute(kind.folder)
    if not root.is_dir():
        reason = f"there is no folder {kind.folder}"
        _LOGGER.warning("The strangers %s are left out: %s.", name, reason)
        return _Found(None, reason)
    paths = sorted((path.relative_to(root).as_posix() for path in find_recordings(root)), key=lot)
    paths = sorted(paths[: kind.max_clips])
    if not paths:
        return _Found(None, f"the folder {kind.folder} holds no recording")
    table = pd.DataFrame({"clip_id": [f"{name}/{path}" for path in paths], "path": paths})
    wanted = FeatureSet(
        {
            each: _described(feature, table, clip_keys(table, root, parse_description(feature.parameters)))
            for each, feature in features.items()
        }
    )
    excerpt = Excerpt(seconds=kind.seconds, of="recording")
    others = replace(recordings, clips=table, root=root, other_roots={})
    heard = others.heard_in(excerpt, wanted, executor, f"strangers, {name}")
    return _Found(heard, from_elsewhere=True)


def _described(feature: ClipFeatures, table: pd.DataFrame, keys: np.ndarray) -> ClipFeatures:
    """Return the feature, as yet without values, of other clips."""
    n_frames = np.zeros(len(table), dtype=np.int64)
    return replace(
        feature, clip_ids=tuple(table["clip_id"]), n_frames=n_frames, keys=keys, source=ArraySource(())
    )


def _asked(
    name: str,
    model: Candidate,
    features: FeatureSet,
    found: Mapping[str, _Found],
    groups: Mapping[str, str],
) -> list[Asked]:
    asked = []
    for kept in model.kept:
        asked.append(Asked(name, _HELD_OUT, kept, own_clips(kept, model.reads(features))))
        for kind, strangers in found.items():
            if strangers.features is not None:
                heard = model.reads(strangers.features)
                own = heard if strangers.from_elsewhere else _of_tested_groups(kept, heard, groups)
                asked.append(Asked(name, kind, kept, own))
    return asked


def _of_tested_groups(kept: FoldModel, features: FeatureSet, groups: Mapping[str, str]) -> FeatureSet:
    tested = {groups[clip_id] for clip_id in kept.test}
    return features.select([clip_id for clip_id in features.clip_ids if groups[clip_id] in tested])


def _scored(answers: pd.DataFrame, groups: Mapping[str, str]) -> pd.DataFrame:
    """Add groups and doubt; a strange recording is a group of its own."""
    group = [groups.get(clip_id, clip_id) for clip_id in answers["clip_id"]]
    return answers.assign(group=group, doubt=1.0 - answers["probability"])
