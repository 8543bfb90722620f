"""How good playlists are: held-out voices, answered from held-out tracks, beside simpler recommenders.

Every voice is heard by a model that has not met its speaker, and every track is described by a model that was
not trained on it. A voice wants what the bridge says of its true emotion, and a track is relevant to the
degree to which its own true emotion is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from affetto.evaluation.comparison import proposed_model, verdict
from affetto.evaluation.metrics import Array
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.uncertainty import (
    holm,
    scores_without_groups,
    share_interval,
    signed_interval,
    swap_counts,
)
from affetto.experiments.cross_validate import calibrated
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.ranking import LibraryIndex, index_library, rank_tracks, theme_weights
from affetto.recommendation.recommender import bridge_matrix
from affetto.recommendation.voice import PROBABILITY, emotions_of
from affetto.themes.model import MIXTURE_COLUMNS

LENGTH = 10
MEASURES = ("ndcg_at_10", "hit_at_1", "hit_at_3", "theme_coverage", "diversity", "calibration")
"""See `measure_lists`; all lie between 0 and 1, the best."""
_PREFIXES = {measure: f"{measure}_" for measure in MEASURES} | {"ndcg_at_10": ""}
"""Measure → how the columns of its tests begin: those of the nDCG are named as those of the UAR are."""
_TESTS = ("difference", "difference_ci_low", "difference_ci_high", "p_permutation", "p_permutation_holm")
PLAYLIST_COLUMNS = (
    *("bridge", "model", "role", "voice_model", "music_model", "n_clips", "n_groups", "n_tracks"),
    *(f"{measure}{end}" for measure in MEASURES for end in ("", "_ci_low", "_ci_high")),
    *(f"{prefix}{test}" for prefix in _PREFIXES.values() for test in _TESTS),
    "verdict",
)
PROPOSED = "affetto"
_ROLES = {PROPOSED: "proposed", "emotion_only": "ablation", "baselines": "baseline", "random": "baseline"}
_RANDOM_LISTS = 200  # the mean over them is known to 0.01
_PARTS = 10
_SOON = 3
_HALF = 0.5
_ROUNDED = 1e-9  # ranking rounds its scores


class System(NamedTuple):
    """A recommender that is measured.

    Attributes
    ----------
    voice_model, music_model
        Names of its emotion models; "" where it asks none.
    voices
        Out-of-fold predictions of the voice model, calibrated.
    library
        The tracks, as its music model and perhaps themes describe them.
    diversity
        As in `RecommendParameters`; None: the tracks are shuffled.
    """

    voice_model: str
    music_model: str
    voices: pd.DataFrame
    library: LibraryIndex
    diversity: float | None


def compare_playlists(
    library: Mapping[str, Any],
    clips: pd.DataFrame,
    music: Mapping[str, Any],
    voice: Mapping[str, Any],
    taxonomy: Mapping[str, Any],
    parameters: RecommendParameters,
    evaluation: EvaluationParameters,
) -> pd.DataFrame:
    """Measure the playlists of the proposed recommender and of simpler ones, for every bridge.

    `emotion_only` leaves out themes and diversity; `baselines` does so with the baselines of the greatest UAR
    in the place of both models; `random` shuffles the tracks.

    Parameters
    ----------
    library
        `tracks` and `mixtures` of the labelled music.
    clips
        Clip table of that music: its true `emotion` and, where it is known, `theme`.
    music, voice
        Of the emotion models of both sides: their `comparison`, and the out-of-fold `predictions` of all.
    taxonomy
        `emotions.music` and `bridges` are read.
    parameters
        The chosen bridge and those of the user, `pool` and `diversity`; playlists are of 10 tracks.
    evaluation
        How intervals and tests are made.

    Returns
    -------
    pandas.DataFrame
        `PLAYLIST_COLUMNS`: a row a bridge, the chosen one first, and recommender, in the column `model` as in
        other comparisons. Differences are proposed - this; those of the nDCG have no name in front.
        Intervals are over the groups of the voices and over those of the tracks, a tenth of which is left out
        at a time. Tests swap groups of voices, for these tracks; Holm corrects each measure over all rows.
        `verdict` is on the nDCG, as in `compare`; a model is `better` or `worse` only where the interval says
        so too: models of chance differ on any one set of tracks, whoever speaks. Empty where a side has no
        proposed model, or no track is labelled.
    """
    tracks = _labelled_tracks(library["tracks"], clips, music["predictions"])
    systems = _systems(tracks, library["mixtures"], music, voice, parameters.diversity)
    if not systems:
        return pd.DataFrame(columns=list(PLAYLIST_COLUMNS))
    truth = true_library(tracks, library["mixtures"])
    classes, emotions = emotions_of(systems[PROPOSED].voices), taxonomy["emotions"]["music"]
    bridges = {**taxonomy["bridges"], **parameters.bridges}
    names = list(dict.fromkeys([parameters.bridge, *taxonomy["bridges"]]))
    n_tests, rows = len(names) * (len(systems) - 1), []
    fewer = _without_parts(tracks["group"])
    for name in names:
        matrix = bridge_matrix(bridges, name, classes, emotions)
        bridge = pd.DataFrame(matrix, index=list(classes), columns=emotions)[list(truth.emotions)]
        found, without = {}, {}
        for model, system in systems.items():
            found[model] = _measure_system(system, bridge, truth, parameters)
            means = [found[model].mean()]
            for left in fewer:
                known = system._replace(library=system.library.take(left))
                means.append(_measure_system(known, bridge, truth.take(left), parameters).mean())
            without[model] = pd.DataFrame(means)
        for row in _rows(found, without, evaluation, n_tests):
            asked, told = systems[row["model"]], {"bridge": name, "n_tracks": len(tracks)}
            rows.append({**told, "voice_model": asked.voice_model, "music_model": asked.music_model, **row})
    table = pd.DataFrame(rows).reindex(columns=list(PLAYLIST_COLUMNS))
    for test in (f"{prefix}p_permutation" for prefix in _PREFIXES.values()):
        table[f"{test}_holm"] = holm(table[test].to_numpy(dtype="float64"))
    table["verdict"] = [_verdict(row, evaluation.alpha) for _, row in table.iterrows()]
    return table


def _verdict(row: pd.Series[Any], alpha: float) -> str | None:
    """Say what the test of the voices shows, where the interval, which is over tracks as well, agrees."""
    told, low, high = verdict(row, alpha), row["difference_ci_low"], row["difference_ci_high"]
    agreed = {"better": low > 0, "worse": high < 0}.get(str(told), True)
    return told if agreed else "undecided"


def _labelled_tracks(tracks: pd.DataFrame, clips: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the tracks that every model has predicted, with the emotion and theme of their labels."""
    known = clips[clips["emotion"].notna() & clips["clip_id"].isin(predictions["clip_id"])]
    described = tracks.drop(columns=["emotion", "theme"])
    labelled = described.merge(known[["clip_id", "emotion", "theme", "group"]], on="clip_id")
    return labelled.sort_values("clip_id", ignore_index=True)


