"""The library: every track that can be recommended, with emotion, theme and highlight; its summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from affetto.corpora.audit_report import count_reasons
from affetto.corpora.clips import DIMENSIONS
from affetto.errors import AffettoError
from affetto.features.highlight import HIGHLIGHT_COLUMNS
from affetto.io.paths import as_text
from affetto.recommendation.voice import PROBABILITY, emotions_of
from affetto.themes.model import MIXTURE_COLUMNS
from affetto.themes.tags import join_tags

NO_FEATURES = "no features"  # reason of tracks whose features could not be extracted
UNSURE_BELOW = 0.5  # below it, all other emotions together are likelier than the track's own
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
LIBRARY_COLUMNS = (
    *("clip_id", "corpus", "root", "path", "start_s", "end_s", "title", "duration_s", "emotion"),
    *("theme", "theme_name", "theme_probability", "predicted_tags", *HIGHLIGHT_COLUMNS),
)
"""Columns of a library besides the probabilities of the emotions and, where it is known, `take`."""


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
    predicted: pd.Series | None = None,
) -> pd.DataFrame:
    """Put together what is known of every track.

    Parameters
    ----------
    clips
        Clip table after the audit (`clip_id, corpus, path, start_s, end_s, duration_s` and perhaps `title`).
    root, other_roots
        Folder that `path` is relative to, here or the address of one; and of those corpora that do not lie
        below it, by the `corpus` of their clips.
    predicted
        Predicted tags of clips (see `themes.tags.predict_tags`); None where they were not extracted.
    library_emotions
        `clip_id`, `p_<emotion>` columns and perhaps `valence, arousal`; tracks without a row here are left
        out.
    theme_mixtures, theme_cards
        `clip_id, emotion, theme, probability`, P(theme | emotion, track); and the cards of the themes.
    highlights
        What `cut_highlights` found for the tracks.

    Returns
    -------
    pandas.DataFrame
        A row a track, in the order of `clips`: `LIBRARY_COLUMNS`, `valence, arousal` (where the model tells
        them), `take` (where the audit found it) and `p_<emotion>…`. The theme is the likeliest one inside the
        track's emotion (missing when that emotion has no themes); `predicted_tags` is a line of the likeliest
        ones, empty where none are known; highlight times count from the start of the file.

    Raises
    ------
    AffettoError
        When no track of `clips` has emotion probabilities.
    """
    emotions = emotions_of(library_emotions)
    columns = [f"{PROBABILITY}{emotion}" for emotion in emotions]
    told = [name for name in DIMENSIONS if name in library_emotions]
    tracks = clips.drop(columns=list(DIMENSIONS), errors="ignore").merge(
        library_emotions[["clip_id", *told, *columns]], on="clip_id", how="inner", validate="one_to_one"
    )
    if tracks.empty:
        raise AffettoError("The library is empty: no music clip has emotion probabilities.")
    tracks["emotion"] = np.asarray(emotions, dtype=object)[tracks[columns].to_numpy(float).argmax(axis=1)]
    tracks["root"] = [as_text(other_roots.get(corpus, root)) for corpus in tracks["corpus"]]
    stems = tracks["clip_id"].str.split("/", n=1).str[-1]
    tracks["title"] = tracks["title"].fillna(stems) if "title" in tracks else stems
    known = {} if predicted is None else predicted.to_dict()
    tracks["predicted_tags"] = [join_tags(known.get(clip_id, ())) for clip_id in tracks["clip_id"]]
    tracks = _with_themes(tracks, theme_mixtures, theme_cards)
    tracks = tracks.merge(highlights, on="clip_id", how="left", validate="one_to_one")
    offset = tracks["start_s"].astype(float).fillna(0.0)
    for column in HIGHLIGHT_COLUMNS[:2]:  # counted from the start of the file
        tracks[column] += offset
    take = ["take"] if "take" in tracks else []  # of its copies a playlist has one
    return tracks[[*LIBRARY_COLUMNS, *told, *take, *columns]]


def _with_themes(
    tracks: pd.DataFrame, mixtures: pd.DataFrame, cards: Sequence[Mapping[str, Any]]
) -> pd.DataFrame:
    """Add the likeliest theme inside the emotion of each track; equals go to the smaller theme."""
    mixed = mixtures[list(MIXTURE_COLUMNS)].assign(theme=mixtures["theme"].astype(str))
    ordered = mixed.sort_values(["probability", "theme"], ascending=[False, True], kind="stable")
    best = ordered.drop_duplicates(["clip_id", "emotion"])
    best = best.rename(columns={"probability": "theme_probability"})
    tracks = tracks.drop(columns=["theme"], errors="ignore")
    tracks = tracks.merge(best, on=["clip_id", "emotion"], how="left")
    names = names_of_themes(cards)
    tracks["theme_name"] = [
        None if pd.isna(theme) else names.get((emotion, theme), f"theme {theme}")
        for emotion, theme in zip(tracks["emotion"], tracks["theme"], strict=True)
    ]
    return tracks


def add_confidence(tracks: pd.DataFrame) -> pd.DataFrame:
    """Add how sure emotion and theme are, separately and together.

    Returns
    -------
    DataFrame
        The library with `emotion_probability`, that of the likeliest emotion, and `confidence`, its product
        with the theme's probability inside the emotion: P(theme | track). Missing where the theme is.
    """
    probabilities = tracks.filter(regex="^p_").to_numpy(dtype=float)
    sure = probabilities.max(axis=1, initial=0.0)
    columns = {"emotion_probability": sure, "confidence": sure * tracks["theme_probability"]}
    return tracks.assign(**columns)


def harmless_in_spreadsheets(tracks: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts no spreadsheet takes for formulas.

    Titles and names of files are other people's: one that begins with `=`, `+`, `-`, `@`, a tab or a line end
    gets an apostrophe in front (OWASP, "CSV Injection").
    """

    def escape(cell: object) -> object:
        return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell

    return tracks.map(escape)


