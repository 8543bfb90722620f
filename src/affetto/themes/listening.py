"""Themes and audio words that can be listened to: short excerpts of the clips they are heard in."""

from __future__ import annotations

import heapq
import io
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affetto.audio.decode import read_audio
from affetto.errors import AffettoError
from affetto.features.clip_features import FeatureSet
from affetto.parallel import ExecutorParameters, map_shards
from affetto.themes.codebook import Codebook
from affetto.themes.frames import descriptor_frames

RATE_HZ = 22_050
SHARD_CLIPS = 64
FRAME_S, WINDOW_S = 0.4, 2.0
_FADE_S, _PAUSE_S = 0.02, 0.15


@dataclass(frozen=True)
class Excerpt:
    """A stretch of a clip.

    Attributes
    ----------
    clip_id
        The clip.
    start_s, end_s
        From the start of the clip, s.
    """

    clip_id: str
    start_s: float
    end_s: float


def nearest_excerpts(
    codebook: Codebook,
    features: FeatureSet,
    words: Sequence[str],
    *,
    number: int,
    executor: ExecutorParameters,
) -> dict[str, list[Excerpt]]:
    """Find where audio words are heard most purely: the frames nearest to them, one a clip.

    Clips are read shard by shard, and only the nearest frame of each is kept.

    Parameters
    ----------
    codebook
        The words.
    features
        Clips to look through.
    words
        Names `descriptor/number`.
    number
        Excerpts a word, at most.
    executor
        Where the shards run.

    Returns
    -------
    dict
        Word → excerpts, nearest first: 0.4 s around a frame, 2 s around a texture or mid-term window.
    """
    starts = range(0, features.n_clips, SHARD_CLIPS)
    shards = [features.take(range(a, min(a + SHARD_CLIPS, features.n_clips))) for a in starts]
    found = map_shards(
        _nearest_of_shard,
        [(codebook, shard, tuple(words)) for shard in shards],
        executor,
        description="audio words to listen to",
        total_units=[shard.n_clips for shard in shards],
    )
    return {
        word: [
            excerpt for _, excerpt in heapq.nsmallest(number, _of_word(found, word), key=lambda row: row[0])
        ]
        for word in words
    }


def _of_word(
    found: Iterable[Mapping[str, list[tuple[float, Excerpt]]]], word: str
) -> list[tuple[float, Excerpt]]:
    return [row for shard in found for row in shard[word]]


def _nearest_of_shard(
    task: tuple[Codebook, FeatureSet, tuple[str, ...]],
) -> dict[str, list[tuple[float, Excerpt]]]:
    codebook, features, words = task
    found: dict[str, list[tuple[float, Excerpt]]] = {word: [] for word in words}
    for name in dict.fromkeys(word.rsplit("/", 1)[0] for word in words):
        vocabulary, descriptor = codebook.vocabularies[name], codebook.parameters.descriptors[name]
        feature = features[descriptor.feature]
        wanted = [word for word in words if word.rsplit("/", 1)[0] == name]
        centres = vocabulary.words[[int(word.rsplit("/", 1)[1]) for word in wanted]]
        hop_s = float(feature.hop_s or 0.0) * descriptor.frame_step
        for clip_id, clip in zip(features.clip_ids, feature, strict=True):
            frames = (
                descriptor_frames(clip, vocabulary.columns, descriptor) - vocabulary.mean
            ) / vocabulary.scale
            if not len(frames):
                continue
            distances = ((frames[:, np.newaxis] - centres) ** 2).sum(axis=2)
            for column, word in enumerate(wanted):
                best = int(distances[:, column].argmin())
                excerpt = _around(clip_id, best, hop_s, descriptor.texture_frames, descriptor.feature)
                found[word].append((float(distances[best, column]), excerpt))
    return found


def _around(clip_id: str, index: int, hop_s: float, texture_frames: int, feature: str) -> Excerpt:
    """Return the stretch that a frame, a texture window or a mid-term row stands for."""
    if texture_frames:
        start = index * max(1, texture_frames // 2) * hop_s
        return Excerpt(clip_id, start, start + texture_frames * hop_s)
    length = FRAME_S if feature == "mfcc" else WINDOW_S
    start = max(0.0, index * hop_s - length / 2)
    return Excerpt(clip_id, start, start + length)


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
        """Decode an excerpt, float32 [n] at 22,050 Hz, faded at both ends.

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
        return faded


def audio_sheet(clips: Clips, excerpts: Sequence[Excerpt]) -> np.ndarray:
    """Put excerpts one behind the other, each at the same peak, with short pauses: float32 [n].

    Those whose file cannot be read any more are left out; none at all gives no samples.
    """
    pause = np.zeros(int(_PAUSE_S * RATE_HZ), dtype=np.float32)
    parts: list[np.ndarray] = []
    for excerpt in excerpts:
        try:
            samples = clips.cut(excerpt)
        except AffettoError:
            continue
        if len(samples):
            parts += [level(samples), pause]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)


def level(samples: np.ndarray) -> np.ndarray:
    """Bring the peak to half of full scale; silence stays silence."""
    peak = float(np.abs(samples).max(initial=0.0))
    levelled: np.ndarray = samples * (0.5 / peak) if peak > 0 else samples
    return levelled


def encode_mp3(samples: np.ndarray) -> bytes:
    """Encode mono samples at 22,050 Hz as MP3, which every browser plays."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(
        file,
        samples,
        RATE_HZ,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="VARIABLE",
        compression_level=0.9,
    )
    return file.getvalue()


def listening_material(
    cards: Sequence[Mapping[str, Any]],
    clips: Clips,
    codebook: Codebook,
    features: FeatureSet,
    *,
    players: int,
    words: int,
    excerpts: int,
    executor: ExecutorParameters,
) -> tuple[dict[str, bytes], dict[str, str]]:
    """Encode what the cards of themes let one listen to.

    Parameters
    ----------
    cards
        Theme cards, their exemplars with highlights.
    clips
        Where the recordings lie.
    codebook, features
        To find the frames nearest to a card's characteristic words.
    players
        Exemplars of a theme whose highlight is encoded.
    words
        Characteristic words of a theme that get a sheet.
    excerpts
        Excerpts on the sheet of a word.
    executor
        Where the search for frames runs.

    Returns
    -------
    tuple
        `exemplars/<clip_id>` and `words/<descriptor>/<number>` → MP3, and clip → why it cannot be heard.
    """
    sounds: dict[str, np.ndarray] = {}
    failed: dict[str, str] = {}
    for exemplar in (one for card in cards for one in card["exemplars"][:players]):
        name = str(exemplar["clip_id"])
        try:
            samples = clips.cut(Excerpt(name, exemplar["highlight_start_s"], exemplar["highlight_end_s"]))
        except AffettoError as error:
            failed[name] = str(error)
        else:
            sounds[f"exemplars/{name}"] = level(samples)
    shown = list(dict.fromkeys(one["word"] for card in cards for one in card["words"][:words]))
    nearest = nearest_excerpts(codebook, features, shown, number=excerpts, executor=executor) if shown else {}
    sheets = {f"words/{word}": audio_sheet(clips, places) for word, places in nearest.items()}
    sounds |= {name: sheet for name, sheet in sheets.items() if len(sheet)}
    with ThreadPoolExecutor() as pool:  # the encoder is written in C and lets other threads run
        return dict(zip(sounds, pool.map(encode_mp3, sounds.values()), strict=True)), failed
