"""Themes from features to cards, page, library and scores, and found again by the next run."""

import numpy as np
import pandas as pd
import pytest

from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.datasets.themes import StateDataset
from affetto.evaluation.parameters import EvaluationParameters
from affetto.features.clip_features import ClipFeatures
from affetto.features.encoder.extract import EncoderParameters
from affetto.features.encoder.musicnn import TAGS
from affetto.pipelines.theme import nodes
from affetto.pipelines.theme.pipeline import create_pipeline
from affetto.recommendation.parameters import RecommendParameters
from affetto.themes.parameters import (
    CodebookParameters,
    DescriptorParameters,
    ThemeEvaluationParameters,
    ThemeParameters,
    TopicParameters,
)

PARAMETERS = ThemeParameters(
    codebook=CodebookParameters(
        descriptors={"timbre": DescriptorParameters(dimensions=("mfcc_",), n_words=8)}, sample_frames=500
    ),
    topics=TopicParameters(candidates=(2,), n_seeds=2, passes=5, min_clips_per_topic=4),
    evaluation=ThemeEvaluationParameters(n_topics=2, min_label_clips=3),
)


@pytest.fixture
def inputs(tmp_path):
    rng = np.random.default_rng(0)
    ids = [f"d/{i:02d}" for i in range(25)]
    arrays = [rng.normal(5 * (i % 2), 1, (20, 3)) for i in range(25)]
    clips = pd.DataFrame(
        {
            "clip_id": ids,
            "emotion": ["calm"] * 24 + [None],
            "theme": ["a", "b"] * 12 + [None],
            "tags": [["t"]] * 25,
            "group": ids,
            "corpus": "d",
            "path": [f"{i}.wav" for i in range(25)],
            "start_s": np.nan,
            "end_s": np.nan,
            "duration_s": 2.0,
        }
    )
    return {
        "music.features": {
            "mfcc": ClipFeatures.from_arrays("mfcc", ids, arrays, hop_s=0.1),
            "midterm": ClipFeatures.from_arrays("midterm", ids, [a[::8] for a in arrays], hop_s=0.8),
        },
        "music.clips": clips,
        "music.folds": pd.DataFrame({"clip_id": ids[:24], "fold": np.arange(24) // 2 % 3}),
        "music.emotions": {
            "emotions": pd.DataFrame({"clip_id": ids, "p_calm": 0.8, "p_sad": 0.2}),
            "attention": pd.DataFrame(
                {"clip_id": ids, "times": [[0.0, 1.0]] * 25, "weights": [[0.5, 0.5]] * 25}
            ),
        },
        "music.theme.previous": None,
        "params:music.corpus": CorpusParameters(source="demo", root=str(tmp_path)),
        "params:music.split": SplitParameters(protocol="kfold"),
        "params:evaluation": EvaluationParameters(n_permutations=100),
        "params:recommend": RecommendParameters(voice="voices"),
        "params:music.theme": PARAMETERS,
    }


@pytest.fixture
def run_themes(run, inputs, tmp_path):
    """Return what runs the pipeline, with the data sets that have a format of their own."""
    kinds = {
        "codebook": "affetto.themes.codebook.Codebook",
        "words": "affetto.themes.words.AudioWords",
        "model": "affetto.themes.model.ThemeModel",
    }
    stored = {
        f"music.theme.{name}": StateDataset(filepath=str(tmp_path / f"{name}.npz"), kind=kind)
        for name, kind in kinds.items()
    }
    return lambda: run(create_pipeline(), inputs, stored)


@pytest.mark.parametrize("labelled", [True, False])
def test_all_outputs_are_made_and_a_second_run_repeats_nothing(run_themes, inputs, monkeypatch, labelled):
    if not labelled:
        inputs["music.clips"] = inputs["music.clips"].assign(theme=None)
    catalog = run_themes()
    for name in create_pipeline().all_outputs():
        assert catalog.load(name) is not None
    themes = catalog.load("music.themes")
    assert len(themes) == 25
    assert set(catalog.load("music.theme.mixtures")["emotion"]) == {"calm", "sad"}
    results = catalog.load("theme.results")
    metrics = results["metrics"]["lda_audio_words"]
    assert ("theme_accuracy" in metrics) == ("theme_ami" in metrics) == labelled
    assert "stability_ari" in metrics
    assert "cannot be heard" in catalog.load("music.theme.page")  # no clip has a file here
    assert set(catalog.load("music.theme.inaudible")) <= set(themes["clip_id"])
    assert len(catalog.load("music.theme.discrimination")["svm_statistics"]) == (24 if labelled else 0)
    assert list(results["comparison"]["role"][:1]) == (["proposed"] if labelled else [])
    assert "stability_ari" in results["discovery"]
    library = catalog.load("music.library")
    assert list(library["tracks"]["clip_id"]) == list(inputs["music.clips"]["clip_id"])
    assert set(library["mixtures"]["theme"]) == {card["theme"] for card in library["cards"]}

    assert set(library["tracks"]["predicted_tags"]) == {""}

    def refuse(*_, **__):
        raise AssertionError("computed again")

    for name in ("fit_codebook", "count_words", "fit_themes"):
        monkeypatch.setattr(nodes, name, refuse)
    pd.testing.assert_frame_equal(run_themes().load("music.themes"), themes)


def test_tags_and_an_embedding_are_used_where_they_are_extracted(run_themes, inputs):
    """Without their weights there are neither, as in the test above."""
    ids = list(inputs["music.clips"]["clip_id"])
    rows = np.zeros((25, len(TAGS)))
    rows[np.arange(25), [TAGS.index(("acoustic", "Mellow")[i % 2]) for i in range(25)]] = 0.9
    tags = EncoderParameters(name="musicnn-msd", layers=(3,), level="frames").describe()
    inputs["music.features"] |= {
        "tags": ClipFeatures.from_arrays("tags", ids, list(rows), hop_s=1.488, parameters=tags),
        "encoder": ClipFeatures.from_arrays("encoder", ids, list(rows[:, :30])),
    }
    catalog = run_themes()
    names = {card["name"] for card in catalog.load("music.theme.cards")}
    assert any("acoustic" in name for name in names) and any("mellow" in name for name in names)
    page = catalog.load("music.theme.page")
    assert "musicnn" in page and "Million Song Dataset" in page
    assert "acoustic" in catalog.load("music.library")["tracks"]["predicted_tags"][0]
    results = catalog.load("theme.results")
    roles = {
        **results["discovery"].set_index("model")["role"],
        **results["comparison"].set_index("model")["role"],
    }
    assert roles["kmeans_encoder"] == roles["svm_encoder"] == "pretrained"