def library_sentence(summary: Mapping[str, Any]) -> str:
    """Say what `summarise_tracks` counted."""
    emotions = ", ".join(f"{n} {emotion}" for emotion, n in summary["emotions"].items())
    set_aside = sum(summary["set_aside"].values())
    sentence = f"The library has {summary['tracks']} tracks ({emotions}); {set_aside} files were set aside."
    if copies := summary["copies"]:
        of_them = "is a copy of another" if copies == 1 else "are copies of others"
        sentence += f" {copies} of the files {of_them}: a playlist has a recording once."
    if unsure := summary["unsure"]:
        are = "track is" if unsure == 1 else "tracks are"
        sentence += f" {unsure} {are} unsure, with no emotion that reaches {UNSURE_BELOW:.0%}."
    if speech := len(summary["mostly_speech"]):
        sentence += f" {speech} of the tracks {'is' if speech == 1 else 'are'} mostly speech, not music."
    if learnt := summary.get("learnt_from"):
        sentence += (
            f" The model {learnt['name']} has learnt these emotions from {learnt['clips']} clips of "
            f"{learnt['corpus']}; of music unlike them its answer may mean little."
        )
    return sentence


def summarise_tracks(
    tracks: pd.DataFrame,
    rejected: pd.DataFrame,
    wordless: Sequence[str],
    cards: Sequence[Mapping[str, Any]],
    *,
    n_clips: int,
) -> dict[str, Any]:
    """Count what was described, what was set aside and why; `n_clips` passed the audit.

    Returns
    -------
    dict
        `tracks`, `copies` (files whose recording another file of the library has, too), `emotions` (name →
        tracks), `themes` (theme → `emotion, name, tracks`, those without any included), `unsure` (tracks none
        of whose emotions reaches 50 %), `set_aside` (kind of reason → clips), `without_words` and
        `mostly_speech` (clip ids).
    """
    of_theme = tracks["theme"].value_counts()
    themes = {}
    for card in cards:
        theme = str(card["theme"])
        name, emotion = str(card["name"]), str(card["emotion"])
        themes[theme] = {"emotion": emotion, "name": name, "tracks": int(of_theme.get(theme, 0))}
    files = tracks.drop_duplicates(["root", "path"])
    reasons = count_reasons(rejected)
    if n_clips > len(tracks):  # the log of the run says why
        reasons = {**reasons, NO_FEATURES: n_clips - len(tracks)}
    return {
        "tracks": len(tracks),
        "copies": int(files.duplicated("take").sum()) if "take" in files else 0,
        "emotions": tracks["emotion"].value_counts().to_dict(),
        "themes": themes,
        "unsure": int((tracks["emotion_probability"] < UNSURE_BELOW).sum()),
        "set_aside": reasons,
        "without_words": list(wordless),
        "mostly_speech": list(tracks.loc[tracks["note"] != "", "clip_id"]),
    }
