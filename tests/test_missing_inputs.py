import re

import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset

import affetto.hooks
from affetto.corpora.clips import AUDIT_COLUMNS, CLIP_COLUMNS
from affetto.corpora.parameters import CorpusParameters
from affetto.errors import AffettoError
from affetto.hooks import MissingInputsHook
from affetto.recommendation.parameters import RecommendParameters


def keep(*values):
    return values[0]


def step(inputs, output):
    return Pipeline([Node(keep, inputs=inputs, outputs=output, name=f"make_{output}")])


@pytest.fixture
def catalog(tmp_path):
    names = ("clips", "library", "model")
    files = {name: JSONDataset(filepath=str(tmp_path / f"{name}.json")) for name in names}
    return DataCatalog({**files, "params:x": MemoryDataset(1)})


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    theme = step("params:x", "clips") + step("clips", "library")
    pipelines = {
        "emotion": step("clips", "library"),
        "theme": theme,
        "voice": step("params:x", "model"),
        "__default__": theme + step("params:x", "model"),
    }
    monkeypatch.setattr(affetto.hooks, "_registered", lambda: pipelines)


RECOMMEND = step(["library", "model", "params:x"], "answer")


def check(pipeline, catalog, env=None):
    MissingInputsHook().before_pipeline_run({"env": env}, pipeline, catalog)


@pytest.mark.parametrize(
    ("env", "there", "said"),
    [
        (
            None,
            [],
            "library has not been made yet: "
            "run `kedro run --pipeline=theme` and `kedro run --pipeline=voice` first.",
        ),
        ("benchmark", [], "run `kedro run --env benchmark --pipeline=theme` and"),
        # a smaller pipeline, where its inputs are there
        (None, ["clips", "model"], "run `kedro run --pipeline=emotion` first."),
        # what lies in the tree of the project is made without an environment
        (
            "trained/mine",
            [],
            "run `kedro run --env trained/mine --pipeline=voice` and `kedro run --pipeline=theme`",
        ),
    ],
)
def test_the_pipelines_that_can_run_now_are_named(catalog, tmp_path, env, there, said):
    catalog["model"] = JSONDataset(filepath=str(tmp_path / "data/trained/mine/model.json"))
    for name in there:
        catalog.save(name, {})
    with pytest.raises(AffettoError, match=re.escape(said)):
        check(RECOMMEND, catalog, env)


def test_nothing_is_said_when_all_is_there_or_nothing_makes_it(catalog):
    check(step("elsewhere", "answer"), catalog)
    for name in ("library", "model"):
        catalog.save(name, {})
    check(RECOMMEND, catalog)


def test_a_trained_model_does_not_replace_the_music_of_the_project(catalog, tmp_path):
    theme = step("params:x", "music.library")
    catalog["music.library"] = JSONDataset(filepath=str(tmp_path / "data/library.json"))
    with pytest.raises(AffettoError, match=r"remove `music` there"):
        check(theme, catalog, "trained/mine")
    for env in ("benchmark", None):
        check(theme, catalog, env)
    catalog["music.library"] = JSONDataset(filepath=str(tmp_path / "data/trained/mine/library.json"))
    check(theme, catalog, "trained/mine")


@pytest.mark.parametrize(
    ("source", "there", "fine"),
    [
        ("emodb", False, False),
        ("emodb", True, True),
        ("demo", False, True),  # the run makes it
        ("another demo", False, False),  # elsewhere: it does not
    ],
)
def test_a_run_of_everything_looks_for_the_recordings_first(tmp_path, source, there, fine):
    voice, root = tmp_path / "voice", tmp_path / ("elsewhere" if source == "another demo" else "")
    source = source.removeprefix("another ")
    if there:
        voice.mkdir()
    given = {
        "params:recommend": RecommendParameters(voice=str(voice)),
        "params:voice.corpus": CorpusParameters(source=source, root=root),
    }
    catalog = DataCatalog({name: MemoryDataset(value, copy_mode="assign") for name, value in given.items()})
    everything = step("params:voice.corpus", "voice.raw_clips") + step(
        ["params:recommend", "voice.raw_clips"], "hear.voices"
    )
    if fine:
        check(everything, catalog)
    else:
        with pytest.raises(AffettoError, match=r"no voice recording at .*: name one by recommend\.voice"):
            check(everything, catalog)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, None),
        (
            {"columns": ["second_group", "note"]},
            r"another version of Affetto \(it lacks second_group, note\)",
        ),
        ({"source": "emodb"}, "last run of this side was on demo, but voice.corpus is emodb"),
    ],
)
def test_clips_of_another_version_or_corpus_are_told_before_anything_runs(changed, said):
    columns = [name for name in (*CLIP_COLUMNS, *AUDIT_COLUMNS) if name not in changed.get("columns", ())]
    given = {
        "voice.clips": pd.DataFrame({name: ["demo"] for name in columns}),
        "params:voice.corpus": CorpusParameters(source=changed.get("source", "demo")),
    }
    catalog = DataCatalog({name: MemoryDataset(value, copy_mode="assign") for name, value in given.items()})
    evaluation = step(["voice.clips", "params:voice.corpus"], "answer")
    if said is None:
        check(evaluation, catalog)
    else:
        with pytest.raises(AffettoError, match=said) as caught:
            check(evaluation, catalog)
        assert "`kedro run --pipeline=voice`" in str(caught.value)
