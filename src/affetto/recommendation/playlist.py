"""The playlist of one recording: as data, as M3U and XSPF for players, as text for the terminal."""

from __future__ import annotations

import contextlib
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
_NO_XML = re.compile(r"[\ufffe\uffff\ud800-\udfff]")
"""What a text in XML cannot hold, besides control characters."""
_SHOWN_EMOTIONS = 3
HIGHLIGHT = "urn:affetto:highlight-start-seconds"
"""What `meta` of a track in XSPF is called by."""
POOR_BELOW = 0.5
"""A track that fits less than this is a poor match: it is likelier not to have what is wanted."""


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
    fit: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="`match`, divided by that of a track that surely has the emotion wanted most; below 0.5 "
        "the match is poor.",
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
    own_theme: str | None = Field(
        default=None, description="The likeliest theme of the track inside `emotion`; null without themes."
    )
    own_theme_name: str | None = None
    predicted_tags: str = Field(
        default="", description="The likeliest of musicnn's tags; empty where they were not extracted."
    )
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
    match_note: str = Field(default="", description="Says that tracks match poorly; empty where none does.")
    tracks: tuple[Track, ...] = ()


def to_m3u8(playlist: Playlist, folder: Path | None) -> str:
    r"""Write a playlist as the text of an .m3u8 file.

    Every track takes `#EXTINF:<seconds>,<title>`, the start of its highlight and, where it is a part of a
    file, its end as `#EXTVLCOPT:start-time=<seconds>` and `stop-time` (read by VLC, comments to others), both
    from the start of the file, and its path. Control characters in titles, line ends among them, become
    spaces. Paths are relative to the folder that the file will lie in; without one they are absolute.
    """
    lines = ["#EXTM3U", f"#PLAYLIST:{_one_line(playlist.name)}"]
    for track in playlist.tracks:
        lines.append(f"#EXTINF:{round(track.duration_s)},{_one_line(track.title)}")
        lines.append(f"#EXTVLCOPT:start-time={track.highlight_start_s:.2f}")
        if track.end_s is not None:
            lines.append(f"#EXTVLCOPT:stop-time={track.end_s:.2f}")
        lines.append(path_for_playlist(track.path, folder))
    return "\n".join(lines) + "\n"


def to_xspf(playlist: Playlist) -> str:
    """Write a playlist as XSPF 1, the XML format of the Xiph.Org Foundation, with absolute addresses.

    Every track has its title, length, emotion and theme (as the annotation, with the reasons below), and the
    seconds of its highlight as `meta` of the address `HIGHLIGHT`, which players pass over.
    """
    from xml.etree import ElementTree as Xml

    def add(parent: Xml.Element, name: str, text: object, **attributes: str) -> None:
        held = _NO_XML.sub("\N{REPLACEMENT CHARACTER}", _one_line(str(text)))
        Xml.SubElement(parent, name, attributes).text = held

    root = Xml.Element("playlist", {"version": "1", "xmlns": "http://xspf.org/ns/0/"})
    add(root, "title", playlist.name)
    tracks = Xml.SubElement(root, "trackList")
    for track in playlist.tracks:
        element = Xml.SubElement(tracks, "track")
        path = as_path(track.path)
        add(element, "location", track.path if is_remote(path) else Path(os.path.abspath(path)).as_uri())  # noqa: PTH100
        add(element, "title", track.title)
        add(element, "annotation", f"{_describe(track)}. {' '.join(track.reasons)}")
        add(element, "trackNum", track.rank)
        add(element, "duration", round(1000 * track.duration_s))  # ms
        add(element, "meta", f"{track.highlight_start_s:.2f}", rel=HIGHLIGHT)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def path_for_playlist(path: str, folder: Path | None) -> str:
    """Write the path of a track, which counts from the working folder, as a line of a playlist in `folder`.

    It becomes relative to `folder`, with forward slashes; absolute when there is no such path (another
    drive); a `file://` address when a line of text cannot hold it (line ends, blanks at its ends). An address
    is written as it is.
    """
    if is_remote(as_path(path)):
        return quote(path, safe=":/") if _unfit(path) else path
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links out of the music folder
    written = absolute.as_posix()
    if folder is not None:
        with contextlib.suppress(ValueError):  # another drive
            written = Path(os.path.relpath(absolute, os.path.abspath(folder))).as_posix()  # noqa: PTH100
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
    if playlist.match_note:
        lines.append(f"  {playlist.match_note}")
    lines += [f"  {track.rank:>3}. {track.title}  [{_describe(track)}]" for track in playlist.tracks]
    return lines


def _describe(track: Track) -> str:
    """Say how well a track fits, what it sounds like, its own emotion and theme, and those it answers."""
    probability = {entry.emotion: entry.probability for entry in track.emotions}
    poor = ", a poor match" if track.fit < POOR_BELOW else ""
    parts = [f"fits {percent(track.fit)}{poor}", track.predicted_tags]
    told = [("", track.emotion, track.own_theme_name)]
    if track.answers != track.emotion:
        told.append(("answers ", track.answers, track.theme_name))
    for role, emotion, theme in told:
        name = f", {inside_emotion(theme, emotion)}" if theme else ""
        parts.append(f"{role}{emotion} {percent(probability.get(emotion, 0.0))}{name}")
    return "; ".join(filter(None, [*parts, f"from {clock(track.highlight_start_s)}"]))


def inside_emotion(name: str, emotion: str) -> str:
    """Return a theme's name as it reads beside its emotion: "slow · dark" for "calm: slow · dark"."""
    return name.removeprefix(f"{emotion}: ")


def note_match(tracks: Sequence[Track], wanted: str) -> str:
    """Say in words that tracks match poorly; nothing where none does.

    Parameters
    ----------
    tracks
        Those of a playlist.
    wanted
        The emotion that is wanted most.
    """
    poor = [track for track in tracks if track.fit < POOR_BELOW]
    if not poor:
        return ""
    if len(poor) == len(tracks):
        best = max(tracks, key=lambda track: track.fit)
        own = next((entry.probability for entry in best.emotions if entry.emotion == best.emotion), 0.0)
        return (
            f"Poor match: no track here is likely to be {wanted}. The best, {_one_line(best.title)}, fits by "
            f"{percent(best.fit)}; by itself it is {best.emotion} ({percent(own)})."
        )
    which = "is a poor match" if len(poor) == 1 else "are poor matches"
    return f"{len(poor)} of these {len(tracks)} tracks {which}, likelier not to be as wanted."


def _emotions(emotions: Sequence[EmotionProbability]) -> str:
    shown = [entry for entry in emotions[:_SHOWN_EMOTIONS] if entry.probability > 0]
    return ", ".join(f"{entry.emotion} {percent(entry.probability)}" for entry in shown)
