"""The corpora pipeline through Kedro's runner, on a small corpus of folders, and the features of a clip."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from affetto.corpora.parameters import AuditParameters, CorpusParameters, SplitParameters
from affetto.datasets.features import FeaturesDataset
from affetto.errors import AffettoError
from affetto.features.table import FeatureTable, LogMelParameters, OpenSmileParameters
from affetto.pipelines.corpora.pipeline import (
    create_clips_pipeline,
    create_features_pipeline,
    create_pipeline,
)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "corpus"
    for emotion in ("angry", "sad"):
        (root / emotion).mkdir(parents=True)
        for clip in range(8):
            samples = np.sin(np.arange(2_000) * (clip + 1) / 20)
            soundfile.write(root / emotion / f"s{clip % 4}_{clip}.wav", samples / (clip + 2), 8_000)
    (root / "sad" / "s0_broken.wav").touch()
    return root


@pytest.fixture
def parameters(request):
    text = (request.config.rootpath / "conf/base/taxonomy.yml").read_text(encoding="utf-8")

    def of(side, **corpus):
        values = {
            "corpus": CorpusParameters(**corpus),
            "audit": AuditParameters(),
            "split": SplitParameters(n_folds=2),
        }
        named = {f"params:{side}.{name}": value for name, value in values.items()}
        return named | {"params:taxonomy": yaml.safe_load(text)["taxonomy"]}

    return of


def test_from_folders_to_folds(run, parameters, root):
    given = parameters("voice", source="folders", root=root, group_pattern=r"(s\d)_")
    catalog = run(create_pipeline("voice"), given)

    loaded = {name: catalog.load(f"voice.{name}") for name in ("rejected", "audit_summary", "folds")}
    assert loaded["rejected"]["clip_id"].tolist() == ["folders/sad/s0_broken"]
    assert "folders/sad/s0_broken" in catalog.load("voice.audit_report")
    assert loaded["audit_summary"]["emotions"] == {"anger": 8, "sadness": 8}
    assert loaded["folds"]["fold"].value_counts().to_dict() == {0: 8, 1: 8}


def test_a_library_without_labels_has_clips_and_no_folds(run, parameters, root):
    given = parameters("music", source="library", root=root)
    clips = run(create_clips_pipeline("music"), given).load("music.clips")

    assert len(clips) == 16
    assert clips["emotion"].isna().all()
    with pytest.raises(AffettoError, match="the features pipeline needs no labels"):
        run(create_pipeline("music"), given)


def test_a_folder_that_is_missing_is_named_as_the_parameter_is_called(run, parameters, tmp_path):
    given = parameters("library", source="library", root=tmp_path / "nowhere")
    with pytest.raises(AffettoError, match=r"library\.corpus\.root is"):
        run(create_clips_pipeline("library", kind="music"), given)


def test_a_run_fills_the_stores_and_notes_what_the_models_read(run, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.1, 0.1, 8_000), 16_000)
    given = {
        "mine.clips": pd.DataFrame({"clip_id": ["c/a"], "path": ["a.wav"]}),
        "params:mine.corpus": CorpusParameters(root=tmp_path),
        "params:voice.features": FeatureTable(
            log_mel=LogMelParameters(),
            egemaps=OpenSmileParameters(feature_set="eGeMAPSv02"),
            lld=OpenSmileParameters(feature_set="eGeMAPSv02"),  # which no model reads
        ),
    }
    noted = {"mine.features": FeaturesDataset(filepath=str(tmp_path / "mine.json"))}
    pipeline = create_features_pipeline("mine", ("egemaps", "log_mel"), parameters_of="voice")

    found = run(pipeline, given, noted).load("mine.features")

    assert {name: each[0].shape for name, each in found.items()} == {
        "egemaps": (1, 88),
        "log_mel": (1 + 8_000 // 256, 64),
    }
    stores = {path.name for path in (tmp_path / "cache/features/mine").iterdir()}
    assert stores == {"log_mel", "egemaps"}
