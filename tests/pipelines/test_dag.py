"""The DAG as Kedro-Viz shows it opens as the paper's figure, and stays small enough to be read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PIPELINES = ("__default__", "theme", "voice")
BOXES = {
    *("corpora", "features", "attention_lstm", "crnn_lld", "codebook_topics_and_themes", "playlist"),
    "reports",
}
_READ = """
import json, sys
from pathlib import Path
from kedro.framework.startup import bootstrap_project
from kedro_viz.api.rest.responses.pipelines import get_pipeline_response
from kedro_viz.server import load_and_populate_data

project = Path(sys.argv[1])
bootstrap_project(project)
load_and_populate_data(project, env=None, include_hooks=False, package_name=None, pipeline_name=None,
                       extra_params={}, is_lite=False)
answers = {name: get_pipeline_response(name).model_dump(mode="json") for name in sys.argv[3:]}
Path(sys.argv[2]).write_text(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    """What Kedro-Viz answers its page; in a process of its own, as it keeps what it has read."""
    root = tmp_path_factory.mktemp("viz")  # a copy of the project, as Kedro-Viz may write into it
    shutil.copytree(PROJECT / "conf", root / "conf", ignore=shutil.ignore_patterns("local", "trained"))
    shutil.copy(PROJECT / "pyproject.toml", root)
    for folder in ("src", "conf/local"):
        (root / folder).mkdir()
    answer = root / "answer.json"
    command = [sys.executable, "-c", _READ, str(root), str(answer), *PIPELINES]
    environment = {**os.environ, "DO_NOT_TRACK": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=environment, cwd=root
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(answer.read_text("utf-8"))


def first_screen(graph):
    """Return type and id of what is seen before a click; Kedro-Viz hides parameters."""
    children = graph["modular_pipelines"]["__root__"]["children"]
    shown = [(child["type"], child["id"]) for child in children if child["type"] != "parameters"]
    parameters = {node["id"] for node in graph["nodes"] if node["type"] == "parameters"}
    return [(kind, name) for kind, name in shown if name not in parameters]


def test_the_first_screen_is_the_figure_of_the_paper(graphs):
    shown = first_screen(graphs["__default__"])

    assert 12 <= len(shown) <= 25
    assert {name for kind, name in shown if kind == "modularPipeline"} >= BOXES
    assert not [name for kind, name in shown if kind == "task"]  # every step is in a box


@pytest.mark.parametrize(
    ("name", "boxes", "sides"),
    [
        ("__default__", BOXES, {"music", "voice"}),
        ("theme", BOXES - {"crnn_lld", "playlist"}, {"music"}),
        ("voice", BOXES & {"corpora", "features", "crnn_lld", "reports"}, {"voice"}),
    ],
)
def test_a_pipeline_can_be_read_as_a_graph(graphs, name, boxes, sides):
    graph, shown = graphs[name], first_screen(graphs[name])
    assert len(shown) <= 25
    assert {each for kind, each in shown if kind == "modularPipeline"} == boxes

    kinds = Counter(node["type"] for node in graph["nodes"])
    assert kinds["task"] <= 70
    assert kinds["data"] <= 90

    wanted = ["primary", "feature", "models", "model_output", "reporting"]
    # Kedro-Viz leaves all layers out where they make a circle.
    assert [layer for layer in graph["layers"] or () if layer in wanted] == wanted

    tasks = [node for node in graph["nodes"] if node["type"] == "task"]
    # The modular pipelines of a step are its box and the boxes around it: the longest is its own.
    own = Counter(max(task["modular_pipelines"], key=len) for task in tasks)
    assert {count for box, count in own.items() if "." in box} == {1}  # one step a model
    scoring = [task["name"] for task in tasks if task["name"].endswith("emotion_models")]
    assert sorted(scoring) == sorted(f"score_{side}_emotion_models" for side in sides)
