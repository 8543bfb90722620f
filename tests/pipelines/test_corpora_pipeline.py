"""The corpora pipeline through Kedro's runner, on a small corpus of folders."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from affetto.corpora.parameters import AuditParameters, CorpusParameters, SplitParameters
from affetto.errors import AffettoError
from affetto.io.cache import CacheParameters
from affetto.io.workers import ExecutorParameters
from affetto.pipelines.corpora.pipeline import create_clips_pipeline, create_pipeline


def cache_in(folder):
    names = ("features", "results", "models", "degraded")
    return CacheParameters(**{name: folder / name for name in names})


class Kept(MemoryDataset):
    """Memory that a runner does not free."""

    def _release(self):
        pass


@pytest.fixture
def root(tmp_path):
    for emotion in ("angry", "sad"):
        (tmp_path / "corpus" / emotion).mkdir(parents=True)
        for clip in range(8):
            samples = np.sin(np.arange(2_000) * (clip + 1) / 20)
            soundfile.write(
                tmp_path / "corpus" / emotion / f"s{clip % 4}_{clip}.wav", samples / (clip + 2), 8_000
            )
    (tmp_path / "corpus" / "sad" / "s0_broken.wav").touch()
    return tmp_path / "corpus"


@pytest.fixture
def catalog(root, tmp_path, request):
    taxonomy = yaml.safe_load(
        (request.config.rootpath / "conf/base/taxonomy.yml").read_text(encoding="utf-8")
    )
    entries = {
        "params:voice.corpus": CorpusParameters(source="folders", root=root, group_pattern=r"(s\d)_"),
        "params:voice.audit": AuditParameters(),
        "params:voice.split": SplitParameters(n_folds=2),
        "params:taxonomy": taxonomy["taxonomy"],
        "params:executor": ExecutorParameters(n_jobs=1, progress=False),
        "params:cache": cache_in(tmp_path),
    }
    return DataCatalog({name: MemoryDataset(value, copy_mode="assign") for name, value in entries.items()})


def test_from_folders_to_folds(catalog):
    pipeline = create_pipeline("voice")
    for name in pipeline.all_outputs():
        catalog[name] = Kept()

    SequentialRunner().run(pipeline, catalog)

    loaded = {name: catalog.load(name) for name in pipeline.all_outputs()}
    assert loaded["voice.rejected"]["clip_id"].tolist() == ["folders/sad/s0_broken"]
    assert "folders/sad/s0_broken" in loaded["voice.audit_report"]
    assert loaded["voice.audit_summary"]["emotions"] == {"anger": 8, "sadness": 8}
    assert loaded["voice.folds"]["fold"].value_counts().to_dict() == {0: 8, 1: 8}


def test_a_library_without_labels_has_clips_and_no_folds(catalog, root):
    for name in ("audit", "split"):
        catalog[f"params:music.{name}"] = catalog[f"params:voice.{name}"]
    catalog["params:music.corpus"] = MemoryDataset(CorpusParameters(source="library", root=root))
    catalog["music.clips"] = Kept()

    SequentialRunner().run(create_clips_pipeline("music"), catalog)

    assert len(catalog.load("music.clips")) == 16
    assert catalog.load("music.clips")["emotion"].isna().all()
    with pytest.raises(AffettoError, match="the features pipeline needs no labels"):
        SequentialRunner().run(create_pipeline("music"), catalog)


@pytest.mark.parametrize("side", ["music", "voice"])
def test_one_definition_serves_both_sides(side):
    pipeline = create_pipeline(side)

    assert pipeline.inputs() == {
        *(f"params:{side}.{name}" for name in ("corpus", "audit", "split")),
        "params:taxonomy",
        "params:executor",
        "params:cache",
    }
    assert {node.namespace for node in pipeline.nodes} == {"corpora"}


def test_tables_survive_the_catalog(catalog, tmp_path):
    """What the audit and the splits read is what Parquet gives back, lists and missing text included."""
    outputs = SequentialRunner().run(
        create_pipeline("voice").only_nodes_with_outputs("voice.raw_clips"), catalog
    )
    raw = outputs["voice.raw_clips"].load()
    raw.to_parquet(tmp_path / "raw.parquet")

    read = pd.read_parquet(tmp_path / "raw.parquet")

    assert read["theme"].isna().all()
    pd.testing.assert_frame_equal(read.drop(columns="tags"), raw.drop(columns="tags"))
