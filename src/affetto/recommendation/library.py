"""The library: every track that can be recommended, with its emotion, theme and highlight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from affetto.errors import AffettoError
from affetto.features.highlight import HIGHLIGHT_COLUMNS
from affetto.storage import as_text
from affetto.themes.model import MIXTURE_COLUMNS

PROBABILITY = "p_"
LIBRARY_COLUMNS = (
    *("clip_id", "corpus", "root", "path", "start_s", "end_s", "title", "duration_s", "emotion"),
    *("theme", "theme_name", "theme_probability", *HIGHLIGHT_COLUMNS),
)
"""Columns of a library besides the probabilities of the emotions and, where it is known, `content_hash`."""


def emotions_of(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the emotions that have a column `p_<emotion>`, in the order of the columns."""
    return tuple(
        name.removeprefix(PROBABILITY) for name in table.columns if str(name).startswith(PROBABILITY)
    )


def names_of_themes(cards: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """Return (emotion, theme) → readable name, of cards with at least `theme, emotion, name`."""
    return {(str(card["emotion"]), str(card["theme"])): str(card["name"]) for card in cards}


def build_library(
    clips: pd.DataFrame,
    root: Path,
    library_emotions: pd.DataFrame,
    theme_mixtures: pd.DataFrame,
    theme_cards: Sequence[Mapping[str, Any]],
    highlights: pd.DataFrame,
    *,
    other_roots: Mapping[str, Path] = MappingProxyType({}),
) -> pd.DataFrame:
    """Put together what is known of every track.

    Parameters
    ----------
    clips
        Clip table after the audit (`clip_id, corpus, path, start_s, end_s, duration_s` and perhaps `title`).
    root
        Folder that `path` is relative to, here or the address of one.
    library_emotions
        `clip_id` and `p_<emotion>` columns; tracks without a row here are left out.
    theme_mixtures
        `clip_id, emotion, theme, probability`: P(theme | emotion, track).
    theme_cards
        A mapping a theme with at least `theme, emotion, name`.
    highlights
        What `cut_highlights` found for the tracks.
    other_roots
        Folder of each corpus that does not lie below `root`, by the `corpus` of its clips.

    Returns
    -------
    pandas.DataFrame
        A row a track, in the order of `clips`: `clip_id, corpus, root, path, start_s, end_s,
        content_hash (where the audit found it), title, duration_s, emotion, p_<emotion>…, theme, theme_name,
        theme_probability, highlight_start_s, highlight_end_s, highlight_attention`. The theme is the
        likeliest one inside the track's emotion (missing when that emotion has no themes); highlight times
        count from the start of the file. The root is the folder as given.

    Raises
    ------
    AffettoError
        When no track of `clips` has emotion probabilities.
    """
    emotions = emotions_of(library_emotions)
    columns = [f"{PROBABILITY}{emotion}" for emotion in emotions]
    tracks = clips.merge(
        library_emotions[["clip_id", *columns]], on="clip_id", how="inner", validate="one_to_one"
    )
    if tracks.empty:
        raise AffettoError(
            "The library is empty: no music clip has emotion probabilities; run `kedro run --pipeline=theme`."
        )
    tracks["emotion"] = np.asarray(emotions, dtype=object)[tracks[columns].to_numpy(float).argmax(axis=1)]
    folders = {corpus: as_text(folder) for corpus, folder in other_roots.items()}
    tracks["root"] = [folders.get(corpus, as_text(root)) for corpus in tracks["corpus"]]
    stems = tracks["clip_id"].map(lambda clip_id: str(clip_id).split("/", 1)[-1])
    tracks["title"] = tracks["title"].fillna(stems) if "title" in tracks else stems
    tracks = _with_themes(tracks, theme_mixtures, theme_cards)
    tracks = _with_highlights(tracks, highlights)
    content = ["content_hash"] if "content_hash" in tracks else []  # equal recordings are played once
    return tracks[[*LIBRARY_COLUMNS, *content, *columns]]


def _with_themes(
    tracks: pd.DataFrame, mixtures: pd.DataFrame, cards: Sequence[Mapping[str, Any]]
) -> pd.DataFrame:
    """Add the likeliest theme inside the emotion of each track; equals go to the smaller theme."""
    mixed = pd.DataFrame(mixtures, columns=list(MIXTURE_COLUMNS)).assign(
        theme=lambda table: table["theme"].astype(str)
    )
    ordered = mixed.sort_values(["probability", "theme"], ascending=[False, True], kind="stable")
    best = ordered.drop_duplicates(["clip_id", "emotion"]).rename(
        columns={"probability": "theme_probability"}
    )
    tracks = tracks.drop(columns=["theme"], errors="ignore").merge(
        best, on=["clip_id", "emotion"], how="left"
    )
    names = names_of_themes(cards)
    pairs = zip(tracks["emotion"], tracks["theme"], strict=True)
    tracks["theme_name"] = [names.get((emotion, theme), _plain_name(theme)) for emotion, theme in pairs]
    return tracks


def _plain_name(theme: object) -> str | None:
    return None if pd.isna(theme) else f"theme {theme}"  # type: ignore[call-overload]


def _with_highlights(tracks: pd.DataFrame, highlights: pd.DataFrame) -> pd.DataFrame:
    """Add the highlights, counted from the start of the file."""
    tracks = tracks.merge(highlights, on="clip_id", how="left", validate="one_to_one")
    offset = tracks["start_s"].astype(float).fillna(0.0)
    start, end, _ = HIGHLIGHT_COLUMNS
    return tracks.assign(**{start: tracks[start] + offset, end: tracks[end] + offset})
