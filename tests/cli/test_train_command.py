"""`affetto train`: what it makes of a folder before anything is trained, in a small project."""

from __future__ import annotations

import shlex

import pandas as pd
import pytest
import yaml
from kedro.config import OmegaConfigLoader

from affetto.cli.corpora import train_command
from affetto.cli.project import project as in_project
from affetto.cli.train import LARGE, find_corpus, prepare
from affetto.corpora.parameters import SplitParameters
from affetto.experiments.cross_validate import ExperimentParameters
from affetto.io.configuration import CONFIG_LOADER_ARGS
from affetto.pipelines.model_table import read_tables


def make_clips(folder, *, speakers=4, emotions=("anger", "sadness", "neutral"), each=2):
    """Make empty recordings, `<emotion>/<speaker>_<number>.wav`; nothing that is tested here opens them."""
    for emotion in emotions:
        (folder / emotion).mkdir(parents=True, exist_ok=True)
        for speaker in range(speakers):
            for number in range(each):
                (folder / emotion / f"{speaker:02d}_{number}.wav").touch()
    return folder


@pytest.fixture
def voices(tmp_path):
    return make_clips(tmp_path / "My voices")


@pytest.fixture
def make(project, call, monkeypatch):
    """Return a function that prepares a model and returns its parameters as a run would read them."""

    def run(folder, *, name=None, group=None, side="voice", source=None, words=()):
        monkeypatch.chdir(project)
        corpus = find_corpus(str(folder), side, source, group, words)
        with in_project() as root:
            model = prepare(root, corpus, side, name)
        return read(project, model)

    return run


def read(project, model):
    loader = OmegaConfigLoader(
        conf_source=str(project / "conf"), env=f"trained/{model}", **CONFIG_LOADER_ARGS
    )
    assert loader["globals"]["data"] == f"data/trained/{model}"
    return loader["parameters"]


def test_class_folders_get_an_environment_of_their_own(make, voices, project, capsys):
    before = {path: path.read_bytes() for path in (project / "conf/base").rglob("*.yml")}
    parameters = make(voices, group="^[0-9]{2}")
    told = capsys.readouterr().out
    assert "24 labelled clips of 4 groups: 8 anger, 8 neutral, 8 sadness." in told
    assert "conf/trained/my-voices" in told
    corpus = parameters["voice"]["corpus"]
    assert (corpus["source"], corpus["root"]) == ("folders", str(voices))
    assert (corpus["name"], corpus["group_pattern"]) == ("my-voices", "^[0-9]{2}")
    assert parameters["voice"]["split"]["protocol"] == "leave_one_group_out"
    assert parameters["voice"]["emotion"]["experiment"]["leakage_gap"] is False
    assert before == {path: path.read_bytes() for path in (project / "conf/base").rglob("*.yml")}


