"""Theme cards: what a theme sounds like, in numbers and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from affetto.features.highlight import cut_highlights
from affetto.themes.model import ThemeModel
from affetto.themes.musical import TERMS
from affetto.themes.parameters import CardParameters

SEPARATOR = " · "


def build_cards(
    model: ThemeModel,
    themes: pd.DataFrame,
    clips: pd.DataFrame,
    measures: pd.DataFrame,
    word_names: Sequence[str],
    parameters: CardParameters,
    attention: pd.DataFrame | None = None,
) -> list[dict[str, Any]]:
    """Describe every theme.

    Parameters
    ----------
    model
        The themes.
    themes
        Themes of clips (see `model.themes_table`).
    clips
        Clip table; `tags`, `group`, `title` and `duration_s` are read where they are.
    measures
        Musical measures by clip (see `musical.clip_measures`).
    word_names
        Names of the audio words.
    parameters
        How much to show.
    attention
        `clip_id, times` (s), `weights` of the music model, for the highlights of exemplars.

    Returns
    -------
    list of dict
        JSON-able; a card has `theme`, `emotion`, `name` (unique inside the emotion), `size`, `share` (of the
        emotion's clips), `exemplars` (`clip_id, title, probability, highlight_start_s, highlight_end_s`),
        `differences` (measure → standardised difference to the emotion's mean), `profile` (measure → `theme`
        and `emotion`, the means in the measure's own unit), `tags` (`tag, clips, lift, p`), `words`,
        `neighbours` (`theme, name, distance`, see `nearest_themes`), `note`.
    """
    known = clips.reindex(columns=["clip_id", "tags", "group"])
    groups = known["group"].fillna(known["clip_id"]).astype(str)  # a clip without a group is one of its own
    tagged = known.assign(tags=known["tags"].map(as_tags), group=groups).set_index("clip_id")
    cards: list[dict[str, Any]] = []
    for emotion, topics in model.emotions.items():
        inside = themes[themes["emotion"] == emotion]
        measured = measures.reindex(inside["clip_id"])
        taken: set[str] = set()
        for index, theme in enumerate(model.themes_of(emotion)):
            members = inside[inside["theme"] == theme]
            card = _card(theme, members, inside, measured, tagged, parameters)
            card["words"] = characteristic_words(
                topics.word_probabilities, index, word_names, parameters.words
            )
            card["note"] = topics.note
            card["name"] = _name(card, topics.n_topics, taken, parameters)
            taken.add(card["name"])
            cards.append(card)
    names = {card["theme"]: card["name"] for card in cards}
    shown = {exemplar["clip_id"] for card in cards for exemplar in card["exemplars"]}
    details = _titles_and_highlights(clips[clips["clip_id"].isin(shown)], attention, parameters.highlight_s)
    for card in cards:
        card["exemplars"] = [{**exemplar, **details[exemplar["clip_id"]]} for exemplar in card["exemplars"]]
        near = nearest_themes(model, card["theme"], parameters.neighbours)
        card["neighbours"] = [{"name": names[one["theme"]], **one} for one in near]
    return cards


def nearest_themes(model: ThemeModel, theme: str, number: int) -> list[dict[str, Any]]:
    """Find the themes of any emotion whose words are most like a theme's.

    Returns
    -------
    list of dict
        `theme` and `distance`, nearest first: the Jensen-Shannon distance (Endres & Schindelin, 2003) of the
        distributions of words, 0 for the same and 1 for themes without a word in common.
    """
    from scipy.spatial.distance import jensenshannon

    rows = {
        name: row
        for emotion, topics in model.emotions.items()
        for name, row in zip(model.themes_of(emotion), topics.word_probabilities, strict=True)
    }
    own = rows.pop(theme)
    distances = {name: float(jensenshannon(own, row, base=2)) for name, row in rows.items()}
    nearest = sorted(distances, key=lambda name: (distances[name], name))[:number]
    return [{"theme": name, "distance": round(distances[name], 3)} for name in nearest]


def _titles_and_highlights(
    clips: pd.DataFrame, attention: pd.DataFrame | None, highlight_s: float
) -> dict[str, dict[str, Any]]:
    """Say of each clip what it is called and where to listen: clip → what an exemplar says of it."""
    durations = clips.get("duration_s", highlight_s)
    titles = clips["title"] if "title" in clips else clips["clip_id"].map(lambda _: None)
    steps = attention if attention is not None else pd.DataFrame(columns=["clip_id", "times", "weights"])
    cut = cut_highlights(clips.assign(duration_s=durations), steps, highlight_s)
    return {
        clip_id: {
            "title": str(title) if pd.notna(title) else str(clip_id).split("/", 1)[-1],
            "highlight_start_s": round(start_s, 2),
            "highlight_end_s": round(end_s, 2),
        }
        for clip_id, title, start_s, end_s in zip(
            clips["clip_id"], titles, cut["highlight_start_s"], cut["highlight_end_s"], strict=True
        )
    }


def as_tags(value: object) -> list[str]:
    """Return a clip's tags as a list, whatever Parquet made of them; missing is empty."""
    if isinstance(value, list | tuple | np.ndarray):
        return [str(tag) for tag in value]
    return []


def characteristic_words(
    probabilities: np.ndarray, topic: int, names: Sequence[str], number: int
) -> list[dict[str, Any]]:
    """Return the words that tell a topic from the mean of its emotion: largest p log(p / mean p).

    None where the emotion has one topic alone: nothing tells it from the mean.
    """
    if len(probabilities) == 1:
        return []
    p, mean = probabilities[topic], probabilities.mean(axis=0)
    order = np.argsort(-p * np.log(p / mean), kind="stable")[:number]
    return [{"word": names[i], "probability": float(p[i]), "lift": float(p[i] / mean[i])} for i in order]


def over_represented(clips: pd.DataFrame, parameters: CardParameters) -> list[dict[str, Any]]:
    """Find tags that are commoner in a theme than in the rest of its emotion.

    Clips of one group (artist, song) share tags, and would count as evidence over and over: the test counts a
    group once inside the theme and once outside, with the tags of all its clips there. Fisher's exact test,
    one-sided; p are corrected for the number of tags (Benjamini & Hochberg, 1995).

    Parameters
    ----------
    clips
        Clips of the emotion: `tags` (list), `group`, `inside` (bool: of the theme).
    parameters
        Smallest count, largest p, how many.
    """
    from scipy.stats import false_discovery_control, hypergeom

    here = Counter(tag for tags in clips.loc[clips["inside"], "tags"] for tag in set(tags))
    units: dict[tuple[str, bool], set[str]] = {}
    for group, is_inside, own in zip(clips["group"], clips["inside"], clips["tags"], strict=True):
        units.setdefault((group, bool(is_inside)), set()).update(own)
    inside = [own for (_, is_inside), own in units.items() if is_inside]
    among, overall = (Counter(chain.from_iterable(sets)) for sets in (inside, units.values()))
    everywhere = Counter(tag for own in clips["tags"] for tag in set(own))
    # All that are frequent enough to be shown somewhere are tested, whatever this theme has of them.
    tags = [tag for tag, count in everywhere.items() if count >= parameters.min_tag_clips]
    p_values = [hypergeom.sf(among[tag] - 1, len(units), overall[tag], len(inside)) for tag in tags]
    corrected = false_discovery_control(p_values) if tags else []
    found = [
        {
            "tag": tag,
            "clips": here[tag],
            "lift": round(among[tag] / len(inside) / (overall[tag] / len(units)), 3),
            "p": float(p),
        }
        for tag, p in zip(tags, corrected, strict=True)
        if p <= parameters.max_tag_p
        and here[tag] >= parameters.min_tag_clips
        and among[tag] * len(units) > overall[tag] * len(inside)
    ]
    return sorted(found, key=lambda row: (row["p"], row["tag"]))[: parameters.tags]


def _card(
    theme: str,
    members: pd.DataFrame,
    inside: pd.DataFrame,
    measured: pd.DataFrame,
    tagged: pd.DataFrame,
    parameters: CardParameters,
) -> dict[str, Any]:
    best = members.sort_values(["confidence", "clip_id"], ascending=[False, True]).head(parameters.exemplars)
    mine = measured.loc[members["clip_id"]].mean().dropna() if len(members) else pd.Series(dtype=float)
    spread = measured.std(ddof=0)
    standardised = (measured - measured.mean()) / spread.where(spread > 0, 1.0)
    difference = standardised.loc[members["clip_id"]].mean().reindex(mine.index)
    return {
        "theme": theme,
        "emotion": theme.rsplit("/", 1)[0],
        "size": len(members),
        "share": len(members) / max(1, len(inside)),
        "exemplars": [
            {"clip_id": clip_id, "probability": round(float(confidence), 4)}
            for clip_id, confidence in zip(best["clip_id"], best["confidence"], strict=True)
        ],
        "differences": {str(name): round(float(value), 3) for name, value in difference.items()},
        "profile": {
            str(name): {"theme": round(float(mean), 3), "emotion": round(float(measured[name].mean()), 3)}
            for name, mean in mine.items()
        },
        "tags": over_represented(
            tagged.reindex(inside["clip_id"]).assign(inside=(inside["theme"] == theme).to_numpy()), parameters
        ),
    }


def _name(card: dict[str, Any], n_themes: int, taken: set[str], parameters: CardParameters) -> str:
    if n_themes == 1:
        return f"all {card['emotion']}"
    if card["size"] == 0:
        return _numbered("no clips", taken)
    differences = card["differences"]
    ranked = sorted(differences, key=lambda name: (-abs(differences[name]), name))
    large = [name for name in ranked if abs(differences[name]) >= parameters.min_difference]
    # A name that is taken grows by the next strongest terms.
    for number in range(min(parameters.name_terms, len(large)), len(large) + 1):
        name = _terms(differences, large[:number])
        if name and name not in taken:
            return name
    tag = card["tags"][0]["tag"] if card["tags"] else "typical"
    return _numbered(_terms(differences, large[: parameters.name_terms]) or tag, taken)


def _terms(differences: dict[str, float], names: Sequence[str]) -> str:
    return SEPARATOR.join(TERMS[name][0 if differences[name] > 0 else 1] for name in TERMS if name in names)


def _numbered(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    number = next(n for n in range(2, len(taken) + 3) if f"{name} ({n})" not in taken)
    return f"{name} ({number})"
