import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from affetto.themes.cards import build_cards, nearest_themes
from affetto.themes.model import ThemeModel
from affetto.themes.page import render_page
from affetto.themes.parameters import TopicParameters
from affetto.themes.topics import TopicModel

NASTY = '<script>alert("x")</script>'
WORDS = [f"timbre/{i}" for i in range(12)]


class Reader(HTMLParser):
    """Collects tags, and whatever an attribute points to."""

    def __init__(self):
        super().__init__()
        self.tags, self.targets = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.targets += [value for name, value in attributes if name in ("src", "href")]


@pytest.fixture(scope="module")
def made():
    """Two emotions, three themes, thirty clips; tags and titles that try to be markup."""
    rng = np.random.default_rng(0)
    calm = TopicModel(rng.gamma(1.0, 5.0, (2, 12)), np.full(2, 0.5))
    model = ThemeModel(
        {"calm": calm, "tense": TopicModel(np.ones((1, 12)), np.ones(1), "tense is one theme.")},
        TopicParameters(),
    )
    ids = [f"c/{i:02d}" for i in range(30)]
    emotion = ["calm"] * 20 + ["tense"] * 10
    mixture = [[0.9 - 0.01 * i, 0.1 + 0.01 * i] if i % 2 else [0.2, 0.8] for i in range(20)] + [[1.0]] * 10
    theme = [f"calm/{1 + int(np.argmax(m))}" for m in mixture[:20]] + ["tense/1"] * 10
    themes = pd.DataFrame(
        {
            "clip_id": ids,
            "emotion": emotion,
            "theme": theme,
            "confidence": [max(m) for m in mixture],
            "mixture": mixture,
        }
    )
    clips = pd.DataFrame(
        {
            "clip_id": ids,
            "title": [NASTY if i == 1 else f"Piece {i}" for i in range(30)],
            "tags": [[NASTY] if i % 2 else ["plain"] for i in range(30)],
            "duration_s": 30.0,
        }
    )
    measures = pd.DataFrame(
        {"pace": rng.normal(size=30) + np.arange(30) % 2, "mode": rng.normal(size=30)}, index=ids
    )
    attention = pd.DataFrame(
        {"clip_id": ids, "times": [np.arange(30.0)] * 30, "weights": [np.eye(30)[20]] * 30}
    )
    cards = build_cards(model, themes, clips, measures, WORDS, attention)
    selection = pd.DataFrame(
        {
            "emotion": "calm",
            "n_topics": [2, 3],
            "perplexity": [9.0, 8.0],
            "coherence_npmi": 0.1,
            "stability_ari": 0.9,
            "bootstrap_ari": 0.8,
            "chosen": [True, False],
        }
    )
    return model, themes, cards, selection


@pytest.fixture(scope="module")
def page(made):
    model, themes, cards, selection = made
    shown = [card["exemplars"][0]["clip_id"] for card in cards]
    audio = {f"exemplars/{clip_id}": b"mp3" for clip_id in shown[:-1]}
    audio |= {f"words/{word['word']}": b"mp3" for card in cards for word in card["words"][:1]}
    failed = {shown[-1]: f"{NASTY} is gone"}
    return render_page(
        cards,
        model,
        themes,
        WORDS,
        selection,
        audio,
        failed,
        corpus="toy & co",
        changes=[],
        min_stability=0.6,
    )


def test_cards_have_highlights_profiles_and_neighbours(made):
    for card in made[2]:
        for exemplar in card["exemplars"]:
            assert exemplar["highlight_start_s"] <= 20 <= exemplar["highlight_end_s"]
            assert exemplar["highlight_end_s"] - exemplar["highlight_start_s"] == pytest.approx(15)
        assert set(card["profile"]) == set(card["differences"])
        assert len(card["neighbours"]) == 2
        distances = [one["distance"] for one in card["neighbours"]]
        assert distances == sorted(distances)
        assert card["theme"] not in [one["theme"] for one in card["neighbours"]]
    same = ThemeModel(
        {"a": TopicModel(np.ones((2, 4)), np.ones(2)), "b": TopicModel(np.eye(2, 4) + 1e-12, np.ones(2))},
        TopicParameters(),
    )
    assert nearest_themes(same, "a/1", 1) == [{"theme": "a/2", "distance": 0.0}]
    assert nearest_themes(same, "b/1", 3)[-1] == {"theme": "b/2", "distance": 1.0}


def test_the_page_needs_nothing_but_itself(page):
    reader = Reader()
    reader.feed(page)
    assert "script" not in reader.tags
    assert all(target.startswith(("data:", "#")) for target in reader.targets)
    assert not re.search(r"https?://(?!www\.w3\.org)", re.sub(r"base64,[\w+/=]+", "", page))
    anchors = set(re.findall(r'id="([^"]+)"', page))
    assert {target[1:] for target in reader.targets if target.startswith("#")} <= anchors


def test_players_are_those_that_can_be_heard(page, made):
    cards = made[2]
    assert page.count('aria-label="Highlight of') == len(cards) - 1
    assert page.count('aria-label="Audio word') == sum(bool(card["words"]) for card in cards) > 0
    assert "cannot be heard: &lt;script&gt;" in page


def test_what_comes_from_files_is_escaped(page):
    assert NASTY not in page
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;" in page
    assert "toy &amp; co" in page


def test_every_theme_has_a_card_and_every_emotion_its_figures(page, made):
    for card in made[2]:
        assert f'id="{card["theme"].replace("/", "-")}"' in page
        assert card["name"] in page
    assert page.count("<figure>") == 2  # the map and the choice of calm
    assert page.count('<figure class="wide">') == 1
    assert "tense is one theme." in page


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_lays_the_page_out_without_overflow(page, tmp_path, width):
    """The page measures itself: nothing may be wider than the window, on a phone or a desk."""
    probe = "<script>document.title = String(document.documentElement.scrollWidth)</script></body>"
    open_page = page.replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'")
    (tmp_path / "page.html").write_text(open_page.replace("</body>", probe), encoding="utf-8")
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--window-size={width},900",
        "--dump-dom",
    ]
    outcome = subprocess.run(
        [*command, (tmp_path / "page.html").as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    (found,) = re.findall(r"<title>(\d+)</title>", outcome.stdout)
    assert int(found) <= max(width, 500)  # headless Chromium makes no window narrower than 500
    assert outcome.stdout.count("<audio") == page.count("<audio")
