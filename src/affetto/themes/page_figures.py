"""Figures of the page of themes: a map of each emotion's clips, and the words that tell themes apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affetto.evaluation.figures import PALETTE, canvas, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from affetto.themes.model import ThemeModel

MAP_CLIPS = 2_000
HEAT_WORDS = 8
_SMALLEST_LIFT = 2.0


def mixture_map(model: ThemeModel, themes: pd.DataFrame, emotion: str) -> Figure | None:
    """Draw an emotion's clips by their topic mixture: the plane on which they differ most.

    Square roots of the mixtures (Hellinger distance), first two principal components; at most 2,000 clips.
    None where there is one theme or hardly a clip.
    """
    from sklearn.decomposition import PCA

    shown = themes[themes["emotion"] == emotion]
    if model.emotions[emotion].n_topics < 2 or len(shown) < 3:  # noqa: PLR2004
        return None
    shown = shown.sample(min(MAP_CLIPS, len(shown)), random_state=0)
    mixtures = np.sqrt(np.stack(shown["mixture"].map(np.asarray).to_list()).astype(float))
    points = PCA(2, svd_solver="full").fit_transform(mixtures)
    figure = canvas(4.6, 3.4)
    axes = figure.add_subplot()
    for place, theme in enumerate(model.themes_of(emotion)):
        rows = np.asarray(shown["theme"] == theme)
        colour = PALETTE[place % len(PALETTE)]
        x, y = points[rows].T
        axes.scatter(x, y, s=14, color=colour, alpha=0.75, linewidths=0, label=theme)
    tidy(axes)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def word_heat_map(
    model: ThemeModel, word_names: Sequence[str], cards: Sequence[Mapping[str, Any]]
) -> Figure | None:
    """Draw how much likelier than in its emotion's mean each theme's most telling words are, in bits."""
    if not cards:
        return None
    names = {card["theme"]: f"{card['theme']}  {card['name']}" for card in cards}
    rows, labels = [], []
    for emotion, topics in model.emotions.items():
        p = topics.word_probabilities
        rows.append(np.log2(p / p.mean(axis=0)))
        labels += [names[theme] for theme in model.themes_of(emotion)]
    lift = np.concatenate(rows)
    telling = {int(word) for row in lift for word in np.argsort(-row, kind="stable")[:HEAT_WORDS]}
    columns = sorted(telling)
    figure = canvas(min(16.0, 3.0 + 0.14 * len(columns)), 1.4 + 0.24 * len(labels))
    axes = figure.add_subplot()
    reach = max(_SMALLEST_LIFT, float(np.abs(lift[:, columns]).max()))
    image = axes.imshow(lift[:, columns], cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto")
    axes.set_yticks(range(len(labels)), labels, fontsize=7)
    axes.set_xticks(range(len(columns)), [word_names[word] for word in columns], fontsize=5, rotation=90)
    axes.tick_params(length=0)
    figure.colorbar(image, ax=axes, label="bits", fraction=0.02)
    return figure