def _without_parts(groups: pd.Series[str]) -> list[np.ndarray]:
    """Return the rows of the tracks that are left without each tenth of the groups."""
    part = pd.factorize(groups, sort=True)[0] % _PARTS
    return [np.flatnonzero(part != each) for each in np.unique(part)]


def _systems(
    tracks: pd.DataFrame,
    mixtures: pd.DataFrame,
    music: Mapping[str, Any],
    voice: Mapping[str, Any],
    diversity: float,
) -> dict[str, System]:
    """Build every recommender; none without a proposed model of both sides, or without tracks."""
    chosen = {}
    for side, results in {"music": music, "voice": voice}.items():
        models = results["comparison"]
        roles = zip(models["model"].astype(str), models["role"].astype(str), strict=True)
        proposed = proposed_model(dict(roles))
        baselines = models[models["role"] == "baseline"].sort_values("uar", ascending=False)
        chosen[side] = proposed, next(iter(baselines["model"]), None)
    (music_model, music_baseline), (voice_model, voice_baseline) = chosen["music"], chosen["voice"]
    if music_model is None or voice_model is None or tracks.empty:
        return {}
    voices, no_themes = _told(voice, voice_model), mixtures.iloc[:0]
    plain = index_library(tracks, no_themes)
    names = voice_model, music_model
    systems = {
        PROPOSED: System(*names, voices, index_library(tracks, mixtures), diversity),
        "emotion_only": System(*names, voices, plain, 0.0),
    }
    if music_baseline is not None and voice_baseline is not None:
        described = tracks.copy()
        columns = [f"{PROBABILITY}{emotion}" for emotion in emotions_of(tracks)]
        means = _told(music, music_baseline).groupby("clip_id")[columns].mean()
        described[columns] = means.loc[tracks["clip_id"]].to_numpy()
        others = index_library(described, no_themes)
        asked = _told(voice, voice_baseline)
        systems["baselines"] = System(voice_baseline, music_baseline, asked, others, 0.0)
    return {**systems, "random": System("", "", voices, plain, None)}


