"""Theme cards: what a theme sounds like, in numbers and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affetto.features.highlight import cut_highlights
from affetto.io.workers import ExecutorParameters, map_shards
from affetto.themes.model import ThemeModel
from affetto.themes.tags import SHOWN
from affetto.themes.words import shards

if TYPE_CHECKING:
    from affetto.features.clip_features import ClipFeatures

N_EXEMPLARS, N_WORDS, N_TAGS, N_NEIGHBOURS, N_TRACKS = 5, 8, 5, 3, 100
"""What a card shows at most."""
NAME_TAGS, NAME_TERMS = 2, 2  # of a name, which grows where another theme has it
HIGHLIGHT_S = 15.0
MIN_DIFFERENCE = 0.5  # between a theme and the rest of its emotion, in deviations, that has a name
N_ERRORS = 2.0  # standard errors that it is away from zero
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
    predicted: pd.Series | None = None,
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
    predicted
        Predicted tags of clips (see `tags.predict_tags`); None where they were not extracted.

    Returns
    -------
    list of dict
        JSON-able; a card has `theme`, `emotion`, `title` (its name inside the emotion), `name` (the emotion
        and the title, unique among all themes), `size`, `share` (of the emotion's clips), `tracks` (`clip_id,
        title, probability, tags`, likeliest first, at most 100), `exemplars` (`clip_id, title, probability,
        highlight_start_s, highlight_end_s`), `differences` (measure → standardised difference to the rest of
        the emotion), `terms` (measure → its word, of the differences that are large enough to have one),
        `profile` (measure → `theme` and `emotion`, the means in the measure's own unit), `tags` of listeners
        and `predicted_tags` (`tag, clips, lift, p`), `words`, `neighbours` (`theme, name, distance`, see
        `nearest_themes`), `note`.
    """
    described = _describe_clips(clips, predicted)
    cards: list[dict[str, Any]] = []
    for emotion, topics in model.emotions.items():
        inside = themes[themes["emotion"] == emotion]
        known = described.reindex(inside["clip_id"])
        taken: set[str] = set()
        for index, theme in enumerate(model.themes_of(emotion)):
            is_inside = (inside["theme"] == theme).to_numpy()
            members = inside[is_inside]
            order = members.sort_values(["confidence", "clip_id"], ascending=[False, True])
            best = order.head(N_TRACKS).join(described[["title", "predicted"]], on="clip_id")
            tracks = [
                {"clip_id": clip, "title": title, "probability": round(float(p), 4), "tags": tags[:SHOWN]}
                for clip, title, p, tags in best[["clip_id", "title", "confidence", "predicted"]].to_numpy()
            ]
            tested = known.assign(inside=is_inside)
            card = {
                "theme": theme,
                "emotion": emotion,
                "size": len(members),
                "share": len(members) / max(1, len(inside)),
                "tracks": tracks,
                **compare_measures(measures.reindex(inside["clip_id"]), known["group"], is_inside),
                "tags": over_represented(tested),
                "predicted_tags": over_represented(tested.assign(tags=tested["predicted"])),
                "words": characteristic_words(topics.word_probabilities, index, word_names),
                "note": topics.note,
            }
            card["title"] = _title(card, topics.n_topics, taken)
            taken.add(card["title"])
            alone = topics.n_topics == 1
            card["name"] = card["title"] if alone else f"{emotion}: {card['title']}"
            cards.append(card)
    names = {card["theme"]: card["name"] for card in cards}
    highlights = _highlights(cards, clips, attention)
    for card in cards:
        best = card["tracks"][:N_EXEMPLARS]
        shown = [{key: track[key] for key in ("clip_id", "title", "probability")} for track in best]
        card["exemplars"] = [{**track, **highlights[track["clip_id"]]} for track in shown]
        near = nearest_themes(model, card["theme"], N_NEIGHBOURS)
        card["neighbours"] = [{"name": names[one["theme"]], **one} for one in near]
    return cards


def _describe_clips(clips: pd.DataFrame, predicted: pd.Series | None) -> pd.DataFrame:
    """Return `tags`, `predicted` (lists), `group` and `title` of clips, by `clip_id`."""
    known = clips.reindex(columns=["clip_id", "tags", "group", "title"]).set_index("clip_id")
    ids = known.index.to_series().astype(str)
    told = pd.Series(dtype=object) if predicted is None else predicted
    return known.assign(
        tags=known["tags"].map(as_tags),
        predicted=told.reindex(known.index).map(as_tags),
        group=known["group"].fillna(ids).astype(str),  # a clip without a group is one of its own
        title=known["title"].fillna(ids.str.split("/", n=1).str[-1]).astype(str),
    )


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


