"""Published tables are what the committed figures say, and come from one commit."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path

import pandas as pd
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks/tables.py"
DOCS = SCRIPT.parents[1] / "docs"


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("published_tables", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["published_tables"] = module  # dataclasses ask for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def docs(tables, tmp_path):
    """The music tables of two models, as a run of another day left them, and a page."""
    folder = tmp_path / "docs/results/music-emopia"
    folder.mkdir(parents=True)
    row = {"role": "proposed", "uar": 0.5, "wa": 0.6123, "wa_ci_low": 0.5, "wa_ci_high": 0.7}
    tested = {"role": "baseline", "wa": 0.4, "wa_difference": 0.2123, "wa_p_permutation_holm": 0.04}
    written = {
        "comparison.csv": pd.DataFrame([{"model": "net", **row}, {"model": "svm", "uar": 0.4, **tested}]),
        "highlights.csv": pd.DataFrame(columns=["model"]),
        "chosen.csv": pd.DataFrame({"model": "svm", "parameter": "C", "value": ["0.1", "3"], "fits": [7, 3]}),
    }
    for file, table in written.items():
        table.to_csv(folder / file, index=False)
    described = {
        "commit": "f" * 40,
        "command": tables.RUNS["music-emopia"].command(""),
        **{"corpus": "emopia", "protocol": "kfold", "clips": 8, "groups": 4, "seeds": 2},
        "corpus_digest": "d" * 64,
        "files": {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in written},
    }
    (folder / "run.json").write_text(json.dumps(described))
    marks = "before\n<!-- table: {} -->\n<!-- end -->\nafter\n"
    (tmp_path / "docs/results.md").write_text(marks.format("music-emopia") + marks.format("voice"))
    (tmp_path / "README.md").write_text(marks.format("summary"))
    return tmp_path / "docs"


def test_the_pages_are_what_the_committed_figures_say(tables):
    texts = tables.blocks(DOCS / "results")
    marked = ""
    for page in tables.pages(DOCS):
        text = page.read_text(encoding="utf-8")
        marked += text
        assert tables.fill(text, texts) == text, f"{page.name}: python benchmarks/tables.py --render"
    assert all(f"<!-- table: {name} -->" in marked for name in (*tables.RUNS, "summary"))


def test_figures_go_to_their_places_and_nowhere_else(tables, docs):
    tables.write(docs)
    page, readme = (docs / "results.md").read_text(), (docs.parent / "README.md").read_text()
    assert "| **net** | proposed | 0.500 | 0.612 [0.500, 0.700] |" in page
    assert "| svm | C | 0.1 (7), 3 (3) |" in page
    assert "commit `ffffffffff`" in page
    assert f"voice -->\n\n{tables.NOT_YET}" in page
    assert page.startswith("before\n") and page.endswith("after\n")
    assert "accuracy | svm | baseline | 0.400 | +0.212 | 0.040 | `ffffffffff` |" in readme
    again = tables.blocks(docs / "results")
    assert all(tables.fill(text, again) == text for text in (page, readme))
    assert tables.fill(page.replace("0.612", "0.712"), again) == page  # a figure edited by hand does not last


def test_a_figure_that_the_run_did_not_leave_is_refused(tables, docs):
    file = docs / "results/music-emopia/comparison.csv"
    file.write_text(file.read_text().replace("0.6123", "0.7123"))
    with pytest.raises(tables.TableError, match=r"music-emopia/comparison\.csv is not the file"):
        tables.blocks(docs / "results")


def test_what_inner_folds_chose_is_counted(tables, tmp_path):
    run = tables.RUNS["music-emopia"]
    for file in (*run.outputs.values(), "07_model_output/music/emotion/forest/histories.parquet"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"model": ["forest"]}).to_csv(tmp_path / run.outputs["comparison.csv"])
    search = {"fold": [0, 0, 1, 1], "seed": 0, "max_depth": [8, None, 8, None], "inner_uar": 0.5}
    search |= {"inner_log_loss": 1.0, "chosen": [False, True, False, True]}
    pd.DataFrame(search).to_parquet(tmp_path / "07_model_output/music/emotion/forest/histories.parquet")
    assert tables.chosen(run, tmp_path).to_numpy().tolist() == [["forest", "max_depth", "no limit", 2]]


def test_code_that_is_not_committed_makes_no_table_and_texts_do_not_count(tables, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "PROJECT", tmp_path)
    author = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]

    def commit():
        tables.git("add", "-A")
        tables.git(*author, "commit", "-q", "-m", "change")
        return tables.git("rev-parse", "HEAD")

    tables.git("init", "-q")
    (tmp_path / "docs").mkdir()
    for file in ("code.py", "README.md", "docs/a.md"):
        (tmp_path / file).write_text("1")
    first = commit()
    (tmp_path / "docs/b.csv").write_text("2")
    assert tables.clean_commit() == first
    folder = tmp_path / "docs/voice"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"commit": first, "command": "kedro"}))
    commit()
    assert tables.made_by(folder, "kedro") == first
    assert tables.made_by(folder, "kedro --params a=1") is None
    (tmp_path / "code.py").write_text("2")
    with pytest.raises(tables.TableError, match=r"one commit, but code\.py is not committed"):
        tables.clean_commit()
    commit()
    assert tables.made_by(folder, "kedro") is None
    (folder / "run.json").write_text(json.dumps({"commit": "0" * 40, "command": "kedro"}))
    assert tables.made_by(folder, "kedro") is None
