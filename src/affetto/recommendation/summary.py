"""Playlists as a text for the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from affetto.recommendation.heard import EmotionProbability
from affetto.recommendation.playlist import Playlist
from affetto.recommendation.reasons import clock, percent
from affetto.recommendation.voice_summary import describe_model, describe_spans

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
        A few lines a recording and one a track, and which voice model heard; without trailing newline.
    """
    playlists = list(playlists)
    models = dict.fromkeys(describe_model(each.heard_by) for each in playlists if each.heard_by)
    return "\n\n".join(["\n".join(_lines(playlist)) for playlist in playlists] + list(models))


def _lines(playlist: Playlist) -> list[str]:
    if playlist.status != "ok":
        return [f"{playlist.name}: {playlist.message}"]
    notes = [name for name in ("unsure", "novel") if getattr(playlist, name)]
    told = f" ({', '.join(notes)})" if notes else ""
    return [
        f"{playlist.name}: the voice is {_emotions(playlist.voice_emotions)}{told}",
        *([f"  {playlist.message}"] if playlist.message else []),
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
