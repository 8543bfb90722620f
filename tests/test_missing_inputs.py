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


BASE = {"env": None}
RECOMMEND = step(["library", "model", "params:x"], "answer")


def test_the_pipelines_that_can_run_now_are_named(catalog):
    with pytest.raises(AffettoError) as caught:
        MissingInputsHook().before_pipeline_run(BASE, RECOMMEND, catalog)
    assert str(caught.value) == (
        "library has not been made yet: "
        "run `kedro run --pipeline=theme` and `kedro run --pipeline=voice` first."
    )


def test_the_environment_that_lacks_them_is_named(catalog):
    with pytest.raises(AffettoError, match="run `kedro run --env benchmark --pipeline=theme` and"):
        MissingInputsHook().before_pipeline_run({"env": "benchmark"}, RECOMMEND, catalog)


TRAINED = {"env": "trained/mine"}


def test_what_lies_in_the_tree_of_the_project_is_made_without_an_environment(catalog, tmp_path):
    model = JSONDataset(filepath=str(tmp_path / "data/trained/mine/model.json"))
    catalog["model"] = model
    with pytest.raises(AffettoError) as caught:
        MissingInputsHook().before_pipeline_run(TRAINED, RECOMMEND, catalog)
    assert "`kedro run --env trained/mine --pipeline=voice`" in str(caught.value)
    assert "`kedro run --pipeline=theme`" in str(caught.value)


def test_a_trained_model_does_not_replace_the_music_of_the_project(catalog, tmp_path):
    theme = step("params:x", "music.library")
    catalog["music.library"] = JSONDataset(filepath=str(tmp_path / "data/library.json"))
    with pytest.raises(AffettoError, match=r"remove `music` there"):
        MissingInputsHook().before_pipeline_run(TRAINED, theme, catalog)
    catalog["music.library"] = JSONDataset(filepath=str(tmp_path / "data/trained/mine/library.json"))
    MissingInputsHook().before_pipeline_run(TRAINED, theme, catalog)
    for env in ("benchmark", None):
        MissingInputsHook().before_pipeline_run({"env": env}, theme, catalog)


def test_a_smaller_pipeline_is_named_when_its_inputs_are_there(catalog):
    catalog.save("clips", [])
    catalog.save("model", {})
    with pytest.raises(AffettoError, match=r"run `kedro run --pipeline=emotion` first\."):
        MissingInputsHook().before_pipeline_run(BASE, RECOMMEND, catalog)


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
        MissingInputsHook().before_pipeline_run(BASE, everything, catalog)
    else:
        with pytest.raises(AffettoError, match=r"no voice recording at .*: name one by recommend\.voice"):
            MissingInputsHook().before_pipeline_run(BASE, everything, catalog)


def test_nothing_is_said_when_all_is_there_or_nothing_makes_it(catalog):
    MissingInputsHook().before_pipeline_run(BASE, step("elsewhere", "answer"), catalog)
    for name in ("library", "model"):
        catalog.save(name, {})
    MissingInputsHook().before_pipeline_run(BASE, RECOMMEND, catalog)


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
        MissingInputsHook().before_pipeline_run(BASE, evaluation, catalog)
    else:
        with pytest.raises(AffettoError, match=said) as caught:
            MissingInputsHook().before_pipeline_run(BASE, evaluation, catalog)
        assert "`kedro run --pipeline=voice`" in str(caught.value)
