"""What was heard in recordings as a text for the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from affetto.audio.decode import once_a_folder
from affetto.errors import one_line
from affetto.recommendation.heard import HeardBy, HeardVoice, Span, Timeline
from affetto.recommendation.reasons import clock, percent

_SHOWN_SPANS = 8
_HEADER = ("recording", "emotion", "probability", "note", "speech")
_CAUTION = "In speech of another language or kind, expect more errors than these probabilities say."


def summarise_voices(voices: Iterable[HeardVoice]) -> str:
    """Describe what was heard in plain text.

    Parameters
    ----------
    voices
        What was heard in the recordings of a run.

    Returns
    -------
    str
        A table with a row a recording, below it how the emotion of long ones changes, why others have none,
        which files are damaged, and which model heard them; without trailing newline.
    """
    voices = list(voices)
    heard = [voice for voice in voices if voice.status == "ok"]
    rows = [_HEADER, *(_row(voice) for voice in voices)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    table = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    changing = [
        f"{one_line(voice.name)}: {describe_spans(voice.timeline)}" for voice in heard if voice.timeline
    ]
    novel = ["Novel: unlike what the model was trained on, so that its answer may mean little."]
    models = list(dict.fromkeys(describe_model(voice.heard_by) for voice in heard if voice.heard_by))
    parts = [
        table if heard else [],
        changing,
        remarks(voices),
        novel if any(v.novel for v in heard) else [],
        models,
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def describe_model(model: HeardBy) -> str:
    """Say which model heard, what it has learnt from, and when it is less sure than it says."""
    speech = f": {model.speech}" if model.speech else ""
    speakers = f" of {model.groups} speakers" if model.groups < model.clips else ""
    learnt = f"{model.clips} clips{speakers} of {model.corpus}{speech}"
    return f"Heard by the model {model.name}, which has learnt from {learnt}. {_CAUTION}"


def remarks(voices: Iterable[HeardVoice]) -> list[str]:
    """Say why recordings have no emotion and which files are damaged, the same of a folder's files once."""
    said = [(voice.recording, voice.message) for voice in voices if voice.message]
    return [one_line(sentence) for sentence in once_a_folder(said)]


def describe_spans(timeline: Timeline) -> str:
    """Say in one line how the emotion changes."""
    spans = [_span(span) for span in timeline.spans]
    more = f", … {len(spans) - _SHOWN_SPANS} more" if len(spans) > _SHOWN_SPANS else ""
    return f"{', '.join(spans[:_SHOWN_SPANS])}{more}"


def _row(voice: HeardVoice) -> tuple[str, ...]:
    if voice.status != "ok":
        return one_line(voice.name), voice.status.replace("_", " "), "", "", ""
    probability = percent(voice.emotions[0].probability)
    note = ", ".join(name for name, holds in (("unsure", voice.unsure), ("novel", voice.novel)) if holds)
    return one_line(voice.name), str(voice.emotion), probability, note, f"{voice.speech_s:.1f} s"


def _span(span: Span) -> str:
    what = span.emotion or "no speech"
    return f"{clock(span.start_s)}-{clock(span.end_s)} {what}{' (unsure)' if span.unsure else ''}"
