"""Playlists as a text for the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from affetto.recommendation.heard import EmotionProbability
from affetto.recommendation.playlist import Playlist
from affetto.recommendation.reasons import clock, percent
from affetto.recommendation.voice_summary import describe_spans

_SHOWN_EMOTIONS = 3


def summarise(playlists: Iterable[Playlist]) -> str:
    """Describe playlists in plain text.

    Parameters
    ----------
    playlists
        The answers of a run.

    Returns
    -------
    str
        A few lines a recording and one a track, without trailing newline.
    """
    return "\n\n".join("\n".join(_lines(playlist)) for playlist in playlists)


def _lines(playlist: Playlist) -> list[str]:
    if playlist.status != "ok":
        return [f"{playlist.name}: {playlist.message}"]
    unsure = " (unsure)" if playlist.unsure else ""
    return [
        f"{playlist.name}: the voice is {_emotions(playlist.voice_emotions)}{unsure}",
        *([f"  over time: {describe_spans(playlist.timeline)}"] if playlist.timeline else []),
        f"  {playlist.bridge} music: {_emotions(playlist.music_emotions)}",
        *(
            f"  {track.rank:>3}. {track.title}  [{track.answers} {percent(track.match)}"
            f"{f', {track.theme_name}' if track.theme_name else ''}; from {clock(track.highlight_start_s)}]"
            for track in playlist.tracks
        ),
    ]


def _emotions(emotions: tuple[EmotionProbability, ...]) -> str:
    shown = [
        f"{entry.emotion} {percent(entry.probability)}"
        for entry in emotions[:_SHOWN_EMOTIONS]
        if entry.probability > 0
    ]
    return ", ".join(shown)
