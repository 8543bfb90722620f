"""The bridge from the emotion of a voice to the emotion of the music that should answer it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from affetto.errors import AffettoError
from affetto.recommendation.parameters import Bridge


def choose_bridge(taxonomy: Mapping[str, Any], own: Mapping[str, Bridge], name: str) -> Bridge:
    """Find a bridge by name.

    Parameters
    ----------
    taxonomy
        The taxonomy; its `bridges` map names to bridges: voice emotion → music emotion → weight.
    own
        Bridges of the user's own; they go before those of the taxonomy.
    name
        Name of the bridge.

    Raises
    ------
    AffettoError
        When no bridge has this name.
    """
    bridges = {**taxonomy.get("bridges", {}), **own}
    if name not in bridges:
        near = difflib.get_close_matches(name, bridges, n=1)
        hint = (
            f"did you mean {near[0]!r}?"
            if near
            else f"choose one of {', '.join(sorted(bridges)) or '(none)'}."
        )
        raise AffettoError(f"There is no bridge {name!r} in taxonomy.bridges or recommend.bridges: {hint}")
    found: Bridge = bridges[name]
    return found


def bridge_matrix(
    bridge: Mapping[str, Mapping[str, float]],
    voice_classes: Sequence[str],
    music_classes: Sequence[str],
    *,
    key: str = "taxonomy.bridges",
) -> np.ndarray:
    """Write a bridge as `P(music emotion wanted | voice emotion)`, float64 [n_voice, n_music].

    Parameters
    ----------
    bridge
        Voice emotion → music emotion → weight (not negative; a row need not sum to 1).
    voice_classes, music_classes
        Emotions of the voice, the rows, and of the music, the columns.
    key
        Where the bridge stands in the configuration, for messages.

    Raises
    ------
    AffettoError
        When a voice emotion has no row, a row names an unknown music emotion, a weight is negative or not a
        number, or a row has no weight at all.
    """
    column = {emotion: index for index, emotion in enumerate(music_classes)}
    matrix = np.zeros((len(voice_classes), len(music_classes)))
    for row, voice in enumerate(voice_classes):
        if not bridge.get(voice):
            raise AffettoError(f"{key}.{voice} is missing: say there which music answers a voice of {voice}.")
        for music, weight in bridge[voice].items():
            if music not in column:
                known = ", ".join(music_classes)
                raise AffettoError(
                    f"{key}.{voice}.{music} names an unknown music emotion: the known ones are {known}."
                )
            if not (isinstance(weight, (int, float)) and math.isfinite(weight) and weight >= 0):
                raise AffettoError(
                    f"{key}.{voice}.{music} is {weight!r}: a weight must be a number that is not negative."
                )
            matrix[row, column[music]] = weight
        if not matrix[row].any():
            raise AffettoError(
                f"{key}.{voice} has no weight above 0: give at least one music emotion a positive one."
            )
    normalised: np.ndarray = matrix / matrix.sum(axis=1, keepdims=True)
    return normalised


def wanted_emotions(voice_probabilities: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Carry the probabilities of the voice over the bridge: `P(m) = Σ_v P(v) P(m | v)`, [..., n_music]."""
    wanted: np.ndarray = np.asarray(voice_probabilities, dtype=np.float64) @ matrix
    return wanted
