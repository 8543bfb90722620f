"""Short excerpts by which themes and audio words can be heard on their page, as MP3."""

from __future__ import annotations

import heapq
import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from affetto.audio.decode import read_audio
from affetto.errors import AffettoError
from affetto.features.clip_features import FeatureSet
from affetto.io.workers import ExecutorParameters, map_shards
from affetto.themes.codebook import Codebook
from affetto.themes.words import shards

RATE_HZ = 22_050
FRAME_S, WINDOW_S = 0.4, 2.0
PLAYERS, WORD_PLAYERS = 3, 3
"""Exemplars and characteristic words of a theme that the page lets one hear."""
WORD_EXCERPTS = 6  # by which a word is heard
_FADE_S, _PAUSE_S = 0.02, 0.15


class Excerpt(NamedTuple):
    """A stretch of a clip, s from the clip's start."""

    clip_id: str
    start_s: float
    end_s: float


class Clips:
    """Where the recordings of clips lie, to cut excerpts out of them.

    Parameters
    ----------
    clips
        Clip table: `clip_id, path, corpus` and perhaps `start_s, end_s` of the clip in its file.
    root, other_roots
        Folder of the paths, and of those corpora that lie elsewhere.
    """

    def __init__(self, clips: pd.DataFrame, root: Path, other_roots: Mapping[str, Path]) -> None:
        self._rows: dict[Any, dict[Any, Any]] = clips.set_index("clip_id").to_dict(orient="index")
        self._root, self._others = root, other_roots

    def cut(self, excerpt: Excerpt) -> np.ndarray:
        """Decode an excerpt, float32 [n] at 22,050 Hz, faded at both ends, its peak at half of full scale.

        Raises
        ------
        AffettoError
            When the file cannot be read any more.
        """
        row = self._rows[excerpt.clip_id]
        path = self._others.get(row["corpus"], self._root) / row["path"]
        offset = float(row["start_s"]) if pd.notna(row.get("start_s")) else 0.0
        end_s = offset + excerpt.end_s
        if pd.notna(row.get("end_s")):
            end_s = min(end_s, float(row["end_s"]))
        samples, _ = read_audio(path, sample_rate_hz=RATE_HZ, start_s=offset + excerpt.start_s, end_s=end_s)
        n_fade = min(len(samples) // 2, int(_FADE_S * RATE_HZ))
        faded = samples.copy()
        faded[:n_fade] *= np.linspace(0, 1, n_fade, dtype=np.float32)
        faded[len(faded) - n_fade :] *= np.linspace(1, 0, n_fade, dtype=np.float32)
        peak = float(np.abs(faded).max(initial=0.0))
        levelled: np.ndarray = faded * (0.5 / peak) if peak > 0 else faded
        return levelled

    def join(self, excerpts: Sequence[Excerpt]) -> np.ndarray:
        """Put excerpts one behind the other with short pauses: float32 [n].

        Those whose file cannot be read any more are left out; none at all gives no samples.
        """
        pause = np.zeros(int(_PAUSE_S * RATE_HZ), dtype=np.float32)
        parts = [np.zeros(0, dtype=np.float32)]
        for excerpt in excerpts:
            try:
                samples = self.cut(excerpt)
            except AffettoError:
                continue
            parts += [samples, pause] if len(samples) else []
        return np.concatenate(parts)


def cut_excerpts(
    cards: Sequence[Mapping[str, Any]],
    clips: Clips,
    codebook: Codebook,
    features: FeatureSet,
    executor: ExecutorParameters,
) -> tuple[dict[str, bytes], dict[str, str]]:
    """Encode the highlights of exemplars, and the audio words, that the page lets one hear.

    Parameters
    ----------
    cards
        Theme cards, their exemplars with highlights.
    clips
        Where the recordings lie.
    codebook, features
        To find the frames nearest to a card's characteristic words.
    executor
        Where the search for frames runs.

    Returns
    -------
    tuple
        `exemplars/<clip_id>` and `words/<descriptor>/<number>` → MP3, and clip → why it cannot be heard.
    """
    sounds: dict[str, np.ndarray] = {}
    failed: dict[str, str] = {}
    for exemplar in (one for card in cards for one in card["exemplars"][:PLAYERS]):
        name = str(exemplar["clip_id"])
        highlight = Excerpt(name, exemplar["highlight_start_s"], exemplar["highlight_end_s"])
        try:
            sounds[f"exemplars/{name}"] = clips.cut(highlight)
        except AffettoError as error:
            failed[name] = str(error)
    words = dict.fromkeys(one["word"] for card in cards for one in card["words"][:WORD_PLAYERS])
    for word, excerpts in nearest_excerpts(codebook, features, list(words), executor).items():
        samples = clips.join(excerpts)
        if len(samples):
            sounds[f"words/{word}"] = samples
    with ThreadPoolExecutor() as pool:  # the encoder is written in C and lets other threads run
        return dict(zip(sounds, pool.map(encode_mp3, sounds.values()), strict=True)), failed


def nearest_excerpts(
    codebook: Codebook, features: FeatureSet, words: Sequence[str], executor: ExecutorParameters
) -> dict[str, list[Excerpt]]:
    """Find where audio words are heard most purely: the frames nearest to them, one a clip.

    Clips are read shard by shard, and only the nearest frame of each is remembered. Of every word
    (`descriptor/number`) there are at most six excerpts, nearest first: 0.4 s around a frame, 2 s around a
    texture or mid-term window.
    """
    if not words:
        return {}
    tasks = [(codebook, shard, tuple(words)) for shard in shards(features)]
    sizes = [shard.n_clips for _, shard, _ in tasks]
    found = map_shards(
        _nearest_of_shard, tasks, executor, description="audio words to be heard", total_units=sizes
    )
    nearest = {}
    for word in words:
        rows = [row for shard in found for row in shard[word]]
        best = heapq.nsmallest(WORD_EXCERPTS, rows, key=lambda row: row[0])
        nearest[word] = [excerpt for _, excerpt in best]
    return nearest


def _nearest_of_shard(
    task: tuple[Codebook, FeatureSet, tuple[str, ...]],
) -> dict[str, list[tuple[float, Excerpt]]]:
    codebook, features, words = task
    found: dict[str, list[tuple[float, Excerpt]]] = {word: [] for word in words}
    for name in dict.fromkeys(word.rsplit("/", 1)[0] for word in words):
        descriptor = codebook.parameters.descriptors[name]
        feature = features[descriptor.feature]
        wanted = [word for word in words if word.rsplit("/", 1)[0] == name]
        centres = codebook.vocabularies[name].words[[int(word.rsplit("/", 1)[1]) for word in wanted]]
        hop_s = float(feature.hop_s or 0.0) * descriptor.frame_step
        for clip_id, clip in zip(features.clip_ids, feature, strict=True):
            frames = codebook.frames(name, clip)
            if not len(frames):
                continue
            distances = ((frames[:, np.newaxis] - centres) ** 2).sum(axis=2)
            for column, word in enumerate(wanted):
                best = int(distances[:, column].argmin())
                start_s, end_s = _around(best, hop_s, descriptor.texture_frames, descriptor.feature)
                found[word].append((float(distances[best, column]), Excerpt(clip_id, start_s, end_s)))
    return found


def _around(index: int, hop_s: float, texture_frames: int, feature: str) -> tuple[float, float]:
    """Return the stretch that a frame, a texture window or a mid-term row stands for, s."""
    if texture_frames:
        start = index * max(1, texture_frames // 2) * hop_s
        return start, start + texture_frames * hop_s
    length = FRAME_S if feature == "mfcc" else WINDOW_S
    start = max(0.0, index * hop_s - length / 2)
    return start, start + length


def encode_mp3(samples: np.ndarray) -> bytes:
    """Encode mono samples at 22,050 Hz as MP3, which every browser plays."""
    import soundfile

    file = io.BytesIO()
    options = {"bitrate_mode": "VARIABLE", "compression_level": 0.9}
    soundfile.write(file, samples, RATE_HZ, format="MP3", subtype="MPEG_LAYER_III", **options)
    return file.getvalue()
