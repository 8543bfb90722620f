"""The page of `affetto app` in a real browser, with a microphone that plays a file."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from websockets.sync.client import connect

from affetto.models.estimator import load_estimator
from affetto.recommendation.parameters import RecommendParameters
from affetto.serving.service import Service

PAGE = Path(str(files("affetto.serving"))) / "page"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><b>Tune</b>"
HIGHLIGHT_S = 8.0
SPEED = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
FLAGS = (
    *("--headless=new", "--disable-gpu", "--no-first-run", "--mute-audio", "--lang=en-US"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--remote-debugging-port=0"),
)


class Browser:
    """A tab of Chromium, driven through the DevTools protocol."""

    def __init__(self, folder: Path, *flags: str) -> None:
        sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
        command = [str(CHROMIUM), *FLAGS, *sandbox, f"--user-data-dir={folder}", *flags, "about:blank"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        told = folder / "DevToolsActivePort"
        wait_for(lambda: told.exists() and len(told.read_text().split()) == 2)
        with urllib.request.urlopen(f"http://127.0.0.1:{told.read_text().split()[0]}/json/list") as listed:
            (tab,) = [tab for tab in json.load(listed) if tab["type"] == "page"]
        self.socket = connect(tab["webSocketDebuggerUrl"], max_size=None)
        self.events: list[dict[str, Any]] = []
        self._number = 0
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self.socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv(timeout=60))
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def run(self, script: str) -> Any:
        options = {"awaitPromise": True, "returnByValue": True, "userGesture": True}
        answer = self.call("Runtime.evaluate", expression=script, **options)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script: str) -> None:
        wait_for(lambda: self.run(script), script)

    def open(self, address: str, *, width: int = 1280, mobile: bool = False, dark: bool = False) -> None:
        screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": mobile}
        self.call("Emulation.setDeviceMetricsOverride", **screen)
        features = {"prefers-color-scheme": "dark" if dark else "light", "prefers-reduced-motion": "reduce"}
        listed = [{"name": name, "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=listed)
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=address)
        self.wait("location.href != 'about:blank' && document.documentElement?.dataset.ready")

    def click(self, selector: str) -> None:
        found = f"document.querySelector({json.dumps(selector)})"
        self.run(f"{found}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        box = self.run(f"{found}.getBoundingClientRect().toJSON()")
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str, text: str = "") -> None:
        code = {"Tab": 9, "Enter": 13}[key]
        told = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **told)
        self.call("Input.dispatchKeyEvent", type="keyUp", **told)

    def choose(self, path: Path) -> None:
        field = self.call("Runtime.evaluate", expression="document.getElementById('file')")["result"]
        self.call("DOM.setFileInputFiles", files=[str(path)], objectId=field["objectId"])

    def text(self, selector: str) -> str:
        return self.run(f"document.querySelector({json.dumps(selector)}).innerText")

    def count(self, selector: str) -> int:
        return self.run(f"document.querySelectorAll({json.dumps(selector)}).length")

    def told(self, method: str) -> list[dict[str, Any]]:
        return [event["params"] for event in self.events if event["method"] == method]

    def close(self) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait()


def wait_for(happened, what="", seconds=8.0):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"It did not happen: {what}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory, voice_of):
    """Two voices of 9 s and 2 s, as files."""
    folder = tmp_path_factory.mktemp("spoken")
    for name, seconds in (("long", 9), ("short", 2)):
        soundfile.write(folder / f"{name}.wav", voice_of(seconds), 16_000)
    return folder


@pytest.fixture(scope="module")
def address(start, voice_model, library, tmp_path_factory):
    """A server with the page; its tracks are half a minute long, and one has a hostile title."""
    root = tmp_path_factory.mktemp("long_music")
    tone = 0.1 * np.sin(np.arange(30 * 8000) * 0.3)
    tracks = library["tracks"].copy()
    for path in tracks["path"]:
        soundfile.write(root / path, tone, 8000)
    tracks = tracks.assign(
        root=str(root), duration_s=30.0, highlight_start_s=HIGHLIGHT_S, highlight_end_s=20.0,
        predicted_tags="acoustic · <i>mellow</i>",
    )  # fmt: skip
    tracks.loc[tracks["p_calm"].idxmax(), "title"] = HOSTILE
    elsewhere = [{"clip_id": "of/other/music", "title": "Elsewhere"}]
    cards = [{"size": 999, "exemplars": elsewhere, **card} for card in library["cards"]]
    taxonomy = {
        "emotions": {"music": ["calm", "sad", "tense"]},
        "bridges": {
            "congruent": {"anger": {"sad": 1.0}, "sadness": {"sad": 1.0}},
            "uplift": {"anger": {"calm": 1.0}, "sadness": {"calm": 1.0}},
            "mine": {"anger": {"tense": 0.9, "sad": 0.1}, "sadness": {"tense": 0.9, "sad": 0.1}},
        },
    }
    service = Service(
        load_estimator(voice_model),
        RecommendParameters(voice="x", bridge="uplift"),
        taxonomy,
        {**library, "tracks": tracks, "cards": cards},
    )
    return start(service, page=True).address + "/"


@pytest.fixture(scope="module")
def chromium(spoken, tmp_path_factory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed.")
    capture = f"--use-file-for-fake-audio-capture={spoken / 'long.wav'}"
    browser = Browser(tmp_path_factory.mktemp("chromium"), capture)
    yield browser
    browser.close()


@pytest.fixture
def page(chromium, address):
    """The page as a newcomer finds it, in English."""
    chromium.open(address)
    chromium.run("localStorage.clear()")
    urllib.request.urlopen(urllib.request.Request(f"{address}likes", method="DELETE")).close()
    chromium.open(address)
    return chromium


@pytest.fixture
def answered(page, spoken):
    """The page with an answer to the long voice."""
    page.choose(spoken / "long.wav")
    page.wait("document.querySelectorAll('.track').length")
    return page


def titles(page):
    return page.run("[...document.querySelectorAll('.track .title b')].map((title) => title.textContent)")


def test_both_languages_have_the_same_words_and_every_word_is_known():
    english, chinese = (json.loads((PAGE / f"text.{name}.json").read_text("utf-8")) for name in ("en", "zh"))
    assert english.keys() == chinese.keys()
    for key, sentence in english.items():
        values = re.findall(r"\{\w+\}", sentence)
        assert sorted(values) == sorted(re.findall(r"\{\w+\}", chinese[key])), key
    code = "".join(path.read_text("utf-8") for path in (*PAGE.glob("*.js"), *PAGE.glob("*.html")))
    used = set(re.findall(r"""\bt\(\s*"([\w.]+)["]|data-(?:text|label)="([\w.]+)\"""", code))
    assert {first or second for first, second in used} <= english.keys()
    named = {first or second for first, second in used} | set(re.findall(r'"([a-z]+(?:\.[a-z]+)+)"', code))
    made = ("emotion.", "bridge.", "term.", "word.", "state.", "error.", "wish.", "nav.", "language.")
    assert [
        key for key in english if key not in named and not key.startswith((*made, "heard.", "thumbs."))
    ] == []