def _told(results: Mapping[str, Any], model: str) -> pd.DataFrame:
    """Return the calibrated out-of-fold predictions of a model."""
    predictions = results["predictions"]
    return calibrated(predictions[predictions["model"] == model].dropna(axis=1, how="all"))


def true_library(tracks: pd.DataFrame, mixtures: pd.DataFrame) -> LibraryIndex:
    """Describe tracks by their labels, as a model without errors would.

    Parameters
    ----------
    tracks
        Table with the true `emotion`, the columns `p_<emotion>` of all emotions, and `theme`: labels, all
        missing where there are none.
    mixtures
        The themes that were found; they are taken where there are no labels.
    """
    themes = mixtures
    if tracks["theme"].notna().any():
        themes = tracks[["clip_id", "emotion", "theme"]].dropna().assign(probability=1.0)
    sure = {f"{PROBABILITY}{name}": tracks["emotion"] == name for name in emotions_of(tracks)}
    return index_library(tracks.assign(**sure), themes[list(MIXTURE_COLUMNS)])


def _measure_system(
    system: System, bridge: pd.DataFrame, truth: LibraryIndex, parameters: RecommendParameters
) -> pd.DataFrame:
    """Measure the playlist of every voice, mean over seeds: `MEASURES` by group and clip.

    Voices whose emotion is answered by none that the tracks have are left out.
    """
    weights = bridge.to_numpy()
    answered = bridge[(weights @ truth.probabilities.T).any(axis=1)]
    voices = system.voices[system.voices["label"].isin(answered.index)]
    wanted = answered.to_numpy()
    if voices.empty:
        nothing = pd.MultiIndex.from_arrays([[], []], names=["group", "clip_id"])
        return pd.DataFrame(columns=list(MEASURES), index=nothing, dtype=np.float64)
    place = answered.index.get_indexer(pd.Index(voices["label"]))
    changed = {"top": LENGTH, "diversity": system.diversity or 0.0}
    chosen = parameters.model_copy(update=changed)
    if system.diversity is None:
        drawn = np.repeat(_shuffled(truth, chosen), len(wanted), axis=0)
        every = measure_lists(drawn, np.tile(wanted, (_RANDOM_LISTS, 1)), truth)
        values = every.reshape(_RANDOM_LISTS, len(wanted), -1).mean(axis=0)[place]
    else:
        told = voices[[f"{PROBABILITY}{name}" for name in bridge.index]].to_numpy(dtype=np.float64)
        lists = playlists(system.library, told @ weights, chosen)
        values = measure_lists(lists, wanted[place], truth)
    table = pd.DataFrame(values, columns=list(MEASURES), index=voices.index)
    return table.groupby([voices["group"], voices["clip_id"]]).mean()


def playlists(index: LibraryIndex, wanted: Array, parameters: RecommendParameters) -> np.ndarray:
    """Rank the tracks for each voice by `rank_tracks`, int64 [n_voices, n_listed], rows of the library.

    `wanted` are the music emotions that each of them is answered by, [n_voices, n_emotions].
    """
    weights = theme_weights(index)
    return np.stack([rank_tracks(index, row, parameters, weights).tracks for row in wanted])


def _shuffled(index: LibraryIndex, parameters: RecommendParameters) -> np.ndarray:
    """Draw random playlists with a recording once in each, [n_drawn, n_listed]."""
    rng, one = np.random.default_rng(0), np.ones(1)
    drawn = []
    for _ in range(_RANDOM_LISTS):
        noise = rng.random((len(index.mixtures), 1))
        shuffled = replace(index, emotion_of_pair=np.zeros(1, dtype=np.int64), mixtures=noise)
        drawn.append(rank_tracks(shuffled, one, parameters, one).tracks)
    return np.stack(drawn)


