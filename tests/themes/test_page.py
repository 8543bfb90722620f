import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from affetto.themes.cards import build_cards, nearest_themes
from affetto.themes.model import ThemeModel, themes_table
from affetto.themes.page import render_page
from affetto.themes.parameters import TopicParameters
from affetto.themes.topics import TopicModel

NASTY = '<script>alert("x")</script>'


class Reader(HTMLParser):
    """Collects tags, and whatever an attribute points to."""

    def __init__(self):
        super().__init__()
        self.tags, self.targets = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.targets += [value for name, value in attributes if name in ("src", "href")]


@pytest.fixture(scope="module")
def made(library):
    """The model, themes, cards and selection of a library whose tags and titles try to be markup."""
    words, clips, emotions, model, selection = library
    themes = themes_table(model, words, model.mixtures(words), emotions)
    kinds = np.arange(42) % 2
    clips = clips.assign(title=[NASTY if kind else None for kind in kinds], duration_s=30.0)
    clips["tags"] = [[NASTY] if kind else ["plain"] for kind in kinds]
    measures = pd.DataFrame({"pace": kinds * 2.0, "mode": 0.1 * kinds}, index=list(words.clip_ids))
    attention = pd.DataFrame({"clip_id": words.clip_ids, "times": [np.arange(30.0)] * 42})
    attention["weights"] = [np.eye(30)[20]] * 42
    names = [f"timbre/{number}" for number in range(10)]
    return model, themes, build_cards(model, themes, clips, measures, names, attention), selection


@pytest.fixture(scope="module")
def page(made):
    model, themes, cards, selection = made
    shown = [card["exemplars"][0]["clip_id"] for card in cards if card["exemplars"]]
    audio = {f"exemplars/{clip_id}": b"mp3" for clip_id in shown[:-1]}
    audio |= {f"words/{word['word']}": b"mp3" for card in cards for word in card["words"][:1]}
    failed = {shown[-1]: f"{NASTY} is gone"}
    options = {"corpus": "toy & co", "changes": [], "min_stability": 0.6}
    return render_page(cards, model, themes, selection, audio, failed, **options)


def test_cards_have_highlights_profiles_and_neighbours(made):
    for card in made[2]:
        for exemplar in card["exemplars"]:
            assert exemplar["highlight_start_s"] <= 20 <= exemplar["highlight_end_s"]
            assert exemplar["highlight_end_s"] - exemplar["highlight_start_s"] == pytest.approx(15)
        assert set(card["profile"]) == set(card["differences"])
        distances = [one["distance"] for one in card["neighbours"]]
        assert len(distances) == 3 and distances == sorted(distances)
        assert card["theme"] not in [one["theme"] for one in card["neighbours"]]
    topics = {"a": np.ones((2, 4)), "b": np.eye(2, 4) + 1e-12}
    emotions = {emotion: TopicModel(words, np.ones(2)) for emotion, words in topics.items()}
    same = ThemeModel(emotions, TopicParameters())
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
    assert page.count('aria-label="Highlight of') == sum(bool(card["exemplars"]) for card in cards) - 1
    assert page.count('aria-label="Audio word') == sum(bool(card["words"]) for card in cards) > 0
    assert "cannot be heard: &lt;script&gt;" in page


def test_what_comes_from_files_is_escaped(page):
    assert NASTY not in page
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;" in page
    assert "toy &amp; co" in page


def test_every_theme_has_a_card_and_every_emotion_its_figures(page, made):
    for card in made[2]:
        assert f'id="{card["theme"].replace("/", "-")}"' in page
        assert card["title"] in page
    assert "+0.0" not in page
    assert page.count("All its tracks") == sum(card["size"] > 0 for card in made[2])
    assert "musicnn" not in page  # no tags were predicted
    assert page.count("<figure>") == 4  # the map of calm, and the choice of every emotion
    assert "tense is one theme: 1 clips are too few" in page


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_lays_the_page_out_without_overflow(page, tmp_path, width):
    """The page measures itself: nothing may be wider than the window, on a phone or a desk."""
    probe = "<script>document.title = String(document.documentElement.scrollWidth)</script></body>"
    open_page = page.replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'")
    (tmp_path / "page.html").write_text(open_page.replace("</body>", probe), encoding="utf-8")
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", f"--window-size={width},900")
    command = ["chromium", *options, (tmp_path / "page.html").as_uri()]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    (found,) = re.findall(r"<title>(\d+)</title>", outcome.stdout)
    assert int(found) <= max(width, 500)  # headless Chromium makes no window narrower than 500
    assert outcome.stdout.count("<audio") == page.count("<audio")