def test_a_file_is_heard_and_answered_with_reasons(answered):
    assert answered.run("document.activeElement.id") == "heard-title"
    assert answered.text(".word").lower() in ("anger", "sadness")
    assert answered.count(".time-chart .step") >= 5
    assert answered.count(".steps tbody tr") == answered.run(
        "document.querySelectorAll('.steps tr').length - 1"
    )
    caution = answered.text(".caution")
    assert "learnt from 24 clips" in caution
    assert "not a judgement of a person" in caution
    assert titles(answered)[0] == HOSTILE
    assert answered.run("document.title").startswith("Listen")  # no title and no tag was taken for HTML
    assert answered.count("#tracks img, #tracks i:not(.dot)") == 0
    assert re.fullmatch(
        r"Calm music is wanted \(100%\), and this is calm with .*%\.", answered.text(".reason")
    )
    answered.click(".reason")
    assert "the bridge 'uplift' wants calm music" in answered.text(".reasons")


def test_a_short_recording_is_heard_as_a_whole(page, spoken):
    page.choose(spoken / "short.wav")
    page.wait("document.querySelectorAll('.track').length")
    assert "was heard as a whole" in page.text("#heard")
    assert page.count(".time-chart") == 0


def test_the_microphone_is_heard(page):
    page.click("#record")
    page.wait("document.getElementById('clock').textContent >= '0:04'")
    assert page.run("document.getElementById('record').getAttribute('aria-label')") == "Stop and listen"
    assert (
        float(page.run("getComputedStyle(document.getElementById('hero')).getPropertyValue('--level')")) > 0
    )
    page.click("#record")
    page.wait("document.querySelectorAll('.track').length")
    assert page.text(".word").lower() in ("anger", "sadness")
    assert page.text("#state") == "Press to speak again"


