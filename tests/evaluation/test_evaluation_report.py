from __future__ import annotations

import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from affetto.evaluation.comparison import COMPARISON_COLUMNS, compare
from affetto.evaluation.figures import (
    comparison_figure,
    confusion_figure,
    illustrate,
    reliability_figure,
    training_figure,
)
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.probe_figures import attention_examples_figure
from affetto.evaluation.report import render_report
from affetto.evaluation.tables import ReportTable

QUICK = EvaluationParameters(n_permutations=100)
VOID = {"meta", "img", "br", "link", "input"}


class Outline(HTMLParser):
    """Collects tags and attributes, and whether every tag is closed."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.text = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture(scope="module")
def page(models, roles, histories, attention):
    return write_page(models, roles, histories, attention, corpus="demo")


def write_page(models, roles, histories, attention, *, corpus, bare=False, **more):
    table = compare(
        models,
        roles,
        protocol="kfold",
        corpus=corpus,
        task="music_emotion",
        random_predictions=models,
        parameters=QUICK,
    )
    illustrations = (
        {}
        if bare
        else {
            name: illustrate(name, figure)
            for name, figure in {
                "comparison": comparison_figure(table),
                "confusion": confusion_figure(models),
                "reliability": reliability_figure(models, n_bins=10),
                "training": training_figure(histories),
                "attention": attention_examples_figure(attention, models["attentive"]),
            }.items()
        }
    )
    return render_report(
        table,
        models,
        illustrations,
        task="music_emotion",
        corpus=corpus,
        protocol="kfold",
        parameters=QUICK,
        **more,
    )


def test_the_page_is_well_formed_and_made_for_phones(page):
    outline = Outline(page)

    assert outline.open == []
    anchors = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert sorted(set(anchors)) == sorted(anchors)
    assert any(meta.get("name") == "viewport" for meta in outline.all("meta"))
    assert outline.all("html")[0]["lang"] == "en"
    assert "prefers-color-scheme: dark" in page


def test_the_page_holds_every_figure_with_a_text(page):
    images = Outline(page).all("img")

    assert len(images) == 5
    assert all(image["src"].startswith("data:image/png;base64,iVBOR") for image in images)
    assert all(len(image["alt"]) > 20 for image in images)


def test_the_page_needs_nothing_but_itself(page):
    outline = Outline(page)

    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"base64,[^\"]*", "", page))
    assert not [tag for tag, _ in outline.tags if tag in {"script", "link", "iframe", "object"}]


def test_the_page_says_what_the_comparison_says(page):
    text = " ".join(Outline(page).text)

    assert "attentive beats svm" in text
    assert "No difference between attentive and plain is shown" in text
    assert "Random folds flatter no model" in text
    assert "dealt into 4 folds" in text
    assert "nan" not in text.lower().split()
    for name in ("calm", "happy", "sad"):
        assert name in text


def test_only_the_demo_corpus_carries_the_warning(page, models, roles, histories, attention):
    real = write_page(models, roles, histories, attention, corpus="emodb", bare=True)

    assert "not the science" in page
    assert "not the science" not in real
    assert "emodb" in real


@pytest.mark.parametrize(("corpus", "is_demo"), [("demo + emodb", True), ("emodb + demo", False)])
def test_of_several_corpora_the_tested_one_decides(models, roles, histories, attention, corpus, is_demo):
    page = write_page(models, roles, histories, attention, corpus=corpus, bare=True)

    assert ("not the science" in page) == is_demo


def test_names_are_escaped(models, roles, histories, attention):
    assert "<b>evil</b>" not in write_page(
        models, roles, histories, attention, corpus="<b>evil</b>", bare=True
    )


def test_discovery_is_shown_beside_the_scores(models, roles, histories, attention):
    discovery = pd.DataFrame(
        {
            "theme_ami": [0.31, None],
            "model": ["lda", "kmeans"],
            "role": ["proposed", "baseline"],
            "n_themes": [4, 5],
        }
    )

    text = " ".join(
        Outline(
            write_page(models, roles, histories, attention, corpus="c", bare=True, discovery=discovery)
        ).text
    )

    assert "theme ami" in text
    assert "0.310" in text
    assert re.search(r"kmeans\s+baseline\s+–\s+5", text)


def test_further_tables_are_shown_with_their_notes(models, roles, histories, attention):
    table = ReportTable("more", "More of it", "Read it so.", ("Model", "<x>"), (("svm", "0.5"),))

    page = write_page(models, roles, histories, attention, corpus="c", bare=True, tables=[table])

    assert Outline(page).open == []
    text = " ".join(Outline(page).text)
    assert re.search(r"More of it\s+Read it so\.\s+Model <x>\s+svm 0\.5", text)


def test_the_calibration_error_has_its_interval(page):
    assert re.search(r"ECE \[interval\]</th>", page)
    assert re.search(r"<td>0\.\d{3}\s\[0\.\d{3},\s0\.\d{3}\]</td>", page)


def test_columns_without_a_value_are_left_out(models, roles):
    table = compare(models, roles, protocol="kfold", corpus="c", task="theme", parameters=QUICK)
    page = render_report(table, models, {}, task="theme", corpus="c", protocol="kfold")

    assert "Leakage gap" not in page
    assert "inside an emotion" in page


def test_nothing_labelled_is_a_short_page():
    empty = pd.DataFrame(columns=list(COMPARISON_COLUMNS))
    drawn = {
        "comparison": comparison_figure(empty),
        "confusion": confusion_figure({}),
        "reliability": reliability_figure({}),
    }
    figures = {name: illustrate(name, figure) for name, figure in drawn.items()}
    page = render_report(empty, {}, figures, task="theme", corpus="demo", protocol="kfold")

    assert "No clip with a label was scored." in page
    assert Outline(page).open == []


def test_a_wide_leakage_gap_names_the_model(models, roles, simulate):
    flattered = {"svm": simulate(4.0, 5)}
    table = compare(
        models,
        roles,
        protocol="kfold",
        corpus="c",
        task="t",
        random_predictions=flattered,
        parameters=QUICK,
    )

    page = render_report(table, models, {}, task="t", corpus="c", protocol="kfold")

    assert "flatter svm most" in page
