"""Figures of how many topics an emotion has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from affetto.evaluation.figures import INK, PALETTE, grid, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEASURES = {
    "held-out perplexity": {"perplexity": ""},
    "coherence (NPMI)": {"coherence_npmi": ""},
    "stability (ARI)": {"stability_ari": "over seeds", "bootstrap_ari": "over resampled groups"},
}


def selection_figures(selection: pd.DataFrame, *, min_stability: float) -> dict[str, Figure]:
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


def _selection_figure(emotion: str, rows: pd.DataFrame, min_stability: float) -> Figure:
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