def _highlights(
    cards: Sequence[Mapping[str, Any]], clips: pd.DataFrame, attention: pd.DataFrame | None
) -> dict[str, dict[str, float]]:
    """Say where to listen to the exemplars, by clip."""
    shown = {track["clip_id"] for card in cards for track in card["tracks"][:N_EXEMPLARS]}
    clips = clips[clips["clip_id"].isin(shown)]
    steps = attention if attention is not None else pd.DataFrame(columns=["clip_id", "times", "weights"])
    durations = clips.get("duration_s", HIGHLIGHT_S)
    cut = cut_highlights(clips.assign(duration_s=durations), steps, HIGHLIGHT_S).set_index("clip_id")
    ends = cut[["highlight_start_s", "highlight_end_s"]].astype(float).round(2)
    return {
        str(clip): {str(name): float(end) for name, end in row.items()}
        for clip, row in ends.to_dict(orient="index").items()
    }


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


def compare_measures(measured: pd.DataFrame, groups: pd.Series, inside: np.ndarray) -> dict[str, Any]:
    """Compare the measures of a theme with those of the rest of its emotion.

    A group counts once inside the theme and once outside, with the mean of its clips there: takes of one song
    are no evidence of each other. The difference is Hedges' g, the difference of means in deviations,
    corrected for few observations (Hedges, 1981). It has a word where it is at least 0.5, so that two thirds
    of the theme lie beyond the middle of the rest (69 % where both are normal), and at least two standard
    errors, as a theme of four songs differs by 0.5 in most measures by chance.

    Parameters
    ----------
    measured
        Measures of the clips of the emotion, a row a clip.
    groups, inside
        Group of each row, and whether its clip is of the theme.

    Returns
    -------
    dict
        `differences`, `terms` and `profile` of a card; a measure that no clip of the theme has is missing.
    """
    units = measured.groupby([np.asarray(groups), inside]).mean()
    is_inside = units.index.get_level_values(1).to_numpy(dtype=bool)
    means, mine = measured.mean(), measured[inside].mean().dropna()
    differences, terms, profile = {}, {}, {}
    for name in map(str, mine.index):
        here, there = (units.loc[side, name].dropna().to_numpy(float) for side in (is_inside, ~is_inside))
        difference, error = hedges_g(here, there)
        differences[name] = round(difference, 3)
        if abs(difference) >= max(MIN_DIFFERENCE, N_ERRORS * error):
            terms[name] = TERMS[name][0 if difference > 0 else 1]
        profile[name] = {"theme": round(float(mine[name]), 3), "emotion": round(float(means[name]), 3)}
    return {"differences": differences, "terms": terms, "profile": profile}


def hedges_g(here: np.ndarray, there: np.ndarray) -> tuple[float, float]:
    """Return the standardised difference of two samples, [n] and [m], and its standard error.

    Hedges, "Distribution theory for Glass's estimator of effect size", 1981: zero, with an endless error,
    where one side is empty or nothing varies.
    """
    n, m = len(here), len(there)
    if min(n, m) == 0 or n + m < 3:  # noqa: PLR2004
        return 0.0, np.inf
    squares = ((here - here.mean()) ** 2).sum() + ((there - there.mean()) ** 2).sum()
    spread = np.sqrt(squares / (n + m - 2)) or np.concatenate([here, there]).std()
    if spread == 0:
        return 0.0, np.inf
    g = float((here.mean() - there.mean()) / spread * (1 - 3 / (4 * (n + m) - 9)))
    return g, float(np.sqrt((n + m) / (n * m) + g**2 / (2 * (n + m))))


def _title(card: dict[str, Any], n_themes: int, taken: set[str]) -> str:
    """Name a theme inside its emotion: by tags, then by what it differs in, else by its first track.

    A title that is taken grows by further tags and differences, then by its first track.
    """
    if n_themes == 1:
        return f"all {card['emotion']}"
    if card["size"] == 0:
        return next(name for name in _numbered("no clips", taken))
    tags = [one["tag"] for one in card["predicted_tags"]]
    ranked = sorted(card["terms"], key=lambda name: (-abs(card["differences"][name]), name))
    first = f"like “{card['tracks'][0]['title']}”"
    if not tags and not ranked:
        tags = [one["tag"] for one in card["tags"]]
    titles = []
    for more in range(max(len(tags) - NAME_TAGS, len(ranked) - NAME_TERMS, 0) + 1):
        chosen = ranked[: NAME_TERMS + more]
        adjectives = [card["terms"][name] for name in TERMS if name in chosen]
        parts = [" · ".join(names) for names in (tags[: NAME_TAGS + more], adjectives) if names]
        titles.append(", ".join(parts) or first)
    titles.append(titles[0] if titles[0] == first else f"{titles[0]}, {first}")
    return next(name for name in chain(titles, _numbered(titles[-1], taken)) if name not in taken)


def _numbered(title: str, taken: set[str]) -> Iterator[str]:
    """Yield a title, then the same with numbers behind it, where it is not taken."""
    names = chain([title], (f"{title} ({number})" for number in range(2, len(taken) + 3)))
    return (name for name in names if name not in taken)


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
