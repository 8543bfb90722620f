"""Theme cards: what a theme sounds like, in numbers and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affetto.features.highlight import cut_highlights
from affetto.io.workers import ExecutorParameters, map_shards
from affetto.themes.model import ThemeModel
from affetto.themes.words import shards

if TYPE_CHECKING:
    from affetto.features.clip_features import ClipFeatures

N_EXEMPLARS, N_WORDS, N_TAGS, N_NEIGHBOURS, N_TERMS = 5, 8, 5, 3, 3
"""What a card shows at most, and the terms of a name."""
HIGHLIGHT_S = 15.0
MIN_DIFFERENCE = 0.3  # to the emotion's mean, in deviations, that a name may mention
MIN_TAG_CLIPS = 3  # of a theme that has the tag
MAX_TAG_P = 0.05  # corrected for the number of tags

TERMS: dict[str, tuple[str, str, str]] = {
    "pace": ("fast", "slow", "onsets/s"),
    "brightness": ("bright", "dark", "Hz"),
    "loudness": ("loud", "soft", "dB"),
    "percussiveness": ("percussive", "sustained", "dB"),
    "noisiness": ("noisy", "pure", ""),
    "dynamics": ("dynamic", "even", "dB"),
    "mode": ("major", "minor", ""),
    "clarity": ("clear", "dense", "dB"),
}
"""What a measure above and below the emotion's mean is called, and its unit."""

# Krumhansl & Kessler (1982), probe-tone profiles of C major and C minor.
MAJOR_PROFILE = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
MINOR_PROFILE = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])


def build_cards(
    model: ThemeModel,
    themes: pd.DataFrame,
    clips: pd.DataFrame,
    measures: pd.DataFrame,
    word_names: Sequence[str],
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
        Musical measures by clip (see `clip_measures`).
    word_names
        Names of the audio words.
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
        taken: set[str] = set()
        for index, theme in enumerate(model.themes_of(emotion)):
            is_inside = (inside["theme"] == theme).to_numpy()
            members = inside[is_inside]
            order = members.sort_values(["confidence", "clip_id"], ascending=[False, True])
            best = order[["clip_id", "confidence"]].head(N_EXEMPLARS).itertuples(index=False)
            card = {
                "theme": theme,
                "emotion": emotion,
                "size": len(members),
                "share": len(members) / max(1, len(inside)),
                "exemplars": [{"clip_id": clip, "probability": round(float(p), 4)} for clip, p in best],
                **_compare(measures.reindex(inside["clip_id"]), is_inside),
                "tags": over_represented(tagged.reindex(inside["clip_id"]).assign(inside=is_inside)),
                "words": characteristic_words(topics.word_probabilities, index, word_names),
                "note": topics.note,
            }
            card["name"] = _name(card, topics.n_topics, taken)
            taken.add(card["name"])
            cards.append(card)
    names = {card["theme"]: card["name"] for card in cards}
    details = _titles_and_highlights(cards, clips, attention)
    for card in cards:
        card["exemplars"] = [{**exemplar, **details[exemplar["clip_id"]]} for exemplar in card["exemplars"]]
        near = nearest_themes(model, card["theme"], N_NEIGHBOURS)
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
    cards: Sequence[Mapping[str, Any]], clips: pd.DataFrame, attention: pd.DataFrame | None
) -> dict[str, dict[str, Any]]:
    """Say of each exemplar what it is called and where to listen."""
    shown = {exemplar["clip_id"] for card in cards for exemplar in card["exemplars"]}
    clips = clips[clips["clip_id"].isin(shown)]
    steps = attention if attention is not None else pd.DataFrame(columns=["clip_id", "times", "weights"])
    durations = clips.get("duration_s", HIGHLIGHT_S)
    cut = cut_highlights(clips.assign(duration_s=durations), steps, HIGHLIGHT_S).set_index("clip_id")
    titles = clips.reindex(columns=["clip_id", "title"])
    details = {}
    for clip_id, title in titles.itertuples(index=False):
        start_s, end_s = cut.loc[clip_id, ["highlight_start_s", "highlight_end_s"]]
        details[clip_id] = {
            "title": str(title) if pd.notna(title) else str(clip_id).split("/", 1)[-1],
            "highlight_start_s": round(start_s, 2),
            "highlight_end_s": round(end_s, 2),
        }
    return details


