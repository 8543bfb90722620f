"""Train on one corpus, test on another: one command over two small corpora of different layouts."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

from affetto.corpora.demo.voice import SENTENCES, SPEAKERS, build_demo_voice

pytestmark = pytest.mark.end_to_end

FOREST = {"estimator": "mfcc_forest", "features": ["mfcc"]}
MODELS = {
    "forest": {**FOREST, "role": "proposed", "parameters": {"n_trees": 20}},
    "smaller": {**FOREST, "role": "baseline", "parameters": {"n_trees": 5}},
}
CORPUS = {"source": "folders", "root": "data/mine", "group_pattern": "([a-z]+)-"}
RUN = (
    "voice.corpus.training_corpora.synthetic.source=demo,"
    "voice.corpus.training_corpora.synthetic.root=data/01_raw/demo/voice,"
    "voice.corpus.training_corpora.synthetic.limit=60"
)


@pytest.fixture(scope="module")
def two(make_project):
    """A project with recordings of its own: of a voice that the demo corpus has, under other emotions."""
    project = make_project("two")
    spoken = project.root / "data/spoken"
    meaning = {"anger": "angry", "happiness": "happy", "sadness": "sad", "fear": "disgusted"}
    for row in build_demo_voice(spoken, seed=7, speakers=SPEAKERS[:2], sentences=SENTENCES[:2]):
        if row["emotion"] in meaning:
            folder = project.root / "data/mine" / meaning[row["emotion"]]
            folder.mkdir(parents=True, exist_ok=True)
            (spoken / row["file"]).rename(folder / row["file"].replace("/", "-"))
    table = (project.root / "conf/base/parameters/emotion.yml").read_text(encoding="utf-8")
    without = dict.fromkeys(yaml.safe_load(table)["voice"]["emotion"]["models"])
    own = {"voice": {"corpus": CORPUS, "emotion": {"models": {**without, **MODELS}}}}
    (project.root / "conf/local").mkdir(exist_ok=True)
    (project.root / "conf/local/parameters.yml").write_text(yaml.safe_dump(own), encoding="utf-8")
    return project


def test_every_model_is_tested_on_the_corpus_it_was_not_trained_on(two):
    outcome = two.kedro("run", "--pipeline=voice", "--params", f"{RUN},voice.split.protocol=cross_corpus")

    assert outcome.returncode == 0, outcome.stderr[-4000:]
    clips = pd.read_parquet(two.root / "data/03_primary/voice/clips.parquet")
    assert set(clips["emotion"]) == {"anger", "happiness", "sadness"}
    folds = pd.read_parquet(two.root / "data/03_primary/voice/folds.parquet").merge(clips, on="clip_id")
    assert folds.groupby("corpus")["fold"].unique().map(list).to_dict() == {"folders": [0], "synthetic": [-1]}
    rejected = pd.read_parquet(two.root / "data/03_primary/voice/rejected.parquet")["reason"]
    assert "emotion not shared: disgust has no clip in synthetic" in set(rejected)
    for model in MODELS:
        tested = pd.read_parquet(two.root / f"data/07_model_output/voice/emotion/{model}/predictions.parquet")
        assert sorted(tested["clip_id"]) == sorted(clips.loc[clips["corpus"] == "folders", "clip_id"])
        answers = {name for name in tested.columns if name.startswith("p_")}
        assert answers == {"p_anger", "p_happiness", "p_sadness"}
    report = (two.root / "data/08_reporting/voice_emotion/report.html").read_text(encoding="utf-8")
    assert "folders + demo (synthetic)" in report
    assert "trained on the others alone" in report
