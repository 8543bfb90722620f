from __future__ import annotations

import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from affetto.evaluation.comparison import COMPARISON_COLUMNS, compare
from affetto.evaluation.figures import comparison_figure, confusion_figure, draw_png
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.report import render_report
from affetto.evaluation.tables import ReportTable

QUICK = EvaluationParameters(n_permutations=100)
VOID = {"meta", "img", "br", "link", "input"}


class Outline(HTMLParser):
    """Collects tags and attributes, and whether every tag is closed."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.parts = [], [], []
        self.feed(page)
        self.text = " ".join(self.parts)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.parts.append(data)

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture(scope="module")
def write(models, table):
    def write(figures=(), **changed):
        asked = {"task": "music_emotion", "corpus": "demo", "protocol": "kfold", "parameters": QUICK}
        return render_report(table, models, dict(figures), **{**asked, **changed})

    return write


@pytest.fixture(scope="module")
def page(write, models, table):
    figures = {"comparison": comparison_figure(table), "confusion": confusion_figure(models)}
    return write({name: draw_png(figure) for name, figure in figures.items()})


def test_the_page_is_well_formed_and_made_for_phones(page):
    outline = Outline(page)

    assert outline.open == []
    anchors = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert sorted(set(anchors)) == sorted(anchors)
    assert any(meta.get("name") == "viewport" for meta in outline.all("meta"))
    assert outline.all("html")[0]["lang"] == "en"
    assert "prefers-color-scheme: dark" in page


def test_the_page_holds_every_figure_with_a_text_and_needs_nothing_but_itself(page):
    outline = Outline(page)
    images = outline.all("img")

    assert len(images) == 2
    assert all(image["src"].startswith("data:image/png;base64,iVBOR") for image in images)
    assert all(
        len(image["alt"]) > 20 and re.fullmatch(r"min-width: \d+px", image["style"]) for image in images
    )
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"base64,[^\"]*", "", page))
    assert not [tag for tag, _ in outline.tags if tag in {"script", "link", "iframe", "object"}]


def test_the_page_says_what_the_comparison_says(page):
    text = Outline(page).text

    assert "attentive beats svm" in text
    assert "No difference between attentive and plain is shown" in text
    assert "dealt into 4 folds" in text
    assert re.search("flatter (attentive|plain) most", text)
    assert "nan" not in text.lower().split()
    assert all(name in text for name in ("calm", "happy", "sad"))
    assert re.search(r"<td>0\.\d{3}\s\[0\.\d{3},\s0\.\d{3}\]</td>", page)  # of the ECE


@pytest.mark.parametrize(
    ("corpus", "is_demo"),
    [("demo", True), ("demo + emodb", True), ("emodb + demo", False), ("<b>x</b>", False)],
)
def test_the_tested_corpus_decides_on_the_warning_and_is_escaped(write, corpus, is_demo):
    page = write(corpus=corpus)

    assert ("not the science" in page) == is_demo
    assert "<b>x</b>" not in page


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        ("holdout", "held out for testing"),
        ("leave_one_group_out", "Each of the 4 folds leaves one group out"),
        ("official", "published with"),
        ("cross_corpus", "trained on the others alone, over the"),
        ("leave_one_corpus_out", "Each of the 4 corpora"),
        ("kfold_and_second_group", "none of these second groups"),
    ],
)
def test_every_protocol_is_a_sentence(write, protocol, words):
    assert words in Outline(write(protocol=protocol)).text


def test_discovery_and_further_tables_are_shown(write):
    roles = {"model": ["lda", "kmeans"], "role": ["proposed", "baseline"]}
    discovery = pd.DataFrame({"theme_ami": [0.31, None], **roles, "n_themes": [4, 5]})
    more = ReportTable("more", "More of it", "Read it so.", ("Model", "<x>"), (("svm", "0.5"),))
    outline = Outline(write(discovery=discovery, tables=[more], unmeasured=["Robustness is not."]))

    assert "theme ami" in outline.text
    assert "0.310" in outline.text
    assert re.search(r"kmeans\s+baseline\s+–\s+5", outline.text)
    assert re.search(r"More of it\s+Read it so\.\s+Model <x>\s+svm 0\.5", outline.text)
    assert "Robustness is not." in outline.text
    assert outline.open == []


def test_columns_without_a_value_are_left_out(models, roles):
    named = {"protocol": "kfold", "corpus": "c", "task": "theme", "parameters": QUICK}
    page = render_report(compare(models, roles, **named), models, {}, **named)

    assert "Leakage gap" not in page
    assert "inside an emotion" in page


def test_nothing_labelled_is_a_short_page(write):
    empty = pd.DataFrame(columns=list(COMPARISON_COLUMNS))
    page = render_report(empty, {}, {}, task="theme", corpus="demo", protocol="kfold", parameters=QUICK)

    assert "No clip with a label was scored." in page
    assert Outline(page).open == []