def test_settings_follow_the_size(make, tmp_path):
    many = make_clips(tmp_path / "many", speakers=20, each=LARGE // 60 + 1)
    parameters = make(many, group="^[0-9]{2}")
    voice = parameters["voice"]
    assert SplitParameters.model_validate(voice["split"]).protocol == "kfold"
    experiment = ExperimentParameters.model_validate(voice["emotion"]["experiment"])
    assert (experiment.n_seeds, experiment.leakage_gap) == (1, True)
    assert read_tables(parameters)["voice"]["crnn_lld"].conditions  # those of conf/benchmark hear copies


@pytest.mark.parametrize("side", ["voice", "music"])
@pytest.mark.parametrize("each", [2, 70])
def test_every_size_has_a_proposed_model_on_both_sides(make, tmp_path, side, each):
    emotions = ("anger", "sadness", "neutral") if side == "voice" else ("happy", "sad", "calm")
    parameters = make(make_clips(tmp_path / "clips", emotions=emotions, each=each), side=side)
    for table in read_tables(parameters).values():
        assert [model.role for model in table.values()].count("proposed") == 1


@pytest.mark.parametrize("given", ["table.csv", "."])
def test_a_table_is_found_in_its_folder_and_by_its_name(make, tmp_path, given):
    folder = make_clips(tmp_path / "clips") if given == "." else make_clips(tmp_path / "others")
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.wav"))
    table = pd.DataFrame({"path": paths, "emotion": [path.partition("/")[0] for path in paths]})
    table["who"] = [path.partition("/")[2][:2] for path in paths]
    table.to_csv(folder / "table.csv", index=False)
    parameters = make(folder / given, group="who", name="a-table")
    corpus = parameters["voice"]["corpus"]
    assert (corpus["source"], corpus["root"], corpus["table"]) == ("table", str(folder), "table.csv")
    assert corpus["group_column"] == "who"


def test_a_pattern_that_catches_the_class_folder_is_told(make, voices, capsys):
    make(voices, group="^[a-z]+/[0-9]{2}")
    assert "None of the 12 groups has clips of two emotions" in capsys.readouterr().out
    make(voices, group="([0-9]{2})_", name="right")
    assert "None of the" not in capsys.readouterr().out


def test_what_was_edited_is_kept_and_the_rest_follows_the_corpus(make, voices, project, capsys):
    without = make(voices)
    assert "Every clip is its own group" in capsys.readouterr().out
    assert without["voice"]["split"] == {"protocol": "kfold", "n_folds": 5, "seed": 0}
    emotion = project / "conf/trained/my-voices/parameters/emotion.yml"
    edited = f"{emotion.read_text()}# mine\n"
    emotion.write_text(edited)
    parameters = make(voices, group="^[0-9]{2}")
    assert emotion.read_text() == edited
    assert "conf/trained/my-voices/parameters/emotion.yml was edited" in capsys.readouterr().out
    assert parameters["voice"]["corpus"]["group_pattern"] == "^[0-9]{2}"


def test_paths_patterns_and_labels_of_ones_own_are_kept_literally(make, tmp_path):
    folder = make_clips(tmp_path / "a: ${b} 'c' #d", emotions=("fury", "sadness"))
    (folder / "speakers.csv").write_text("speaker,age\n00,30\n")  # no table of clips
    parameters = make(folder, name="odd", group="^(?:[0-9]){2}", words=["label_map={fury: anger}"])
    corpus = parameters["voice"]["corpus"]
    assert (corpus["source"], corpus["root"]) == ("folders", str(folder))
    assert (corpus["group_pattern"], corpus["label_map"]) == ("^(?:[0-9]){2}", {"fury": "anger"})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing"], "which is not there"),
        (["My voices", "--name", "No Name!"], "--name 'No Name!' is no name for a model"),
        (["My voices", "--group", "^x"], "--group '^x' finds nothing in 24 of 24 paths"),
        (["My voices", "--group", "["], "not a regular expression"),
        (["My voices", "--group", "wav"], "All 24 clips are of one group"),
        (["My voices/anger"], "their labels tell no emotion"),
        (["My voices", "--param", "label_map={sadness: anger, neutral: anger}"], "only anger"),
        (["My voices", "--source", "nix"], "There is no source 'nix'"),
        (["My voices", "--source", "emodb", "--group", "x"], "leave --group out"),
        (["My voices/anger/00_0.wav"], "is a file: give a folder"),
        (["strange"], "Labels that the taxonomy does not know: 'fury' (8 clips)"),
        (["strange"], 'give --param "label_map={LABEL: EMOTION}"'),
        (["lonely"], "tell only anger (besides one clip only of fear)"),
    ],
)
def test_what_cannot_be_trained_is_said_at_once(call, sentence, voices, project, arguments, said):
    make_clips(voices.parent / "strange", emotions=("fury", "sadness"))
    lonely = make_clips(voices.parent / "lonely", emotions=("anger",))
    make_clips(lonely, emotions=("fear",), speakers=1, each=1)
    folder, *options = arguments
    assert said in sentence(call("train", voices.parent / folder, *options))
    assert not (project / "conf/trained").exists()


def test_hear_names_the_models_that_there_are(call, sentence, make, voices):
    said = sentence(call("hear", "x.wav", "--model", "mine"))
    assert said.startswith("There is no model 'mine': none has been trained here yet")
    make(voices)
    other = sentence(call("train", make_clips(voices.parent / "other"), "--name", "my-voices"))
    assert other.startswith(f"The model my-voices was trained on {voices} (folders)")
    assert "there are my-voices" in sentence(call("hear", "x.wav", "--model", "mine"))
    assert "give one of them" in sentence(call("recommend", "x.wav", "--model", "my-voices", "--env", "base"))


@pytest.mark.parametrize(
    "parameter", [None, "group_pattern=([0-9]{2})_", "label_map={anger: fear, 'no': null}"]
)
def test_check_prints_the_command_that_trains(call, project, voices, parameter):
    words = [] if parameter is None else ["--param", parameter]
    told = call("corpora", "check", "folders", voices, "--side", "voice", *words).stdout
    (line,) = [line for line in told.splitlines() if line.startswith("Train on it: ")]
    assert ("Every clip is its own group" in told) == (parameter != "group_pattern=([0-9]{2})_")
    program, command, folder, *options = shlex.split(line.removeprefix("Train on it: "))
    assert (program, command, folder) == ("affetto", "train", str(voices))
    given = dict(zip(options[::2], options[1::2], strict=True))
    group = given.get("--group")
    corpus = find_corpus(folder, "voice", None, group, [given["--param"]] if "--param" in given else [])
    assert train_command(corpus, "voice") == line.removeprefix("Train on it: ")
    if parameter is not None:
        key, _, value = parameter.partition("=")
        assert getattr(corpus, key) == (yaml.safe_load(value) if key == "label_map" else value)


def test_check_prints_the_command_for_tables_and_published_corpora(call, tmp_path):
    folder = make_clips(tmp_path / "clips")
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.wav"))
    emotions = [path.partition("/")[0] for path in paths]
    pd.DataFrame({"path": paths, "emotion": emotions}).to_csv(folder / "clips.csv", index=False)
    told = call("corpora", "check", "table", folder, "--side", "voice", "--param", "table=clips.csv").stdout
    assert f"Train on it: affetto train {folder / 'clips.csv'}" in told
    assert "the column that names the speaker" in told
    (tmp_path / "emodb").mkdir()
    for name in ("03a01Fa.wav", "03a01Na.wav", "16a02Fc.wav", "16a02Nc.wav"):
        (tmp_path / "emodb" / name).touch()
    told = call("corpora", "check", "emodb", tmp_path / "emodb").stdout
    assert f"Train on it: affetto train {tmp_path / 'emodb'} --source emodb" in told
