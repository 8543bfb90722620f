"""What a fitted music model and the themes say of tracks that nobody has labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affetto.corpora.audit_report import count_reasons
from affetto.features.clip_features import FeatureSet
from affetto.features.highlight import HIGHLIGHT_COLUMNS, cut_highlights
from affetto.models.estimator import model_digest, predict_clips
from affetto.parallel import ExecutorParameters, map_shards
from affetto.results import ResultStore
from affetto.themes.bags import count_words
from affetto.themes.codebook import Codebook
from affetto.themes.model import ThemeModel
from affetto.themes.tables import mixtures_table

SHARD_CLIPS = 64
NO_FEATURES = "no features"
"""Reason of tracks whose features could not be extracted; the log of the run says why."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_STEPS = ("times", "weights")


def predict_library(
    directory: Path,
    clips: pd.DataFrame,
    features: FeatureSet,
    highlight_s: float,
    executor: ExecutorParameters,
    store: ResultStore,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Recognise the emotion of tracks, a few at a time; what is in the store is not asked again.

    Highlights are cut where the attention is found, so that no table of all steps of all tracks is ever made.

    Parameters
    ----------
    directory
        Folder of the fitted model.
    clips
        `clip_id, duration_s` of the tracks at least.
    features
        What the model reads.
    highlight_s
        Length of the highlights, s.
    executor
        Where it runs.
    store
        Where the answers are kept.

    Returns
    -------
    tuple of DataFrame
        `clip_id, p_<emotion>…`, calibrated, and what `cut_highlights` found.

    Raises
    ------
    AffettoError
        When the features were not extracted as those that the model was fitted on.
    """
    durations = clips.set_index("clip_id")[["duration_s"]]
    starts = range(0, features.n_clips, SHARD_CLIPS)
    parts = [features.take(np.arange(a, min(a + SHARD_CLIPS, features.n_clips))) for a in starts]
    shards = [durations.loc[list(part.clip_ids)].reset_index() for part in parts]
    found = map_shards(
        _predict,
        [(directory, part, shard, highlight_s, store) for part, shard in zip(parts, shards, strict=True)],
        executor,
        description="emotions",
        total_units=[part.n_clips for part in parts],
    )
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["clip_id"])
    emotions = table.drop(columns=list(HIGHLIGHT_COLUMNS), errors="ignore")
    return emotions, table.reindex(columns=["clip_id", *HIGHLIGHT_COLUMNS])


def _predict(task: tuple[Path, FeatureSet, pd.DataFrame, float, ResultStore]) -> pd.DataFrame:
    directory, features, clips, highlight_s, store = task
    key = {
        "what": "library_emotions",
        "model": model_digest(directory),
        "features": features.fingerprint,
    }
    told = store.compute(key, lambda: _told(predict_clips(directory, features)))
    table = pd.DataFrame(told["probabilities"], columns=told["columns"])
    table.insert(0, "clip_id", list(features.clip_ids))
    attention = pd.DataFrame({"clip_id": table["clip_id"], **{name: told[name] for name in _STEPS}})
    highlights = cut_highlights(clips, attention, highlight_s)
    return table.merge(highlights, on="clip_id", validate="one_to_one")


def _told(table: pd.DataFrame) -> dict[str, Any]:
    probabilities = table.drop(columns=["clip_id", *_STEPS])
    steps = {name: [np.asarray(clip, dtype=float).tolist() for clip in table[name]] for name in _STEPS}
    return {"columns": list(probabilities), "probabilities": probabilities.to_numpy(dtype=float), **steps}


def find_themes(
    codebook: Codebook, model: ThemeModel, features: FeatureSet, executor: ExecutorParameters
) -> tuple[pd.DataFrame, list[str]]:
    """Infer the themes of tracks without fitting anything.

    Returns
    -------
    tuple
        `clip_id, emotion, theme, probability` inside every emotion, and the tracks without audio words, whose
        theme cannot be told; they are not in the table.
    """
    words = count_words(codebook, features, executor)
    silent = np.asarray(words.counts.sum(axis=1) == 0)
    known = words.take(np.flatnonzero(~silent))
    return mixtures_table(model, known), [words.clip_ids[i] for i in np.flatnonzero(silent)]


def harmless_in_spreadsheets(tracks: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts no spreadsheet takes for formulas.

    Titles and names of files are other people's: one that begins with `=`, `+`, `-`, `@`, a tab or a line end
    gets an apostrophe in front (OWASP, "CSV Injection").
    """
    return tracks.map(
        lambda cell: f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
    )


def add_confidence(tracks: pd.DataFrame) -> pd.DataFrame:
    """Add how sure emotion and theme are, separately and together.

    Parameters
    ----------
    tracks
        What `build_library` put together.

    Returns
    -------
    DataFrame
        With `emotion_probability`, that of the likeliest emotion, and `confidence`, its product with the
        theme's probability inside the emotion: P(theme | track). Missing where the theme is.
    """
    probabilities = tracks.filter(regex="^p_").to_numpy(dtype=float)
    sure = probabilities.max(axis=1, initial=0.0)
    columns = {"emotion_probability": sure, "confidence": sure * tracks["theme_probability"]}
    return tracks.assign(**columns)


def library_sentence(summary: Mapping[str, Any]) -> str:
    """Say what `summarise_tracks` counted."""
    emotions = ", ".join(f"{n} {emotion}" for emotion, n in summary["emotions"].items())
    set_aside = sum(summary["set_aside"].values())
    sentence = f"The library has {summary['tracks']} tracks ({emotions}); {set_aside} files were set aside."
    speech = len(summary["mostly_speech"])
    if not speech:
        return sentence
    return f"{sentence} {speech} of the tracks {'is' if speech == 1 else 'are'} mostly speech, not music."


def summarise_tracks(
    tracks: pd.DataFrame,
    rejected: pd.DataFrame,
    wordless: Sequence[str],
    cards: Sequence[Mapping[str, Any]],
    *,
    n_clips: int,
) -> dict[str, Any]:
    """Count what was described, what was set aside and why; `n_clips` passed the audit.

    Returns
    -------
    dict
        `tracks`, `emotions` and `themes` (name → tracks, those without any included), `set_aside` (kind of
        reason → clips), `without_words` and `mostly_speech` (clip ids).
    """
    emotions = tracks["emotion"].value_counts().to_dict()
    of_theme = tracks["theme"].value_counts().to_dict()
    names = {str(card["theme"]): str(card["name"]) for card in cards}
    reasons = count_reasons(rejected)
    if n_clips > len(tracks):
        reasons = {**reasons, NO_FEATURES: n_clips - len(tracks)}
    return {
        "tracks": len(tracks),
        "emotions": {emotion: int(n) for emotion, n in emotions.items()},
        "themes": {
            theme: {"name": name, "tracks": int(of_theme.get(theme, 0))} for theme, name in names.items()
        },
        "set_aside": reasons,
        "without_words": list(wordless),
        "mostly_speech": list(tracks.loc[tracks["note"] != "", "clip_id"]),
    }
