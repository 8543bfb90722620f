from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from affetto.evaluation.comparison import compare
from affetto.evaluation.parameters import EvaluationParameters


def _make_predictions(label, predicted, *, group=None, seed=0, fold=0, confidence=0.8):
    """Predictions table of one seed; the predicted class gets `confidence`, the others share the rest."""
    classes = sorted({*label, *predicted})
    rest = (1 - confidence) / max(len(classes) - 1, 1)
    probabilities = {
        f"p_{name}": [confidence if told == name else rest for told in predicted] for name in classes
    }
    return pd.DataFrame(
        {
            "clip_id": [f"demo/{index:04d}" for index in range(len(label))],
            "group": list(group) if group is not None else [f"g{index}" for index in range(len(label))],
            "fold": fold,
            "seed": seed,
            "label": list(label),
            "predicted": list(predicted),
            **probabilities,
        }
    )


def _simulate(skill, seed=0, *, n_groups=12, per_group=10, classes=("calm", "happy", "sad"), n_seeds=1):
    """Predictions of a model of some skill; the clips are the same for every skill and seed."""
    truth = np.random.default_rng(99)
    n_clips = n_groups * per_group
    label = np.array(classes)[truth.integers(len(classes), size=n_clips)]
    group = np.repeat([f"g{index:02d}" for index in range(n_groups)], per_group)
    tables = []
    for model_seed in range(n_seeds):
        rng = np.random.default_rng([seed, model_seed])
        logits = rng.normal(size=(n_clips, len(classes))) + skill * (label[:, None] == np.array(classes))
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        table = _make_predictions(
            label, np.array(classes)[logits.argmax(axis=1)], group=group, seed=model_seed
        )
        table["fold"] = np.arange(n_clips) // per_group % 4
        tables.append(table.assign(**{f"p_{name}": probabilities[:, i] for i, name in enumerate(classes)}))
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="session")
def make_predictions():
    return _make_predictions


@pytest.fixture(scope="session")
def simulate():
    return _simulate


@pytest.fixture(scope="session")
def models():
    return {"attentive": _simulate(2.5, 1), "plain": _simulate(2.3, 2), "svm": _simulate(0.7, 3)}


@pytest.fixture(scope="session")
def roles():
    return {"attentive": "proposed", "plain": "ablation", "svm": "baseline"}


@pytest.fixture(scope="session")
def table(models, roles):
    """The comparison of the models, of which two were also scored on random folds."""
    flattered = {name: _simulate(3.0, 7) for name in ("attentive", "plain")}
    return compare(
        models,
        roles,
        protocol="kfold",
        corpus="demo",
        task="music_emotion",
        random_predictions={**flattered, "svm": pd.DataFrame()},
        parameters=EvaluationParameters(n_permutations=500),
    )


@pytest.fixture(scope="session")
def histories():
    epochs = np.arange(6)
    losses = {fold: 1 / (epochs + 1 + fold) for fold in range(2)}
    fits = [
        pd.DataFrame({"fold": fold, "seed": 0, "epoch": epochs, "loss": loss, "val_uar": epochs / 10})
        for fold, loss in losses.items()
    ]
    return {"attentive": pd.concat(fits), "svm": pd.DataFrame(columns=["fold", "seed", "epoch"])}


@pytest.fixture(scope="session")
def attention(models):
    clips = models["attentive"]["clip_id"]
    times = np.arange(8) * 0.5
    weights = np.random.default_rng(0).dirichlet(np.ones(8), size=len(clips))
    return pd.DataFrame({"clip_id": clips, "times": [times] * len(clips), "weights": list(weights)})
