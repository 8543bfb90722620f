"""The themes as one HTML page that needs nothing but itself: cards, players, plots."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affetto.evaluation.figures import INK, PALETTE, canvas, grid, tidy
from affetto.io.pages import page_template
from affetto.themes.cards import MIN_DIFFERENCE, TERMS
from affetto.themes.excerpts import PLAYERS, WORD_PLAYERS
from affetto.themes.tags import ORIGIN, join_tags

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from affetto.themes.model import ThemeModel

MEASURES = {
    "held-out perplexity": {"perplexity": ""},
    "coherence (NPMI)": {"coherence_npmi": ""},
    "stability (ARI)": {"stability_ari": "over seeds", "bootstrap_ari": "over resampled groups"},
}
MAP_CLIPS = 2_000
_LARGEST_DIFFERENCE = 2.0


def render_page(
    cards: Sequence[Mapping[str, Any]],
    model: ThemeModel,
    themes: pd.DataFrame,
    selection: pd.DataFrame,
    audio: Mapping[str, bytes],
    failed: Mapping[str, str],
    *,
    corpus: str,
    changes: Sequence[str],
    min_stability: float,
) -> str:
    """Write the page.

    Parameters
    ----------
    cards
        Theme cards (see `cards.build_cards`).
    model, themes
        For the plots: topics, and the mixture of each clip.
    selection
        How the numbers of topics were chosen (see `selection.select_topics`).
    audio, failed
        MP3 by name, and clips that cannot be heard with the reason (see `excerpts.cut_excerpts`).
    corpus
        Where the music is from.
    changes
        What became of the themes of the training before, in sentences.
    min_stability
        The stability that a number of topics needed.

    Returns
    -------
    str
        HTML without scripts and without anything loaded from elsewhere; what comes from files is escaped.
    """
    emotions = []
    for emotion, topics in model.emotions.items():
        candidates = selection[selection["emotion"] == emotion]
        choice = selection_figure(emotion, candidates, min_stability) if len(candidates) else None
        shown = {
            "cards": [card for card in cards if card["emotion"] == emotion],
            "map": _image(mixture_map(model, themes, emotion)),
            "choice": _image(choice),
        }
        emotions.append({"name": emotion, "note": topics.note, **shown})
    return page_template("affetto.themes", "page.html.j2").render(
        corpus=corpus,
        changes=changes,
        emotions=emotions,
        n_themes=len(cards),
        n_clips=sum(int(card["size"]) for card in cards),
        sounds={name: _data_uri(content, "audio/mpeg") for name, content in audio.items()},
        failed=failed,
        players=PLAYERS,
        word_players=WORD_PLAYERS,
        profile=_profile,
        join_tags=join_tags,
        origin=ORIGIN if any(track["tags"] for card in cards for track in card["tracks"]) else "",
    )


def _profile(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lay out the bars: how far each measure lies from the rest of the emotion, in deviations.

    Only a difference that is large enough has a number and a word.
    """
    rows = []
    for name, difference in card["differences"].items():
        unit, term = TERMS[name][2], card["terms"].get(name)
        alike = "much the same" if abs(difference) < MIN_DIFFERENCE else "may be chance"
        means = card["profile"][name]
        width = 50 * min(1.0, abs(difference) / _LARGEST_DIFFERENCE)
        rows.append(
            {
                "name": name,
                "said": f"{difference:+.1f} {term}".replace("-", "−") if term else alike,
                "left": f"{50 - width if difference < 0 else 50:.1f}",
                "width": f"{width:.1f}",
                "means": f"{means['theme']:.3g} {unit} (emotion: {means['emotion']:.3g})".replace("  ", " "),
            }
        )
    return rows


def selection_figure(emotion: str, rows: pd.DataFrame, min_stability: float) -> Figure:
    """Draw what each number of topics of an emotion scores; the chosen one is ringed in every panel.

    Candidates that are less stable than the line are not taken.
    """
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


def _image(figure: Figure | None) -> str | None:
    if figure is None:
        return None
    image = io.BytesIO()
    figure.savefig(image, format="svg")
    return _data_uri(image.getvalue(), "image/svg+xml")


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
