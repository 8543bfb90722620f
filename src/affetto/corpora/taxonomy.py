"""From the labels of a source to canonical emotions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from affetto.errors import AffettoError

_EVERY_OTHER = "*"


def canonical_emotions(taxonomy: Mapping[str, Any], side: str) -> tuple[str, ...]:
    """Return the canonical emotions of a side.

    Raises
    ------
    AffettoError
        When the taxonomy names none.
    """
    emotions = tuple(map(str, (taxonomy.get("emotions") or {}).get(side) or ()))
    if not emotions:
        raise AffettoError(
            f"taxonomy.emotions.{side} is missing: list there the emotions of the {side} side."
        )
    return emotions


def source_labels(taxonomy: Mapping[str, Any], key: str, side: str) -> dict[str, str | None]:
    """Return what the labels of a source mean.

    Parameters
    ----------
    taxonomy
        The taxonomy.
    key
        Name under `taxonomy.labels`. Under the generic names labels are lower case, and every canonical
        emotion also means itself.
    side
        `music` or `voice`.

    Returns
    -------
    dict
        Label → canonical emotion, or None for labels whose clips stay unlabelled.

    Raises
    ------
    AffettoError
        When the source has no labels in the taxonomy, or one means an emotion that the side does not know.
    """
    emotions = canonical_emotions(taxonomy, side)
    labels = (taxonomy.get("labels") or {}).get(key)
    if labels is None and not _is_generic(key):
        raise AffettoError(f"taxonomy.labels.{key} is missing: say there what the labels of {key} mean.")
    meanings: dict[str, str | None] = {emotion: emotion for emotion in emotions if _is_generic(key)}
    meanings |= {str(label): emotion for label, emotion in (labels or {}).items()}
    _check_meanings(meanings, emotions, f"taxonomy.labels.{key}", side)
    return meanings


def map_labels(
    labels: pd.Series[Any],
    *,
    taxonomy: Mapping[str, Any],
    key: str,
    side: str,
    label_map: Mapping[str, str | None] | None = None,
) -> pd.Series[Any]:
    """Translate the labels of a source into canonical emotions.

    Parameters
    ----------
    labels
        Labels as the source writes them; missing for unlabelled clips. A cell may be a list of labels: the
        emotion is the one that all its labels mean, those set aside that mean none; where they mean several
        the clip stays unlabelled.
    taxonomy, key, side
        As for `source_labels`; generic labels are compared without regard to case and surrounding blanks.
    label_map
        The user's own meanings, which go before those of the taxonomy. An emotion named here stands for all
        labels that the taxonomy gives this emotion, and `*` for every other label: `{boredom: null}` leaves
        all bored clips unlabelled, however the source writes boredom.

    Returns
    -------
    pandas.Series
        Canonical emotion or missing, with the index of `labels`.

    Raises
    ------
    AffettoError
        When labels are unknown: lists them with their counts and the key to add.
    """
    own = dict(label_map or {})
    _check_meanings(own, canonical_emotions(taxonomy, side), f"{side}.corpus.label_map", side)
    meanings = _own_meanings(source_labels(taxonomy, key, side), own, generic=_is_generic(key))

    def labels_in(cell: Any) -> list[str]:
        if not pd.api.types.is_list_like(cell):
            cell = [] if pd.isna(cell) else [cell]
        written = map(str, cell)
        return [label if label in own or not _is_generic(key) else label.strip().lower() for label in written]

    cells = [labels_in(cell) for cell in labels]
    unknown = pd.Series([label for cell in cells for label in cell if label not in meanings], dtype="str")
    if len(unknown) and _EVERY_OTHER not in own:
        counts = unknown.value_counts()
        listed = ", ".join(f"{label!r} ({count} clips)" for label, count in counts.head(20).items())
        raise AffettoError(
            f"Labels that the taxonomy does not know: {listed}; add taxonomy.labels.{key}.{counts.index[0]} "
            "and so on (an emotion, or null to leave such clips unlabelled), or set "
            f"{side}.corpus.label_map."
        )
    named = ({meanings.get(label, own.get(_EVERY_OTHER)) for label in cell} - {None} for cell in cells)
    emotions = [next(iter(meant)) if len(meant) == 1 else None for meant in named]
    return pd.Series(emotions, index=labels.index, dtype="str")


def _own_meanings(
    meanings: Mapping[str, str | None], own: Mapping[str, str | None], *, generic: bool
) -> dict[str, str | None]:
    """Return the meanings of labels by a taxonomy, as changed by the user's own."""
    if generic:
        own = {**{label.strip().lower(): emotion for label, emotion in own.items()}, **own}
    changed = {
        label: emotion if emotion is None else own.get(emotion, emotion)
        for label, emotion in meanings.items()
    }
    return {**changed, **own}


def _is_generic(key: str) -> bool:
    """Tell whether a key of `taxonomy.labels` holds everyday words rather than a source's codes."""
    return key.startswith("generic_")


def _check_meanings(
    meanings: Mapping[str, str | None], emotions: tuple[str, ...], where: str, side: str
) -> None:
    for label, emotion in meanings.items():
        if emotion is not None and emotion not in emotions:
            raise AffettoError(
                f"{where}.{label} is {emotion!r}, which is no emotion of the {side} side: use one of "
                f"{', '.join(emotions)}, or null to leave such clips unlabelled."
            )
