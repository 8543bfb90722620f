"""The demo music corpus: public-domain scores, each performed in four emotions and rendered to audio."""

import string
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from affetto.corpora.demo.performance import CUES, STYLES, draw_cues, perform, ratings_of
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

_DURATION_S = (28.0, 32.0)
_MIDDLE_LEVEL_DBFS = -24.0
_NOISE_DBFS = (-66.0, -56.0)
_TILT_DB_PER_OCTAVE = 1.0
_FADE_S = 0.05
_SCORES_A_SHARD = 2

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
        A row a file: file, emotion, theme (the tune family), group (the score), tags, title,
        valence, arousal.
    """
    from affetto.io.workers import ExecutorParameters, map_shards

    pairs = [(family, path) for family, paths in scores.items() for path in paths]
    shards = [pairs[start : start + _SCORES_A_SHARD] for start in range(0, len(pairs), _SCORES_A_SHARD)]
    built = map_shards(
        partial(_build_scores, folder, seed),
        shards,
        executor or ExecutorParameters(n_jobs=1, progress=False),
        description="demo music",
        total_units=[len(shard) * len(CUES) for shard in shards],
    )
    return [row for rows in built for row in rows]


def music_recipe() -> str:
    """Tell all that shapes the corpus beside its seed, for the stamp."""
    from affetto.audio.midi import RENDERING_VERSION
    from affetto.corpora.demo import performance

    levels = (_DURATION_S, _MIDDLE_LEVEL_DBFS, _NOISE_DBFS, _TILT_DB_PER_OCTAVE, _FADE_S, ORIGIN_TAGS)
    styles = (STYLES, performance.SPREAD, performance.BACKING_PROBABILITY)
    return repr((SCORES, CUES, styles, levels, RENDERING_VERSION))


def _build_scores(folder: Path, seed: int, shard: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Perform each score in each emotion, and tell what the files are."""
    from affetto.audio.midi import render_score

    rows = []
    for notes in (read_score(family, path) for family, path in shard):
        takes = clip_generator(seed, notes.name).permutation(len(CUES)) + 1
        for emotion, take in zip(CUES, takes, strict=True):
            file = f"{notes.family}/{notes.name}-{emotion}.flac"
            generator = clip_generator(seed, file)
            cues = draw_cues(emotion, generator)
            duration_s = generator.uniform(*_DURATION_S)
            score, instrument, backing = perform(notes, cues, duration_s=duration_s, generator=generator)
            samples = render_score(score, sample_rate_hz=SAMPLE_RATE_HZ)
            samples = tilt_spectrum(samples, _TILT_DB_PER_OCTAVE * cues.brightness)
            fade = round(_FADE_S * SAMPLE_RATE_HZ)
            samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
            samples = set_level(samples, _MIDDLE_LEVEL_DBFS + cues.level_db)
            write_clip(folder / file, add_room_noise(samples, generator.uniform(*_NOISE_DBFS), generator))
            tags = [*ORIGIN_TAGS[notes.family], instrument, *({backing} - {"none"})]
            rows.append(
                {
                    "file": file,
                    "emotion": emotion,
                    "theme": notes.family,
                    "group": notes.name,
                    "tags": ";".join(tags),
                    "title": f"{_title(notes)}, take {take}",
                    **ratings_of(cues),
                }
            )
    return rows


def _title(notes: ScoreNotes) -> str:
    """Spell titles alike: the corpus shouts some of them, and calls chorales by their number."""
    if notes.family == "chorale":
        return f"Chorale BWV {notes.name.removeprefix('bwv')}"
    if notes.family == "motet":
        return f"Palestrina, {notes.name.replace('-', ' ').capitalize()}: {notes.title}"
    return string.capwords(notes.title.replace(":", "").replace(" -- ", " ").rstrip("."))
