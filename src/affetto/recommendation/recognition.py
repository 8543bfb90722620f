"""What fitted models say of tracks that nobody has labelled: emotion, highlight, themes, speech or music."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from affetto.audio.decode import MIDI_EXTENSIONS, read_audio
from affetto.audio.silero import SAMPLE_RATE_HZ
from affetto.audio.speech import PREPARATION_VERSION, detect_speech
from affetto.errors import AffettoError
from affetto.features.clip_features import FeatureSet
from affetto.features.extract import clip_paths
from affetto.features.highlight import HIGHLIGHT_COLUMNS, cut_highlights
from affetto.io.cache import ResultStore
from affetto.io.workers import ExecutorParameters, map_shards
from affetto.models.estimator import model_digest, predict_clips
from affetto.themes.codebook import Codebook
from affetto.themes.model import ThemeModel, mixtures_table
from affetto.themes.words import SHARD_CLIPS, count_words, shards

MOSTLY_SPEECH = "not music: mostly speech"  # the note of such tracks
_N_PIECES = 4
_PIECE_S = 1.0
_MOSTLY = 0.8  # of the pieces: 1 % of the 4Q songs and 93 % of the clips of EmoDB are above


def predict_library(
    directory: Path,
    clips: pd.DataFrame,
    features: FeatureSet,
    highlight_s: float,
    executor: ExecutorParameters,
    store: ResultStore,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Recognise the emotion of tracks, a few at a time; what is in the store is not computed again.

    Highlights are cut where the attention is found, so that no table of all steps of all tracks is ever made.

    Parameters
    ----------
    directory, features
        Folder of the fitted model, and what it reads.
    clips
        `clip_id, duration_s` of the tracks at least.
    highlight_s
        Length of the highlights, s.
    executor, store
        Where it runs, and where finished results are found again.

    Returns
    -------
    tuple of DataFrame
        `clip_id, p_<emotion>…`, calibrated, with `valence, arousal` where the model tells them, and what
        `cut_highlights` found.

    Raises
    ------
    AffettoError
        When the features were not extracted as those that the model was fitted on.
    """
    durations = clips.set_index("clip_id")[["duration_s"]]
    tasks = []
    for part in shards(features):
        own = durations.loc[list(part.clip_ids)].reset_index()
        tasks.append((directory, part, own, highlight_s, store))
    sizes = [part.n_clips for _, part, *_ in tasks]
    found = map_shards(_predict, tasks, executor, description="emotions", total_units=sizes)
    table = pd.concat(found or [pd.DataFrame(columns=["clip_id"])], ignore_index=True)
    emotions = table.drop(columns=list(HIGHLIGHT_COLUMNS), errors="ignore")
    return emotions, table.reindex(columns=["clip_id", *HIGHLIGHT_COLUMNS])


def _predict(task: tuple[Path, FeatureSet, pd.DataFrame, float, ResultStore]) -> pd.DataFrame:
    directory, features, clips, highlight_s, store = task
    model = model_digest(directory)
    key = {"what": "library_emotions", "model": model, "features": features.fingerprint}

    def predict() -> dict[str, object]:
        table = predict_clips(directory, features)
        probabilities = table.drop(columns=["clip_id", "times", "weights"])
        return {
            "columns": list(probabilities),
            "probabilities": probabilities.to_numpy(dtype=float),
            "times": [np.asarray(clip, dtype=float).tolist() for clip in table["times"]],
            "weights": [np.asarray(clip, dtype=float).tolist() for clip in table["weights"]],
        }

    told = store.compute(key, predict)
    table = pd.DataFrame(told["probabilities"], columns=told["columns"])
    table.insert(0, "clip_id", list(features.clip_ids))
    attention = pd.DataFrame(
        {"clip_id": table["clip_id"], "times": told["times"], "weights": told["weights"]}
    )
    return table.merge(cut_highlights(clips, attention, highlight_s), on="clip_id", validate="one_to_one")


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
    has_words = words.counts.any(axis=1)
    known = words.take(np.flatnonzero(has_words))
    wordless = [words.clip_ids[i] for i in np.flatnonzero(~has_words)]
    return mixtures_table(model, known, model.mixtures(known)), wordless


def note_speech(
    clips: pd.DataFrame,
    root: Path,
    other_roots: Mapping[str, Path],
    executor: ExecutorParameters,
    store: ResultStore,
) -> pd.DataFrame:
    """Tell tracks that are mostly speech, by four pieces of a second each.

    Singing is speech to the detector, but songs seldom have it in all four. A track is left as soon as it
    cannot be mostly speech any more: most music after one piece.

    Parameters
    ----------
    clips
        `clip_id, path, corpus, duration_s`, and where known `start_s, content_hash`.
    root, other_roots
        Folders that `path` is relative to.
    executor, store
        Where it runs, and where finished results are found again.

    Returns
    -------
    DataFrame
        `clip_id, note`: `MOSTLY_SPEECH`, or empty.
    """
    table = clips.reindex(columns=["clip_id", "path", "corpus", "start_s", "duration_s", "content_hash"])
    spans = table[["start_s", "duration_s"]].astype("float64").fillna({"start_s": 0.0}).to_numpy().tolist()
    tracks = list(zip(clip_paths(table, root, other_roots), spans, strict=True))
    contents = [str(value) for value in table["content_hash"].fillna(table["path"])]
    starts = range(0, len(tracks), SHARD_CLIPS)
    tasks = [(tracks[a : a + SHARD_CLIPS], contents[a : a + SHARD_CLIPS], store) for a in starts]
    sizes = [len(task[0]) for task in tasks]
    found = map_shards(_tell, tasks, executor, description="speech", total_units=sizes)
    spoken = [mostly for part in found for mostly in part]
    return pd.DataFrame({"clip_id": clips["clip_id"].tolist(), "note": np.where(spoken, MOSTLY_SPEECH, "")})


def _tell(task: tuple[list[tuple[Path, list[float]]], list[str], ResultStore]) -> list[bool]:
    tracks, contents, store = task
    spans = [span for _, span in tracks]
    key = {"what": "mostly speech", "version": [1, PREPARATION_VERSION], "clips": contents, "spans": spans}
    told = store.compute(key, lambda: {"mostly": [_is_mostly_speech(path, *span) for path, span in tracks]})
    return [bool(mostly) for mostly in told["mostly"]]


def _is_mostly_speech(path: Path, start_s: float, duration_s: float) -> bool:
    if path.suffix.lower() in MIDI_EXTENSIONS:  # notes; to render them would cost more than all the rest
        return False
    if duration_s <= _N_PIECES * _PIECE_S:
        return _share(path, start_s, duration_s) > _MOSTLY
    places = start_s + np.linspace(0.0, duration_s - _PIECE_S, _N_PIECES + 2)[1:-1]
    shares: list[float] = []
    for place in np.roll(places, _N_PIECES // 2):  # the middle first: beginnings may be announced
        shares.append(_share(path, float(place), _PIECE_S))
        if sum(shares) + _N_PIECES - len(shares) <= _MOSTLY * _N_PIECES:
            return False
    return True


def _share(path: Path, start_s: float, length_s: float) -> float:
    """Return the share of a piece that is speech; none of what cannot be decoded, of which features tell."""
    end_s = start_s + length_s
    try:
        samples, _ = read_audio(path, sample_rate_hz=SAMPLE_RATE_HZ, start_s=start_s, end_s=end_s)
    except AffettoError:
        return 0.0
    stretches = detect_speech([samples]).stretches
    return float((stretches[:, 1] - stretches[:, 0]).sum()) / length_s