def test_a_recording_can_be_cancelled(page):
    page.click("#record")
    page.wait("document.getElementById('hero').dataset.state == 'recording'")
    page.click("#cancel")
    page.wait("document.getElementById('hero').dataset.state == 'idle'")
    assert page.run("document.getElementById('heard').hidden")


def test_an_answer_does_not_stay_beside_what_went_wrong_later(answered, tmp_path):
    (tmp_path / "letter.wav").write_text("Dear Sir or Madam")
    answered.choose(tmp_path / "letter.wav")
    answered.wait("!document.getElementById('failure').hidden")
    assert answered.run("document.getElementById('heard').hidden && document.getElementById('answer').hidden")


def test_what_goes_wrong_is_said_with_what_to_do(page, tmp_path):
    (tmp_path / "letter.wav").write_text("Dear Sir or Madam")
    page.choose(tmp_path / "letter.wav")
    page.wait("!document.getElementById('failure').hidden")
    assert "not a recording that can be read" in page.text("[role=alert]")
    assert "Choose a sound file" in page.text("[role=alert]")
    soundfile.write(tmp_path / "hush.wav", np.zeros(32_000), 16_000)
    page.choose(tmp_path / "hush.wav")
    page.wait("document.getElementById('failure').innerText.includes('Nobody was heard')")
    page.run(
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'))"
    )
    page.click("#record")
    page.wait("document.getElementById('failure').innerText.includes('not allowed')")
    page.click("#language")
    page.wait("document.getElementById('failure').innerText.includes('未获准使用麦克风')")


def test_tracks_play_from_their_highlight_and_one_at_a_time(answered):
    audio = "document.getElementById('audio')"
    answered.click(".track:nth-child(2) .play")
    answered.wait(f"!{audio}.paused && {audio}.currentTime > 0.1")
    assert HIGHLIGHT_S <= answered.run(f"{audio}.currentTime") < HIGHLIGHT_S + 5
    label = "document.querySelector('.track:nth-child({}) .play').getAttribute('aria-label')"
    assert answered.run(label.format(2)).startswith("Pause ")
    first = answered.run(f"{audio}.src")
    answered.run("document.querySelector('.track:nth-child(3) .play').focus()")
    answered.press("Enter", "\r")
    answered.wait(f"!{audio}.paused && {audio}.src != {first!r} && {audio}.currentTime > 0.1")
    assert answered.run(label.format(2)).startswith("Play ")
    assert answered.count("audio") == 1
    assert answered.text("#now") == titles(answered)[2]
    answered.click("#toggle")
    assert answered.run(f"{audio}.paused")
    answered.click("#next")
    answered.wait(f"!{audio}.paused && document.getElementById('now').textContent == {titles(answered)[3]!r}")


def test_wishes_change_the_playlist(answered):
    before = titles(answered)
    answered.click("[value=congruent]")
    answered.wait("document.querySelector('.reason').textContent.startsWith('sad music')")
    assert titles(answered) != before
    answered.run("document.getElementById('length').value = 3")
    answered.run("document.getElementById('length').dispatchEvent(new Event('input'))")
    answered.wait("document.querySelectorAll('.track').length == 3")
    answered.click("[role=switch]")
    answered.wait("!document.getElementById('tracks').hasAttribute('aria-busy')")
    answered.click("[value=mine]")
    answered.wait("!!document.querySelector('.fit .badge')")
    assert "poor match" in answered.text(".fit")
    assert "No track of the library is likely to be tense" in answered.text("#answer-note")


def test_thumbs_shift_the_next_ranking_and_can_be_forgotten(answered):
    before = titles(answered)
    answered.click(".track:first-child .thumb:last-child")
    answered.wait("document.querySelector('.track .thumb:last-child').getAttribute('aria-pressed') == 'true'")
    answered.click("#thumbs .button")
    answered.wait("document.getElementById('thumbs').innerText.includes('Thumbs that count')")
    assert titles(answered)[0] != before[0]
    answered.click("#thumbs .quiet")
    assert "Really forget all? (1)" in answered.text("#thumbs")
    answered.click("#thumbs .quiet")
    answered.wait("!document.getElementById('thumbs').innerText")
    assert titles(answered) == before


