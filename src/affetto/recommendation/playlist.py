"""The playlist of one recording: as data, as extended M3U for players, as text for the terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from pydantic import Field

from affetto.io.paths import as_path, is_remote
from affetto.recommendation.voice import (
    Answer,
    Data,
    EmotionProbability,
    clock,
    describe_models,
    describe_spans,
    notes,
    percent,
)

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_SHOWN_EMOTIONS = 3


class Track(Data):
    """A track of a playlist."""

    rank: int = Field(ge=1, description="Place in the playlist, from 1.")
    clip_id: str
    path: str = Field(description="The audio file.")
    start_s: float = Field(default=0.0, ge=0, description="Where in the file the track begins, s.")
    end_s: float | None = Field(default=None, gt=0, description="Where it ends, s; null: with the file.")
    title: str
    duration_s: float = Field(ge=0, description="Length of the track, s.")
    score: float = Field(
        ge=0, description="What the ranking goes by; can exceed 1 for a track of favoured themes."
    )
    match: float = Field(
        ge=0, le=1, description="P(the track has the wanted emotion): Σ P(m wanted) P(m | track)."
    )
    emotion: str = Field(description="The likeliest emotion of the track.")
    emotions: tuple[EmotionProbability, ...] = Field(description="All of them, likeliest first.")
    answers: str = Field(
        description="The wanted emotion that the track answers: the greatest term of `match`."
    )
    theme: str | None = Field(
        description="The likeliest theme of the track inside `answers`; null without themes."
    )
    theme_name: str | None
    theme_probability: float | None = Field(ge=0, le=1)
    highlight_start_s: float = Field(
        ge=0, description="Where to start listening, s from the start of the file."
    )
    highlight_end_s: float = Field(ge=0)
    reasons: tuple[str, ...] = Field(
        min_length=1, description="Plain sentences, every figure from the models."
    )


class Playlist(Answer):
    """The answer to one recording."""

    status: Literal["ok", "no_speech", "unreadable", "unanswered"]
    voice_emotions: tuple[EmotionProbability, ...] = Field(
        default=(), description="Emotions of the voice, likeliest first."
    )
    bridge: str | None = Field(default=None, description="Name of the bridge.")
    music_emotions: tuple[EmotionProbability, ...] = Field(
        default=(), description="Wanted ones, likeliest first."
    )
    tracks: tuple[Track, ...] = ()


def to_m3u8(playlist: Playlist, folder: Path) -> str:
    r"""Write a playlist as the text of an .m3u8 file.

    Every track takes `#EXTINF:<seconds>,<title>`, the start of its highlight and, where it is a part of a
    file, its end as `#EXTVLCOPT:start-time=<seconds>` and `stop-time` (read by VLC, comments to others), both
    from the start of the file, and its path. Control characters in titles, line ends among them, become
    spaces. Paths are relative to the folder that the file will lie in.
    """
    lines = ["#EXTM3U", f"#PLAYLIST:{_one_line(playlist.name)}"]
    for track in playlist.tracks:
        lines.append(f"#EXTINF:{round(track.duration_s)},{_one_line(track.title)}")
        lines.append(f"#EXTVLCOPT:start-time={track.highlight_start_s:.2f}")
        if track.end_s is not None:
            lines.append(f"#EXTVLCOPT:stop-time={track.end_s:.2f}")
        lines.append(path_for_playlist(track.path, folder))
    return "\n".join(lines) + "\n"


def path_for_playlist(path: str, folder: Path) -> str:
    """Write the path of a track, which counts from the working folder, as a line of a playlist in `folder`.

    It becomes relative to `folder`, with forward slashes; absolute when there is no such path (another
    drive); a `file://` address when a line of text cannot hold it (line ends, blanks at its ends). An address
    is written as it is.
    """
    if is_remote(as_path(path)):
        return quote(path, safe=":/") if _unfit(path) else path
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links out of the music folder
    try:
        written = Path(os.path.relpath(absolute, os.path.abspath(folder))).as_posix()  # noqa: PTH100
    except ValueError:  # another drive
        written = absolute.as_posix()
    if _unfit(written):
        return absolute.as_uri()
    return f"./{written}" if written.startswith("#") or "://" in written else written


def _unfit(text: str) -> bool:
    """Tell whether a line cannot hold a text and give it back unchanged."""
    return _CONTROL.search(text) is not None or text != text.strip()


def _one_line(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()


def summarise_playlists(playlists: Iterable[Playlist]) -> str:
    """Describe playlists in plain text: a few lines a recording and one a track, and the voice model."""
    playlists = list(playlists)
    parts = ["\n".join(_lines(playlist)) for playlist in playlists]
    return "\n\n".join([*parts, *describe_models(playlists)])


def _lines(playlist: Playlist) -> list[str]:
    if playlist.status != "ok":
        return [f"{playlist.name}: {playlist.message}"]
    told = f" ({notes(playlist)})" if notes(playlist) else ""
    lines = [f"{playlist.name}: the voice is {_emotions(playlist.voice_emotions)}{told}"]
    if playlist.message:
        lines.append(f"  {playlist.message}")
    if playlist.timeline:
        lines.append(f"  over time: {describe_spans(playlist.timeline)}")
    lines.append(f"  {playlist.bridge} music: {_emotions(playlist.music_emotions)}")
    for track in playlist.tracks:
        theme = f", {track.theme_name}" if track.theme_name else ""
        why = f"{track.answers} {percent(track.match)}{theme}; from {clock(track.highlight_start_s)}"
        lines.append(f"  {track.rank:>3}. {track.title}  [{why}]")
    return lines


def _emotions(emotions: Sequence[EmotionProbability]) -> str:
    shown = [entry for entry in emotions[:_SHOWN_EMOTIONS] if entry.probability > 0]
    return ", ".join(f"{entry.emotion} {percent(entry.probability)}" for entry in shown)
