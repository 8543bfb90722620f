"""Which tracks of a library are no music but speech."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from affetto.audio.decode import read_audio
from affetto.audio.formats import MIDI_EXTENSIONS
from affetto.audio.silero import SAMPLE_RATE_HZ
from affetto.audio.speech import PREPARATION_VERSION, find_speech
from affetto.errors import AffettoError
from affetto.features.extract import clip_paths
from affetto.parallel import ExecutorParameters, map_shards
from affetto.results import ResultStore

MOSTLY_SPEECH = "not music: mostly speech"
"""Note of such tracks."""
_SHARD_CLIPS = 64
_N_PIECES = 4
_PIECE_S = 1.0
_MOSTLY = 0.8  # of the pieces: 1 % of the 4Q songs and 93 % of the clips of EmoDB are above
_Track = tuple[Path, float, float]


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
    executor
        Where to listen.
    store
        Where the answers are kept.

    Returns
    -------
    DataFrame
        `clip_id, note`: `MOSTLY_SPEECH`, or empty.
    """
    table = clips.reindex(columns=["clip_id", "path", "corpus", "start_s", "duration_s", "content_hash"])
    start_s = table["start_s"].astype("float64").fillna(0.0)
    paths = clip_paths(table, root, other_roots)
    tracks = [
        (path, float(start), float(duration))
        for path, start, duration in zip(paths, start_s, table["duration_s"], strict=True)
    ]
    contents = [str(value) for value in table["content_hash"].fillna(table["path"])]
    starts = range(0, len(tracks), _SHARD_CLIPS)
    shards = [(tracks[a : a + _SHARD_CLIPS], contents[a : a + _SHARD_CLIPS], store) for a in starts]
    found = map_shards(
        _tell, shards, executor, description="speech", total_units=[len(shard[0]) for shard in shards]
    )
    spoken = [mostly for part in found for mostly in part]
    return pd.DataFrame({"clip_id": clips["clip_id"].tolist(), "note": np.where(spoken, MOSTLY_SPEECH, "")})


def _tell(shard: tuple[list[_Track], list[str], ResultStore]) -> list[bool]:
    tracks, contents, store = shard
    spans = [(start_s, duration_s) for _, start_s, duration_s in tracks]
    key = {"what": "mostly speech", "version": [1, PREPARATION_VERSION], "clips": contents, "spans": spans}
    told = store.compute(key, lambda: {"mostly": [_is_mostly_speech(*track) for track in tracks]})
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
    try:
        samples, rate = read_audio(
            path, sample_rate_hz=SAMPLE_RATE_HZ, start_s=start_s, end_s=start_s + length_s
        )
    except AffettoError:
        return 0.0
    stretches = find_speech(samples, rate).stretches
    return float((stretches[:, 1] - stretches[:, 0]).sum()) / length_s