def test_the_library_is_found_and_filtered(page):
    page.click("nav a:last-child")
    page.wait("document.querySelectorAll('.row').length == 10")
    assert "Map of 10 tracks" in page.run("document.getElementById('map').getAttribute('aria-label')")
    assert page.count(".card") == 4
    assert "Elsewhere" not in page.text("#cards")  # where the themes were learnt
    assert "999" not in page.text("#cards")
    assert page.count(".exemplars .play") >= 2
    page.run("document.querySelector('[name=search]').focus()")
    page.call("Input.insertText", text="TUNE 3")
    page.wait("document.querySelectorAll('.row').length == 1")
    page.run("document.querySelector('[name=search]').value = ''")
    page.click(".card .quiet")
    page.wait("document.querySelectorAll('.row').length > 1")
    assert set(page.run("[...document.querySelectorAll('.row')].map((row) => row.dataset.emotion)")) == {
        "calm"
    }


def test_the_language_is_switched_and_remembered(answered, address):
    answered.click("#language")
    answered.wait("document.documentElement.lang == 'zh-Hans'")
    assert answered.text("#answer-title") == "用音乐回答"
    assert answered.text(".word") in ("愤怒", "悲伤")
    assert "想要平静的音乐" in answered.text(".reason")
    answered.open(address)
    assert answered.text("h1") == "说点什么吧。"


@pytest.mark.parametrize("view", ["listen", "library"])
def test_a_phone_scrolls_one_way_only(answered, address, spoken, view):
    answered.open(f"{address}#{view}", width=360, mobile=True)
    if view == "listen":
        answered.choose(spoken / "long.wav")
    answered.wait("document.querySelectorAll('.track, .row').length")
    answered.click("main .play")
    assert answered.run("document.documentElement.scrollWidth") == 360


def test_the_keyboard_reaches_the_microphone(page):
    page.run("document.body.focus()")
    for _ in range(12):
        page.press("Tab")
        if page.run("document.activeElement.id") == "record":
            break
    page.press("Enter", "\r")
    page.wait("document.getElementById('hero').dataset.state == 'recording'")
    page.press("Enter", "\r")
    page.wait("document.getElementById('hero').dataset.state != 'recording'")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious(request, page, address, spoken, language, dark):
    axe = request.config.rootpath / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.exists():
        pytest.skip("axe-core is not there (npm install --no-save axe-core).")
    page.run(f"localStorage.setItem('affetto.language', {language!r})")
    page.open(address, dark=dark)
    source = axe.read_text("utf-8")
    page.run(f"{source};0")
    found = [("idle", check(page))]
    page.choose(spoken / "long.wav")
    page.wait("document.querySelectorAll('.track').length")
    page.click("[value=mine]")  # poor matches
    page.wait("!!document.querySelector('.fit .badge')")
    page.click(".thumb")
    page.click(".play")
    page.wait("!document.getElementById('audio').paused")
    found.append(("answer", check(page)))
    page.run("location.hash = 'library'")
    page.wait("document.querySelectorAll('.row').length")
    found.append(("library", check(page)))
    assert [(view, violations) for view, violations in found if violations] == []


def check(page):
    """Return what axe calls serious or critical."""
    script = (
        "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations"
        ".filter(({impact}) => ['serious', 'critical'].includes(impact))"
        ".map(({id, nodes}) => [id, ...nodes.map((node) => node.html + ' ' + node.failureSummary)]))"
    )
    return page.run(script)


def test_nothing_comes_from_elsewhere_and_nothing_is_inline(answered, address):
    html = (PAGE / "index.html").read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", html)
    asked = [
        event["params"]["request"]["url"]
        for event in answered.events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert {url for url in asked if not url.startswith((address, "about:", "blob:"))} == set()
    with urllib.request.urlopen(address) as response:
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    entries = [told["entry"]["text"] for told in answered.told("Log.entryAdded")]
    assert answered.told("Runtime.exceptionThrown") == []
    assert [text for text in entries if "Content Security Policy" in text] == []


def test_without_a_library_it_says_what_to_do(chromium, start, voice_model, spoken):
    taxonomy = {"emotions": {"music": ["calm"]}, "bridges": {"uplift": {"anger": {"calm": 1.0}}}}
    service = Service(
        load_estimator(voice_model), RecommendParameters(voice="x"), taxonomy, None, "None yet."
    )
    chromium.open(f"{start(service, page=True).address}/")
    chromium.choose(spoken / "short.wav")
    chromium.wait("!document.getElementById('answer').hidden")
    assert "no music to choose from yet" in chromium.text("#answer-note")
    chromium.click("nav a:last-child")
    chromium.wait("document.getElementById('library-lead').innerText.includes('affetto library')")
