from __future__ import annotations

import re
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from affetto.evaluation.comparison import compare
from affetto.evaluation.figures import (
    comparison_figure,
    confusion_figure,
    reliability_figure,
    training_figure,
)
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.probe_figures import attention_examples, attention_examples_figure
from affetto.features.clip_features import ClipFeatures

CLASSES = ["calm", "happy", "sad"]


@pytest.fixture(scope="module")
def table(models, roles):
    parameters = EvaluationParameters(n_permutations=100)
    return compare(models, roles, protocol="kfold", corpus="demo", task="t", parameters=parameters)


def test_confusion_matrices_have_a_panel_a_model_with_their_classes(models):
    figure = confusion_figure(models)

    assert [axes.get_title().split("\n")[0] for axes in figure.axes] == list(models)
    for axes in figure.axes:
        assert [tick.get_text() for tick in axes.get_xticklabels()] == CLASSES
        assert [tick.get_text() for tick in axes.get_yticklabels()] == CLASSES
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true (rows: %)")


def test_confusion_cells_are_percentages_of_the_true_class(make_predictions):
    figure = confusion_figure({"m": make_predictions(list("aaab"), list("aabb"))})

    assert [text.get_text() for text in figure.axes[0].texts] == ["67", "33", "100"]


def test_a_class_that_never_occurs_is_an_empty_row(make_predictions):
    figure = confusion_figure({"m": make_predictions(list("aa"), list("ab"))})

    image = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_allclose(image, [[0.5, 0.5], [0, 0]])


def test_training_curves_show_loss_and_uar_of_networks_only(histories):
    figure = training_figure(histories)

    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "UAR, validation"]
    assert figure.axes[0].get_title() == "attentive"
    np.testing.assert_allclose(figure.axes[1].lines[0].get_ydata(), np.arange(6) / 10)


def test_curves_that_were_not_recorded_are_left_out():
    epochs = pd.DataFrame({"fold": 0, "seed": 0, "epoch": [0, 1], "loss": [1.0, 0.5]})
    validated = epochs.assign(val_loss=[1.2, 0.9], val_uar=[0.3, 0.6])

    first, second, _, absent = training_figure({"a": validated, "b": epochs}).axes

    assert [text.get_text() for text in first.get_legend().get_texts()] == ["training", "validation"]
    assert len(second.lines) == 1
    assert not absent.axison


def test_models_without_epochs_leave_a_note():
    figure = training_figure({"svm": pd.DataFrame(columns=["fold", "seed", "epoch"])})

    assert "No model" in figure.texts[0].get_text()


def test_comparison_shows_every_model_with_its_score(table):
    (axes,) = comparison_figure(table).axes

    assert [tick.get_text() for tick in axes.get_yticklabels()] == list(table["model"])
    assert [text.get_text() for text in axes.texts] == [f"{score:.3f}" for score in table["uar"]]
    low, high = axes.get_xlim()
    assert low <= table["uar_ci_low"].min()
    assert high >= table["uar_ci_high"].max()


def test_reliability_has_a_panel_a_model(models):
    figure = reliability_figure(models)

    assert [axes.get_xlabel() for axes in figure.axes] == ["confidence"] * 3
    assert all("ECE" in axes.get_title() and "120 clips" in axes.get_title() for axes in figure.axes)


def test_a_clip_of_one_step_can_be_drawn(models, attention):
    steps = [[np.full(1, value)] * len(attention) for value in (0.0, 1.0)]
    single = attention.assign(times=steps[0], weights=steps[1])

    assert len(attention_examples_figure(single, models["attentive"]).axes) == 4


def test_attention_examples_are_the_surest_clip_a_class_and_the_surest_mistake(models, attention):
    told = models["attentive"]
    examples = attention_examples(attention, told)

    assert list(examples["label"].iloc[:-1]) == list(examples["predicted"].iloc[:-1]) == CLASSES
    assert examples["label"].iloc[-1] != examples["predicted"].iloc[-1]
    posterior = told.filter(regex="^p_").max(axis=1)
    right = told["label"] == told["predicted"]
    best = [posterior[right & (told["label"] == name)].max() for name in CLASSES]
    np.testing.assert_allclose(examples["posterior"], [*best, posterior[~right].max()])


def test_attention_examples_say_what_was_told(models, attention):
    titles = [axes.get_title(loc="left") for axes in attention_examples_figure(attention, models["svm"]).axes]

    for name, title in zip(CLASSES, titles[:3], strict=True):
        assert re.fullmatch(rf"true {name}, told {name} \([01]\.\d\d\)\ndemo/\d+", title)
    assert re.match(r"true (\w+), told (?!\1)\w+ \([01]\.\d\d\)\n", titles[3])


def test_attention_is_of_the_first_seed(models, attention):
    sure = models["attentive"].assign(seed=1, predicted="calm", p_calm=1.0, p_happy=0.0, p_sad=0.0)
    both = pd.concat([models["attentive"], sure])

    pd.testing.assert_frame_equal(
        attention_examples(attention, both), attention_examples(attention, models["attentive"])
    )


def test_spectrograms_are_drawn_under_the_attention_and_only_those_shown_are_read(models, attention):
    ids = list(attention["clip_id"])
    spectrograms = ClipFeatures.from_arrays("log_mel", ids, [np.zeros((250, 40))] * len(ids), hop_s=0.016)
    source = Counted(spectrograms.source)
    spectrograms = replace(spectrograms, source=source)

    axes = attention_examples_figure(attention, models["attentive"], spectrograms).axes

    assert [panel.get_ylabel() for panel in axes] == ["attention", "band"] * 4
    assert all(panel.get_xlim() == (0.0, 4.0) for panel in axes)
    assert all(len(panel.images) == position % 2 for position, panel in enumerate(axes))
    assert source.read_clips == 4


class Counted:
    """A source of arrays that counts what is read, whatever clips are taken of it."""

    def __init__(self, source, count=None):
        self._source, self._count = source, [0] if count is None else count

    @property
    def read_clips(self):
        return self._count[0]

    def read(self, index):
        self._count[0] += 1
        return self._source.read(index)

    def take(self, indices):
        return Counted(self._source.take(indices), self._count)


def test_a_model_without_attention_leaves_a_note(models, attention):
    empty = attention.assign(weights=[np.empty(0)] * len(attention))

    for table in (empty, attention.iloc[:0]):
        assert "no attention" in attention_examples_figure(table, models["attentive"]).texts[0].get_text()


def test_figures_stay_out_of_the_global_list(models):
    before = plt.get_fignums()
    confusion_figure(models)

    assert plt.get_fignums() == before
