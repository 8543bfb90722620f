import shutil

import pytest

from affetto.cli.project import project as in_project
from affetto.cli.run import check_parameters, known_parameters, split_parameters
from affetto.errors import AffettoError

KNOWN = {
    "voice": {
        "corpus": {"source": "demo", "root": "data"},
        "emotion": {"models": {"crnn": {"parameters": {"epochs": 3}}, "svm": {"parameters": {}}}},
        "features": {"mfcc": {"n_mfcc": 20}, "log_mel": None},
    },
    "recommend": {"top": 10, "bridges": {}},
}


def nested(path, value=1):
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


@pytest.mark.parametrize(
    "path",
    [
        "recommend.top",
        "recommend.bridges.mine.anger.calm",
        "voice.corpus.source",
        "voice.emotion.models.svm.parameters.c",
        "voice.emotion.models.crnn.parameters.dropout",
        "voice.features.log_mel.n_mels",
        "voice.corpus.limit",
    ],
)
def test_known_names_and_defaults_in_code_pass(path):
    check_parameters(KNOWN, nested(path))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("recomend.top", "There is no parameter recomend: did you mean recommend?"),
        ("voice.corpsu.source", "There is no parameter voice.corpsu: did you mean voice.corpus?"),
        ("voice.emotion.models.crn.parameters.epochs", "did you mean voice.emotion.models.crnn?"),
        ("voice.features.mfcc.n_mffc", "did you mean voice.features.mfcc.n_mfcc?"),
        ("zzz", "There is no parameter zzz: known here: voice, recommend."),
        ("recommend", "recommend is a group of parameters: give one of top, bridges."),
        ("recommend.top.most", "The parameter recommend.top is a single value: it has no 'most' inside."),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(path, said):
    with pytest.raises(AffettoError) as caught:
        check_parameters(KNOWN, nested(path))
    assert said in str(caught.value)


def test_names_that_the_configuration_asks_for_pass(project, call, monkeypatch):
    monkeypatch.chdir(project)
    archive = shutil.make_archive(str(project / "conf-affetto"), "gztar", project, "conf")
    given = {"run_name": "x", "tracking": {"uri": "y"}, "recommend": {"top": 3}}
    with in_project():
        known = known_parameters(None, None, given)
        assert known == known_parameters(archive, None, given)
    assert known["recommend"]["top"] == 10
    check_parameters(known, given)
    with pytest.raises(AffettoError, match=r"did you mean tracking\.uri"):
        check_parameters(known, {"tracking": {"url": "y"}})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[0-9]+", "[0-9]+"),
        ("^[0-9]{2,3}", "^[0-9]{2,3}"),
        ("{a: b", "{a: b"),
        ("(?:spk|s): [0-9]", {"(?:spk|s)": ["0-9"]}),  # YAML all the same: the types of parameters refuse it
        ("'[0-9]'", "[0-9]"),
        ("/data/a, b/c", "/data/a, b/c"),
        ("%d", "%d"),
        ("3", 3),
        ("null", None),
        ("[1, 2]", [1, 2]),
        ("{a: 1, b: x}", {"a": 1, "b": "x"}),
        ("s3://bucket/a=b", "s3://bucket/a=b"),
        ("", None),
    ],
)
def test_values_are_yaml_and_else_the_text_that_they_are(text, value):
    given = split_parameters(f"voice.corpus.group_pattern={text},seed=1")
    assert given == {"voice": {"corpus": {"group_pattern": value}}, "seed": 1}


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("a=[x=1,y=2],b=3", {"a": ["x=1", "y=2"], "b": 3}),
        ("a={x: {y: [1,2]}, z: 3},b=1", {"a": {"x": {"y": [1, 2]}, "z": 3}, "b": 1}),
        ("a='x, b=3',c=4", {"a": "x, b=3", "c": 4}),
        ("root=/O'Brien/x,b=it's", {"root": "/O'Brien/x", "b": "it's"}),
        ("a=[1,2,b=3", {"a": "[1,2", "b": 3}),
        ("a=1,", {"a": 1}),
        ("a={x: 1},a.y=2", {"a": {"x": 1, "y": 2}}),
        ("é=ü,a=\t[1]", {"é": "ü", "a": "\t[1]"}),
    ],
)
def test_commas_inside_brackets_and_quotes_belong_to_the_value(text, given):
    assert split_parameters(text) == given


@pytest.mark.parametrize(
    "text", ["a", "=3", ",a=1", "a..b=1", "a.=1", "a=1,a=2", "a=2,a.b=1", "a.b=1,a=2", "a=\udcff"]
)
def test_what_is_no_parameter_is_said_in_a_sentence(text):
    with pytest.raises(AffettoError, match="--params"):
        split_parameters(text)
