from __future__ import annotations

import re
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from affetto.evaluation.figures import (
    attention_examples,
    attention_figure,
    comparison_figure,
    confusion_figure,
    groups_figure,
    probe_figure,
    reliability_figure,
    training_figure,
)
from affetto.evaluation.metrics import score_groups
from affetto.features.clip_features import ClipFeatures

CLASSES = ["calm", "happy", "sad"]


def ticks(axes, which="y"):
    return [tick.get_text() for tick in getattr(axes, f"get_{which}ticklabels")()]


def test_confusions_have_a_panel_a_model_in_percent_of_the_true_class(models, make_predictions):
    before = plt.get_fignums()
    figure = confusion_figure(models)
    hand = confusion_figure({"m": make_predictions(list("aaab"), list("aabb"))})
    absent = confusion_figure({"m": make_predictions(list("aa"), list("ab"))})

    assert [axes.get_title().split("\n")[0] for axes in figure.axes] == list(models)
    assert all(ticks(axes, "x") == ticks(axes) == CLASSES for axes in figure.axes)
    assert [text.get_text() for text in hand.axes[0].texts] == ["67", "33", "100"]
    np.testing.assert_allclose(np.asarray(absent.axes[0].images[0].get_array()), [[0.5, 0.5], [0, 0]])
    assert plt.get_fignums() == before  # none is in the global list


def test_training_curves_are_those_that_were_recorded(histories):
    loss, uar = training_figure(histories).axes  # of the one network
    epochs = pd.DataFrame({"fold": 0, "seed": 0, "epoch": [0, 1], "loss": [1.0, 0.5]})
    validated = epochs.assign(val_loss=[1.2, 0.9], val_uar=[0.3, 0.6])
    first, second, _, absent = training_figure({"a": validated, "b": epochs}).axes

    assert (loss.get_title(), loss.get_ylabel(), uar.get_ylabel()) == ("attentive", "loss", "UAR, validation")
    np.testing.assert_allclose(uar.lines[0].get_ydata(), np.arange(6) / 10)
    assert [text.get_text() for text in first.get_legend().get_texts()] == ["training", "validation"]
    assert len(second.lines) == 1
    assert not absent.axison
    assert "No model" in training_figure({"svm": epochs.iloc[:0]}).texts[0].get_text()


def test_comparison_shows_every_model_with_its_score(table):
    (axes,) = comparison_figure(table).axes

    assert ticks(axes) == list(table["model"])
    assert [text.get_text() for text in axes.texts] == [f"{score:.3f}" for score in table["uar"]]
    low, high = axes.get_xlim()
    assert low <= table["uar_ci_low"].min() < table["uar_ci_high"].max() <= high


def test_reliability_and_groups_show_every_model(models):
    panels = reliability_figure(models).axes
    (axes,) = groups_figure(score_groups(models)).axes

    assert all("ECE" in each.get_title() and "120 clips" in each.get_title() for each in panels)
    assert ticks(axes, "x") == list(models)


def probed(name, subjects, **more):
    _, difference, *_ = {"importance": (0, "loss"), "enrolment": (0, "gain"), "robustness": (0, "change")}[
        name
    ]
    subject = {"importance": "descriptors", "enrolment": "n_enrolled", "robustness": "condition"}[name]
    rows = [(model, each) for each in subjects for model in ("m", "n", "o")]
    table = pd.DataFrame(rows, columns=["model", subject]).assign(**more)
    return table.assign(**{difference: 1.0, f"{difference}_ci_low": 0.0, f"{difference}_ci_high": np.nan})


@pytest.mark.parametrize(
    ("name", "subjects"),
    [("importance", ["energy", "voicing"]), ("enrolment", [5, 10]), ("robustness", ["a_b", "c"])],
)
def test_probes_have_a_row_for_what_was_changed_and_a_mark_a_model(name, subjects):
    table = probed(name, subjects)
    figure = probe_figure(name, table)
    (axes,) = figure.axes

    assert ticks(axes) == [str(each).replace("_", " ") for each in subjects]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["m", "n", "o"]
    assert "Nothing" in probe_figure(name, table.iloc[:0]).texts[0].get_text()


def test_conditions_have_their_tolerance_and_hollow_marks_where_they_were_learnt():
    table = probed("robustness", ["hiss", "phone"], tolerance=2.0)
    table["trained_on"] = np.where((table["model"] == "m") & (table["condition"] == "phone"), "yes", "no")
    (axes,) = probe_figure("robustness", table).axes

    marks = np.concatenate(
        [each.get_facecolors() for each in axes.collections if len(each.get_offsets()) > 1]
    )
    assert [bool(np.all(colour == 1)) for colour in marks] == [False, True, False, False, False, False]
    assert [bar.get_width() for bar in axes.patches] == [4.0, 4.0]


def test_attention_examples_are_the_surest_clip_a_class_and_the_surest_mistake(models, attention):
    told = models["attentive"]
    sure = told.assign(seed=1, predicted="calm", p_calm=1.0, p_happy=0.0, p_sad=0.0)
    examples = attention_examples(attention, pd.concat([told, sure]))  # the attention is of the first seed

    assert list(examples["label"].iloc[:-1]) == list(examples["predicted"].iloc[:-1]) == CLASSES
    assert examples["label"].iloc[-1] != examples["predicted"].iloc[-1]
    posterior = told.filter(regex="^p_").max(axis=1)
    right = told["label"] == told["predicted"]
    best = [posterior[right & (told["label"] == name)].max() for name in CLASSES]
    np.testing.assert_allclose(examples["posterior"], [*best, posterior[~right].max()])


def test_attention_is_drawn_with_what_was_told(models, attention):
    steps = [[np.full(1, value)] * len(attention) for value in (0.0, 1.0)]
    single = attention.assign(times=steps[0], weights=steps[1])
    titles = [axes.get_title(loc="left") for axes in attention_figure(attention, models["svm"]).axes]

    for name, title in zip(CLASSES, titles[:3], strict=True):
        assert re.fullmatch(rf"true {name}, told {name} \([01]\.\d\d\)\ndemo/\d+", title)
    assert re.match(r"true (\w+), told (?!\1)\w+ \([01]\.\d\d\)\n", titles[3])
    assert len(attention_figure(single, models["attentive"]).axes) == 4
    for empty in (attention.assign(weights=[np.empty(0)] * len(attention)), attention.iloc[:0]):
        assert "no attention" in attention_figure(empty, models["attentive"]).texts[0].get_text()


class Counted:
    """A container of arrays that counts what is read."""

    def __init__(self, arrays, count):
        self._arrays, self._count = arrays, count

    def __getitem__(self, place):
        self._count.append(place)
        return self._arrays[place]


def test_spectrograms_are_drawn_under_the_attention_and_only_those_shown_are_read(models, attention):
    ids, read = list(attention["clip_id"]), []
    spectrograms = ClipFeatures.from_arrays("log_mel", ids, [np.zeros((250, 40))] * len(ids), hop_s=0.016)
    counted = tuple(Counted(arrays, read) for arrays in spectrograms.containers)
    spectrograms = replace(spectrograms, containers=counted)

    axes = attention_figure(attention, models["attentive"], spectrograms).axes

    assert [panel.get_ylabel() for panel in axes] == ["attention", "band"] * 4
    assert all(panel.get_xlim() == (0.0, 4.0) for panel in axes)
    assert all(len(panel.images) == position % 2 for position, panel in enumerate(axes))
    assert len(read) == 4
