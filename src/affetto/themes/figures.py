"""Figures of themes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affetto.evaluation.palette import INK, PALETTE, grid, tidy
from affetto.themes.bags import AudioWords, weigh
from affetto.themes.model import ThemeModel
from affetto.themes.parameters import BagParameters

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure
    from plotly.graph_objects import Figure

MAP_CLIPS = 5000
HEAT_WORDS = 15
MEASURES = {
    "held-out perplexity": {"perplexity": ""},
    "coherence (NPMI)": {"coherence_npmi": ""},
    "stability (ARI)": {"stability_ari": "over seeds", "bootstrap_ari": "over resampled groups"},
}


def theme_map(
    words: AudioWords, themes: pd.DataFrame, cards: Sequence[dict[str, Any]], *, seed: int = 0
) -> Figure:
    """Draw clips by the first two principal components of their bags of audio words, coloured by theme.

    At most 5,000 clips, drawn at random, are shown.
    """
    import plotly.express as px
    from sklearn.decomposition import PCA

    shown = themes.sort_values("theme", kind="stable")
    if len(shown) > MAP_CLIPS:
        shown = shown.sample(MAP_CLIPS, random_state=seed).sort_values("theme", kind="stable")
    names = {card["theme"]: f"{card['theme']} {card['name']}" for card in cards}
    bags = weigh(words.select(list(shown["clip_id"])), BagParameters())
    n_components = min(2, *bags.shape) if bags.size else 0
    points = np.zeros((len(bags), 2))
    if n_components:
        points[:, :n_components] = PCA(n_components, svd_solver="full").fit_transform(bags)
    table = pd.DataFrame(
        {
            "component 1": points[:, 0],
            "component 2": points[:, 1],
            "theme": [names.get(theme, theme) for theme in shown["theme"]],
            "emotion": shown["emotion"].to_numpy(),
            "clip": shown["clip_id"].to_numpy(),
        }
    )
    return px.scatter(
        table,
        x="component 1",
        y="component 2",
        color="theme",
        symbol="emotion",
        hover_name="clip",
        title="Theme map: bags of audio words, two principal components",
    )


def selection_figures(selection: pd.DataFrame, *, min_stability: float) -> dict[str, MatplotlibFigure]:
    """Draw what each number of topics scores, a figure an emotion.

    Parameters
    ----------
    selection
        Candidates of all emotions (see `affetto.themes.selection`).
    min_stability
        Drawn as a line: candidates below it are not taken.

    Returns
    -------
    dict
        `<emotion>.png` → figure; the chosen number is ringed in every panel.
    """
    return {
        f"{emotion}.png": _selection_figure(str(emotion), rows, min_stability)
        for emotion, rows in selection.groupby("emotion")
    }


def _selection_figure(emotion: str, rows: pd.DataFrame, min_stability: float) -> MatplotlibFigure:
    figure, panels = grid(len(MEASURES), columns=len(MEASURES), width=2.6, height=2.4)
    chosen = rows["chosen"].astype(bool)
    for axes, (title, measures) in zip(panels, MEASURES.items(), strict=True):
        for colour, (name, label) in zip(PALETTE, measures.items(), strict=False):
            values = rows[name].astype(float)
            axes.plot(rows["n_topics"], values, "o-", color=colour, markersize=4, label=label)
            ringed = rows.loc[chosen, ["n_topics", name]].astype(float)
            axes.plot(*ringed.to_numpy().T, "o", color=colour, markersize=10, fillstyle="none")
        tidy(axes, lines="y")
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("topics", fontsize=8)
        axes.set_xticks(sorted(set(rows["n_topics"])))
        if len(measures) > 1:
            axes.axhline(min_stability, color=INK, linewidth=0.7, linestyle=":")
            axes.legend(fontsize=7, frameon=False)
    number = ", ".join(str(n) for n in rows.loc[chosen, "n_topics"])
    figure.suptitle(f"{emotion}: number of topics, {number} chosen", fontsize=10)
    return figure


def topic_word_figure(
    model: ThemeModel, word_names: Sequence[str], cards: Sequence[dict[str, Any]]
) -> Figure:
    """Draw P(word | theme) over the mean of the emotion's themes, in bits, of the most telling words."""
    from plotly.graph_objects import Figure as PlotlyFigure
    from plotly.graph_objects import Heatmap

    rows, labels = [], []
    names = {card["theme"]: card["name"] for card in cards}
    for emotion, topics in model.emotions.items():
        p = topics.word_probabilities
        rows.append(np.log2(p / p.mean(axis=0)))
        labels += [f"{theme} {names.get(theme, '')}".strip() for theme in model.themes_of(emotion)]
    lift = np.concatenate(rows) if rows else np.zeros((0, len(word_names)))
    telling = {int(index) for row in lift for index in np.argsort(-row, kind="stable")[:HEAT_WORDS]}
    columns = sorted(telling)
    heat = Heatmap(
        z=lift[:, columns].round(3).tolist(),
        x=[word_names[index] for index in columns],
        y=labels,
        colorscale="RdBu",
        zmid=0,
        colorbar={"title": "lift (bits)"},
    )
    return PlotlyFigure(heat).update_layout(
        title="Audio words that tell themes apart", yaxis={"autorange": "reversed"}
    )
