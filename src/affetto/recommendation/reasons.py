"""Why a track is in a playlist, in plain sentences made of the figures behind the choice."""

from __future__ import annotations

from dataclasses import dataclass

_ALL = 100


@dataclass(frozen=True)
class Evidence:
    """The figures behind one track; probabilities and shares 0 … 1, times in s.

    Attributes
    ----------
    voice_emotion, voice_probability
        Likeliest emotion of the voice.
    bridge
        Name of the bridge.
    answers, wanted_probability, track_probability
        The wanted emotion that the track answers, how much it is wanted, how likely the track has it.
    better_than
        Share of the library with a smaller probability of that emotion.
    theme_name, theme_probability, theme_share
        Theme of the track inside that emotion, and the share of the emotion's music that has it; None without
        themes.
    start_s, end_s, attention
        The highlight and the share of attention on it; None where nothing is known.
    rank, place
        Place in the playlist and by score alone.
    """

    voice_emotion: str
    voice_probability: float
    bridge: str
    answers: str
    wanted_probability: float
    track_probability: float
    better_than: float
    theme_name: str | None
    theme_probability: float | None
    theme_share: float | None
    start_s: float
    end_s: float
    attention: float | None
    rank: int
    place: int


def give_reasons(evidence: Evidence) -> tuple[str, ...]:
    """Put the evidence into sentences, the most important first."""
    sentences = [_wanted(evidence), _emotion(evidence)]
    if evidence.theme_name is not None:
        sentences.append(_theme(evidence))
    if evidence.attention is not None:
        sentences.append(_highlight(evidence))
    if evidence.place > evidence.rank:
        sentences.append(f"It is here for variety: by score alone it would be number {evidence.place}.")
    return tuple(sentences)


def clock(seconds: float) -> str:
    """Write a time as m:ss."""
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def percent(share: float | None) -> str:
    """Write a share as a whole percentage that never claims all or nothing by rounding; None as "?"."""
    if share is None:
        return "?"
    if share < 1 and round(100 * share) == _ALL:
        return f"over {_ALL - 1}%"
    if share > 0 and round(100 * share) == 0:
        return "under 1%"
    return f"{share:.0%}"


def _wanted(evidence: Evidence) -> str:
    return (
        f"The voice sounds most like {evidence.voice_emotion} ({percent(evidence.voice_probability)}), "
        f"and the bridge {evidence.bridge!r} wants {evidence.answers} music "
        f"with {percent(evidence.wanted_probability)}."
    )


def _emotion(evidence: Evidence) -> str:
    return (
        f"This track is {evidence.answers} with a probability of {percent(evidence.track_probability)}, "
        f"more than {percent(evidence.better_than)} of the library."
    )


def _theme(evidence: Evidence) -> str:
    return (
        f"Its theme is {evidence.theme_name!r} ({percent(evidence.theme_probability)}), which makes up "
        f"{percent(evidence.theme_share)} of the {evidence.answers} music."
    )


def _highlight(evidence: Evidence) -> str:
    return (
        f"It starts at its highlight, {clock(evidence.start_s)} to {clock(evidence.end_s)}, where "
        f"{percent(evidence.attention)} of the emotion model's attention lies."
    )