def as_tags(value: object) -> list[str]:
    """Return a clip's tags as a list, whatever Parquet made of them; missing is empty."""
    if isinstance(value, list | tuple | np.ndarray):
        return [str(tag) for tag in value]
    return []


def characteristic_words(probabilities: np.ndarray, topic: int, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the words that tell a topic from the mean of its emotion: largest p log(p / mean p).

    None where the emotion has one topic alone: nothing tells it from the mean.
    """
    if len(probabilities) == 1:
        return []
    p, mean = probabilities[topic], probabilities.mean(axis=0)
    order = np.argsort(-p * np.log(p / mean), kind="stable")[:N_WORDS]
    return [{"word": names[i], "probability": float(p[i]), "lift": float(p[i] / mean[i])} for i in order]


def over_represented(clips: pd.DataFrame) -> list[dict[str, Any]]:
    """Find tags that are commoner in a theme than in the rest of its emotion.

    Clips of one group (artist, song) share tags, and would count as evidence over and over: the test counts a
    group once inside the theme and once outside, with the tags of all its clips there. Fisher's exact test,
    one-sided; p are corrected for the number of tags (Benjamini & Hochberg, 1995).

    Parameters
    ----------
    clips
        Clips of the emotion: `tags` (list), `group`, `inside` (bool: of the theme).
    """
    from scipy.stats import false_discovery_control, hypergeom

    here = Counter(tag for tags in clips.loc[clips["inside"], "tags"] for tag in set(tags))
    everywhere = Counter(tag for own in clips["tags"] for tag in set(own))
    units: dict[tuple[str, bool], set[str]] = {}
    for group, is_inside, own in zip(clips["group"], clips["inside"], clips["tags"], strict=True):
        units.setdefault((group, bool(is_inside)), set()).update(own)
    inside = [own for (_, is_inside), own in units.items() if is_inside]
    among, overall = (Counter(chain.from_iterable(sets)) for sets in (inside, units.values()))
    # All that are frequent enough to be shown somewhere are tested, whatever this theme has of them.
    tags = [tag for tag, count in everywhere.items() if count >= MIN_TAG_CLIPS]
    p_values = [hypergeom.sf(among[tag] - 1, len(units), overall[tag], len(inside)) for tag in tags]
    corrected = false_discovery_control(p_values) if tags else []
    found = []
    for tag, p in zip(tags, corrected, strict=True):
        commoner = among[tag] * len(units) > overall[tag] * len(inside)
        if p <= MAX_TAG_P and here[tag] >= MIN_TAG_CLIPS and commoner:
            lift = round(among[tag] / len(inside) / (overall[tag] / len(units)), 3)
            found.append({"tag": tag, "clips": here[tag], "lift": lift, "p": float(p)})
    return sorted(found, key=lambda row: (row["p"], row["tag"]))[:N_TAGS]


def _compare(measured: pd.DataFrame, inside: np.ndarray) -> dict[str, Any]:
    """Return `differences` and `profile`: the measures of a theme beside those of its emotion."""
    means, spread = measured.mean(), measured.std(ddof=0)
    standardised = (measured - means) / spread.where(spread > 0, 1.0)
    mine, difference = measured[inside].mean().dropna(), standardised[inside].mean()
    differences, profile = {}, {}
    for name in map(str, mine.index):
        differences[name] = round(float(difference[name]), 3)
        profile[name] = {"theme": round(float(mine[name]), 3), "emotion": round(float(means[name]), 3)}
    return {"differences": differences, "profile": profile}


def _name(card: dict[str, Any], n_themes: int, taken: set[str]) -> str:
    """Name a theme by its largest differences; a name that is taken grows by the next ones."""
    if n_themes == 1:
        return f"all {card['emotion']}"
    differences = card["differences"]
    ranked = sorted(differences, key=lambda name: (-abs(differences[name]), name))
    large = [name for name in ranked if abs(differences[name]) >= MIN_DIFFERENCE]
    names = []
    for number in range(min(N_TERMS, len(large)), len(large) + 1):
        chosen = [name for name in TERMS if name in large[:number]]
        names.append(" · ".join(TERMS[name][0 if differences[name] > 0 else 1] for name in chosen))
    if card["size"] == 0:
        names = ["no clips"]
    elif not large:
        names = [card["tags"][0]["tag"] if card["tags"] else "typical"]
    numbered = (f"{names[0]} ({number})" for number in range(2, len(taken) + 3))
    return next(name for name in chain(names, numbered) if name not in taken)


def clip_measures(features: ClipFeatures, executor: ExecutorParameters) -> pd.DataFrame:
    """Measure clips in plain musical terms.

    Parameters
    ----------
    features
        Frames; the dimensions `onset`, `centroid_hz`, `flatness`, `rms_db`, `chroma_0…11` and `contrast_0…`
        are used where they are.
    executor
        Where the shards run.

    Returns
    -------
    DataFrame
        Indexed by `clip_id`, a column a measure of `TERMS` that the feature allows; NaN for clips without
        frames.
    """
    parts = shards(features)
    sizes = [len(part) for part in parts]
    measured = map_shards(_measure_shard, parts, executor, description="musical measures", total_units=sizes)
    rows = [row for part in measured for row in part]
    return pd.DataFrame(rows, index=pd.Index(features.clip_ids, name="clip_id"), dtype=float)


def _measure_shard(features: ClipFeatures) -> list[dict[str, float]]:
    rows = []
    for clip in features:
        frames = clip[np.isfinite(clip).all(axis=1)].astype(np.float64)
        columns = dict(zip(features.dimensions, frames.T, strict=True))
        rows.append(measure(columns, features.hop_s or 1.0) if len(frames) else {})
    return rows


def measure(columns: Mapping[str, np.ndarray], hop_s: float) -> dict[str, float]:
    """Measure one clip: the values of each dimension by its name, [n_frames], `hop_s` from frame to frame."""
    found = {}
    if "onset" in columns:
        found["pace"] = event_rate(columns["onset"], hop_s)
        found["percussiveness"] = columns["onset"].mean()
    if "centroid_hz" in columns:
        found["brightness"] = columns["centroid_hz"].mean()
    if "rms_db" in columns:
        found["loudness"], found["dynamics"] = columns["rms_db"].mean(), columns["rms_db"].std()
    if "flatness" in columns:
        found["noisiness"] = columns["flatness"].mean()
    if "chroma_11" in columns:
        found["mode"] = major_minor(np.array([columns[f"chroma_{pitch}"].mean() for pitch in range(12)]))
    contrast = [values.mean() for name, values in columns.items() if name.startswith("contrast_")]
    if contrast:
        found["clarity"] = np.mean(contrast)
    return {name: float(found[name]) for name in TERMS if name in found}


def event_rate(strength: np.ndarray, hop_s: float) -> float:
    """Count peaks above mean plus half a deviation, a second."""
    middle, threshold = strength[1:-1], strength.mean() + strength.std() / 2
    peaks = (middle > strength[:-2]) & (middle >= strength[2:]) & (middle > threshold)
    return float(peaks.sum() / (len(strength) * hop_s))


def major_minor(chroma: np.ndarray) -> float:
    """Return the best correlation with a major key minus the best with a minor key, for mean chroma [12]."""
    if chroma.std() == 0:
        return 0.0
    best = [
        max(np.corrcoef(chroma, np.roll(profile, shift))[0, 1] for shift in range(12))
        for profile in (MAJOR_PROFILE, MINOR_PROFILE)
    ]
    return float(best[0] - best[1])
