"""Figures of themes, as plotly figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affetto.themes.bags import AudioWords, weigh
from affetto.themes.model import ThemeModel
from affetto.themes.parameters import BagParameters

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MAP_CLIPS = 5000
HEAT_WORDS = 15
MEASURES = {
    "perplexity": "held-out perplexity",
    "coherence_npmi": "coherence (NPMI)",
    "stability_ari": "stability (ARI)",
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


def selection_figure(selection: pd.DataFrame) -> Figure:
    """Draw what each number of topics scores, a column an emotion; the chosen number is ringed."""
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    emotions = sorted(set(selection["emotion"])) or ["no emotion"]
    figure = make_subplots(
        rows=len(MEASURES),
        cols=len(emotions),
        shared_xaxes=True,
        column_titles=emotions,
        vertical_spacing=0.06,
    )
    for column, emotion in enumerate(emotions, start=1):
        rows = selection[selection["emotion"] == emotion]
        for row, (name, title) in enumerate(MEASURES.items(), start=1):
            sizes = [13 if chosen else 7 for chosen in rows["chosen"]]
            symbols = ["circle-open-dot" if chosen else "circle" for chosen in rows["chosen"]]
            trace = Scatter(
                x=rows["n_topics"].tolist(),
                y=rows[name].astype(float).tolist(),
                mode="lines+markers",
                marker={"size": sizes, "symbol": symbols},
                name=title,
                showlegend=False,
            )
            figure.add_trace(trace, row=row, col=column)
            if column == 1:
                figure.update_yaxes(title_text=title, row=row, col=1)
        figure.update_xaxes(title_text="topics", row=len(MEASURES), col=column)
    return figure.update_layout(title="Number of topics of every emotion", height=700)


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
