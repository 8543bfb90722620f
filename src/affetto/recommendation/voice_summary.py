"""What was heard in recordings as a text for the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from affetto.errors import one_line
from affetto.recommendation.heard import HeardVoice, Span, Timeline
from affetto.recommendation.reasons import clock, percent

_SHOWN_SPANS = 8
_HEADER = ("recording", "emotion", "probability", "unsure", "speech")


def summarise_voices(voices: Iterable[HeardVoice]) -> str:
    """Describe what was heard in plain text.

    Parameters
    ----------
    voices
        What was heard in the recordings of a run.

    Returns
    -------
    str
        A table with a row a recording, below it how the emotion of long ones changes, and why others have
        none; without trailing newline.
    """
    voices = list(voices)
    heard = [voice for voice in voices if voice.status == "ok"]
    rows = [_HEADER, *(_row(voice) for voice in heard)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    table = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    changing = [
        f"{one_line(voice.name)}: {describe_spans(voice.timeline)}" for voice in heard if voice.timeline
    ]
    silent = [f"{one_line(voice.name)}: {voice.message}" for voice in voices if voice.status != "ok"]
    parts = [table if heard else [], changing, silent]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def describe_spans(timeline: Timeline) -> str:
    """Say in one line how the emotion changes."""
    spans = [_span(span) for span in timeline.spans]
    more = f", … {len(spans) - _SHOWN_SPANS} more" if len(spans) > _SHOWN_SPANS else ""
    return f"{', '.join(spans[:_SHOWN_SPANS])}{more}"


def _row(voice: HeardVoice) -> tuple[str, ...]:
    probability = percent(voice.emotions[0].probability)
    unsure = "unsure" if voice.unsure else ""
    return one_line(voice.name), str(voice.emotion), probability, unsure, f"{voice.speech_s:.1f} s"


def _span(span: Span) -> str:
    what = span.emotion or "no speech"
    return f"{clock(span.start_s)}-{clock(span.end_s)} {what}{' (unsure)' if span.unsure else ''}"
