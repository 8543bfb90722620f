"""The themes as one HTML page that needs nothing but itself: cards, players, plots."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from affetto.page_template import page_template
from affetto.themes.musical import TERMS, UNITS
from affetto.themes.page_figures import mixture_map, word_heat_map

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from affetto.themes.model import ThemeModel

_LARGEST_DIFFERENCE = 2.0


def render_page(
    cards: Sequence[Mapping[str, Any]],
    model: ThemeModel,
    themes: pd.DataFrame,
    word_names: Sequence[str],
    choices: Mapping[str, Figure],
    audio: Mapping[str, bytes],
    failed: Mapping[str, str],
    *,
    corpus: str,
    changes: Sequence[str],
    players: int,
    word_players: int,
) -> str:
    """Write the page.

    Parameters
    ----------
    cards
        Theme cards (see `cards.build_cards`).
    model, themes
        For the plots: topics, and the mixture of each clip.
    word_names
        Names of the audio words.
    choices
        `<emotion>.png` → how its number of topics was chosen.
    audio, failed
        MP3 by name, and clips that cannot be heard with the reason (see `listening.listening_material`).
    corpus
        Where the music is from.
    changes
        What became of the themes of the training before, in sentences.
    players, word_players
        Exemplars, and words of a theme that have a player.

    Returns
    -------
    str
        HTML without scripts and without anything loaded from elsewhere; what comes from files is escaped.
    """
    sounds = {name: _data_uri(content, "audio/mpeg") for name, content in audio.items()}
    emotions = [
        {
            "name": emotion,
            "note": model.emotions[emotion].note,
            "cards": [
                _card(card, sounds, failed, players, word_players)
                for card in cards
                if card["emotion"] == emotion
            ],
            "map": _image(mixture_map(model, themes, emotion)),
            "choice": _image(choices.get(f"{emotion}.png")),
        }
        for emotion in model.emotions
    ]
    return page_template("affetto.themes", "page.html.j2").render(
        corpus=corpus,
        changes=changes,
        emotions=emotions,
        n_themes=len(cards),
        n_clips=sum(int(card["size"]) for card in cards),
        heat_map=_image(word_heat_map(model, word_names, cards)),
    )


def _card(
    card: Mapping[str, Any],
    sounds: Mapping[str, str],
    failed: Mapping[str, str],
    players: int,
    word_players: int,
) -> dict[str, Any]:
    exemplars = [
        {
            **exemplar,
            "seconds": f"{exemplar['highlight_start_s']:.0f}–{exemplar['highlight_end_s']:.0f} s",
            "sound": sounds.get(f"exemplars/{exemplar['clip_id']}"),
            "failed": failed.get(exemplar["clip_id"]) if place < players else None,
        }
        for place, exemplar in enumerate(card["exemplars"])
    ]
    words = [
        {**word, "sound": sounds.get(f"words/{word['word']}") if place < word_players else None}
        for place, word in enumerate(card["words"])
    ]
    return {
        **card,
        "anchor": str(card["theme"]).replace("/", "-"),
        "percent": f"{100 * card['share']:.0f} %",
        "exemplars": exemplars,
        "words": words,
        "profile": _profile(card),
        "neighbours": [{**one, "anchor": str(one["theme"]).replace("/", "-")} for one in card["neighbours"]],
    }


def _profile(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lay out the bars: how far each measure lies from the emotion's mean, in deviations."""
    rows = []
    for name, difference in card["differences"].items():
        above, below = TERMS.get(name, ("more", "less"))
        unit = UNITS.get(name, "")
        means = card["profile"][name]
        width = 50 * min(1.0, abs(difference) / _LARGEST_DIFFERENCE)
        rows.append(
            {
                "name": name,
                "term": above if difference > 0 else below,
                "difference": f"{round(difference, 1) + 0.0:+.1f}".replace("-", "−"),  # no negative zero
                "left": f"{50 - width if difference < 0 else 50:.1f}",
                "width": f"{width:.1f}",
                "means": f"{means['theme']:.3g} {unit} (emotion: {means['emotion']:.3g})".replace("  ", " "),
            }
        )
    return rows


def _image(figure: Figure | None) -> str | None:
    if figure is None:
        return None
    image = io.BytesIO()
    figure.savefig(image, format="svg")
    return _data_uri(image.getvalue(), "image/svg+xml")


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
