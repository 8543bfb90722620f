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
    ("name", "boxes"),
    [
        ("theme", BOXES - {"crnn_lld", "playlist"}),
        ("voice", BOXES & {"corpora", "features", "crnn_lld", "reports"}),
    ],
)
def test_a_part_opens_with_its_own_boxes(graphs, name, boxes):
    shown = first_screen(graphs[name])

    assert len(shown) <= 25
    assert {each for kind, each in shown if kind == "modularPipeline"} == boxes


@pytest.mark.parametrize("name", PIPELINES)
def test_nodes_and_data_sets_can_be_counted(graphs, name):
    kinds = Counter(node["type"] for node in graphs[name]["nodes"])

    assert kinds["task"] <= 70
    assert kinds["data"] <= 90


@pytest.mark.parametrize("name", PIPELINES)
def test_layers_are_in_the_order_of_the_data(graphs, name):
    layers = graphs[name]["layers"]

    assert layers  # Kedro-Viz leaves all of them out where they make a circle
    wanted = ["primary", "feature", "models", "model_output", "reporting"]
    assert [layer for layer in layers if layer in wanted] == wanted


@pytest.mark.parametrize("name", PIPELINES)
def test_a_model_is_one_node_and_a_side_is_scored_by_one(graphs, name):
    tasks = [node for node in graphs[name]["nodes"] if node["type"] == "task"]
    # The modular pipelines of a step are its box and the boxes around it: the longest is its own.
    own = Counter(max(task["modular_pipelines"], key=len) for task in tasks)
    models = {box: count for box, count in own.items() if "." in box}

    assert models
    assert set(models.values()) == {1}
    scoring = Counter(task["name"] for task in tasks if task["name"].startswith("score_"))
    sides = {"theme": {"music"}, "voice": {"voice"}}.get(name, {"music", "voice"})
    assert {task for task in scoring if task.endswith("emotion_models")} == {
        f"score_{side}_emotion_models" for side in sides
    }
    assert set(scoring.values()) == {1}