def measure_lists(lists: np.ndarray, wanted: Array, truth: LibraryIndex) -> Array:
    """Measure playlists by what their tracks are and what was wanted.

    Parameters
    ----------
    lists
        int64 [n_lists, n_listed], rows of the library, first to last.
    wanted
        float [n_lists, n_emotions]: P(emotion wanted), in the order of `truth.emotions`.
    truth
        The library of `true_library`.

    Returns
    -------
    numpy.ndarray
        float64 [n_lists, 6], in the order of `MEASURES`:

        - nDCG: the sum of the shares in which the emotions of the tracks are wanted, each divided by the
          base-2 logarithm of its place + 1, relative to the best order (Järvelin & Kekäläinen, ACM TOIS
          20(4), 2002).
        - Hit at 1, at 3: whether the first track, or one of the first three, has the emotion wanted most.
        - Theme coverage: the shares of the themes inside each emotion that are the main theme of a track,
          weighted by how much the emotion is wanted, relative to the most that so few tracks could cover.
        - Diversity: 1 - mean cosine of the themes of two tracks (Ziegler et al., WWW 2005).
        - Calibration: 1 - Jensen-Shannon divergence, in bits, of the emotions wanted and those of the list
          (Steck, RecSys 2018).
    """
    from scipy.spatial.distance import jensenshannon

    n_listed = lists.shape[1]
    gains = np.einsum("le,lte->lt", wanted, truth.probabilities[lists])
    discounts = 1.0 / np.log2(np.arange(n_listed) + 2)
    best = _best_gains(wanted, truth, n_listed)
    hits = gains > best[:, :1] - _ROUNDED
    n_themes = truth.sum_by_emotion(np.ones(len(truth.pairs)))
    shares = (wanted / wanted.sum(axis=1, keepdims=True))[:, truth.emotion_of_pair] / n_themes
    themes = truth.mixtures[lists]
    covered = np.where((themes > _HALF).any(axis=1), shares, 0.0).sum(axis=1)
    most = np.sort(shares, axis=1)[:, -n_listed:].sum(axis=1)
    lengths = np.linalg.norm(themes, axis=2, keepdims=True)
    together = np.square((themes / lengths).sum(axis=1)).sum(
        axis=1
    )  # cosines of all pairs, and of each alone
    alike = (together - n_listed) / max(n_listed * (n_listed - 1), 1)
    emotions = truth.probabilities[lists].mean(axis=1)
    apart = jensenshannon(wanted, emotions, base=2, axis=1) ** 2
    columns = [(gains @ discounts) / (best @ discounts), hits[:, 0], hits[:, :_SOON].any(axis=1)]
    return np.column_stack([*columns, covered / most, 1.0 - alike, 1.0 - apart])


def _best_gains(wanted: Array, truth: LibraryIndex, n_listed: int) -> Array:
    """Return how much the tracks of the best list are wanted, first to last, [n_lists, n_listed]."""
    rows, place = np.unique(wanted, axis=0, return_inverse=True)
    asked = RecommendParameters(voice="", top=n_listed, diversity=0.0)
    alike = np.ones(len(truth.pairs))
    return np.stack([rank_tracks(truth, row, asked, alike).scores for row in rows])[place.ravel()]


def _rows(
    found: Mapping[str, pd.DataFrame],
    without: Mapping[str, pd.DataFrame],
    evaluation: EvaluationParameters,
    n_tests: int,
) -> list[dict[str, Any]]:
    """Make a row a system: its measures and intervals, and how the proposed one compares with it.

    `without` are the means with all tracks, and without each part of them, [1 + n_parts, n_measures].
    """
    rows, confidence = [], evaluation.confidence
    drawn = {"n_permutations": evaluation.n_permutations, "seed": evaluation.seed}
    for system, values in found.items():
        n_groups = values.index.get_level_values("group").nunique()
        row = {"model": system, "role": _ROLES[system], "n_clips": len(values), "n_groups": n_groups}
        for measure in MEASURES:
            ours, theirs = _sums(found[PROPOSED][measure]), _sums(values[measure])
            scores = scores_without_groups(theirs, _mean)
            fewer = without[system][measure].to_numpy()
            low, high = share_interval(scores, fewer, n_clips=len(values), confidence=confidence)
            row |= {measure: scores[0], f"{measure}_ci_low": low, f"{measure}_ci_high": high}
            if system == PROPOSED:
                continue
            differences = scores_without_groups(ours, _mean) - scores
            fewer = without[PROPOSED][measure].to_numpy() - fewer
            low, high = signed_interval(differences, fewer, n_clips=len(values), confidence=confidence)
            p = swap_counts(ours, theirs, _mean, n_tests=n_tests, alpha=evaluation.alpha, **drawn)
            tested = zip(_TESTS, (differences[0], low, high, p), strict=False)
            row |= {f"{_PREFIXES[measure]}{name}": value for name, value in tested}
        rows.append(row)
    return rows


def _sums(values: pd.Series[float]) -> Array:
    """Return what each group adds to a mean over clips: a sum and a number, [n_groups, 1 seed, 2]."""
    sums = values.groupby(level="group").agg(["sum", "count"]).to_numpy(dtype=np.float64)
    return sums[:, np.newaxis]


def _mean(sums: Array) -> Array:
    total, number = sums[..., 0], sums[..., 1]
    return np.asarray(np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0))
