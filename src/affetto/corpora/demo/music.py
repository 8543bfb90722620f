"""The demo music corpus: public-domain scores, each performed in four emotions and rendered to audio."""

import string
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affetto.corpora.demo.performance import CUES, STYLES, Performance, draw_cues, perform
from affetto.corpora.demo.scores import SCORES, ScoreNotes, read_score
from affetto.corpora.demo.signal import (
    SAMPLE_RATE_HZ,
    add_room_noise,
    clip_generator,
    set_level,
    tilt_spectrum,
    write_clip,
)

if TYPE_CHECKING:
    from affetto.io.workers import ExecutorParameters

DURATION_S = (28.0, 32.0)
MIDDLE_LEVEL_DBFS = -24.0
NOISE_DBFS = (-66.0, -56.0)
TILT_DB_PER_OCTAVE = 1.0
FADE_S = 0.05
SCORES_A_SHARD = 2

ORIGIN_TAGS: dict[str, tuple[str, ...]] = {
    "chorale": ("bach", "baroque", "sacred"),
    "motet": ("palestrina", "renaissance", "sacred"),
    "reel": ("folk", "dance", "duple metre"),
    "jig": ("folk", "dance", "compound metre"),
    "strathspey": ("folk", "dance", "scottish"),
}


def build_demo_music(
    folder: Path,
    *,
    seed: int = 0,
    scores: Mapping[str, Sequence[str]] = SCORES,
    executor: "ExecutorParameters | None" = None,
) -> list[dict[str, str]]:
    """Write the performances of the scores as FLAC files, and tell what each is.

    Parameters
    ----------
    folder
        Where to; files are ``<family>/<score>-<emotion>.flac``, 22.05 kHz, mono, 16 bit, about 30 s.
    seed
        Seed of the variation between performances.
    scores
        Tune family → paths inside music21's corpus.
    executor
        Where the work runs; None: in this process. The files are the same wherever they are made.

    Returns
    -------
    list[dict[str, str]]
        A row a file: file, emotion, theme (the tune family), group (the score), tags, title.
    """
    from affetto.io.workers import ExecutorParameters, map_shards

    pairs = [(family, path) for family, paths in scores.items() for path in paths]
    shards = [pairs[start : start + SCORES_A_SHARD] for start in range(0, len(pairs), SCORES_A_SHARD)]
    built = map_shards(
        partial(_build_scores, folder, seed),
        shards,
        executor or ExecutorParameters(n_jobs=1, progress=False),
        description="demo music",
        total_units=[len(shard) * len(CUES) for shard in shards],
    )
    return [row for rows in built for row in rows]


def music_recipe() -> str:
    """Tell all that shapes the corpus beside its seed, for the stamp.

    Returns
    -------
    str
        Text that changes with scores, cues, styles and the rendering.
    """
    from affetto.audio.midi import RENDERING_VERSION
    from affetto.corpora.demo import performance

    levels = (DURATION_S, MIDDLE_LEVEL_DBFS, NOISE_DBFS, TILT_DB_PER_OCTAVE, FADE_S, ORIGIN_TAGS)
    styles = (STYLES, performance.SPREAD, performance.BACKING_PROBABILITY)
    return repr((SCORES, CUES, styles, levels, RENDERING_VERSION))


def _build_scores(folder: Path, seed: int, shard: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [row for family, path in shard for row in _build_score(folder, read_score(family, path), seed)]


def _build_score(folder: Path, notes: ScoreNotes, seed: int) -> list[dict[str, str]]:
    takes = clip_generator(seed, notes.name).permutation(len(CUES)) + 1
    rows = []
    for emotion, take in zip(CUES, takes, strict=True):
        file = f"{notes.family}/{notes.name}-{emotion}.flac"
        generator = clip_generator(seed, file)
        performance = perform(
            notes,
            draw_cues(emotion, generator),
            duration_s=generator.uniform(*DURATION_S),
            generator=generator,
        )
        write_clip(folder / file, _record(performance, generator))
        rows.append(_row(file, emotion, notes, performance, int(take)))
    return rows


def _record(performance: Performance, generator: np.random.Generator) -> NDArray[np.float32]:
    """Render a performance, colour it, set its level and add the room."""
    from affetto.audio.midi import render_score

    samples = render_score(performance.score, sample_rate_hz=SAMPLE_RATE_HZ)
    samples = tilt_spectrum(samples, TILT_DB_PER_OCTAVE * performance.cues.brightness)
    fade = round(FADE_S * SAMPLE_RATE_HZ)
    samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    samples = set_level(samples, MIDDLE_LEVEL_DBFS + performance.cues.level_db)
    return add_room_noise(samples, generator.uniform(*NOISE_DBFS), generator)


def _row(file: str, emotion: str, notes: ScoreNotes, performance: Performance, take: int) -> dict[str, str]:
    backing = () if performance.backing == "none" else (performance.backing,)
    tags = (*ORIGIN_TAGS[notes.family], performance.instrument, *backing)
    return {
        "file": file,
        "emotion": emotion,
        "theme": notes.family,
        "group": notes.name,
        "tags": ";".join(tags),
        "title": f"{_title(notes)}, take {take}",
    }


def _title(notes: ScoreNotes) -> str:
    """Spell titles alike: the corpus shouts some of them, and calls chorales by their number."""
    if notes.family == "chorale":
        return f"Chorale BWV {notes.name.removeprefix('bwv')}"
    if notes.family == "motet":
        return f"Palestrina, {notes.name.replace('-', ' ').capitalize()}: {notes.title}"
    return string.capwords(notes.title.replace(":", "").replace(" -- ", " ").rstrip("."))
