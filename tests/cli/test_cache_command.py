"""`affetto cache`, as a user calls it, in a small project whose caches hold a few entries."""

from __future__ import annotations

import os
import time

import pytest
import yaml

FIT, OLD = "0" * 32, "1" * 32
DAY_S = 86_400


@pytest.fixture
def caches(project):
    """Two entries in each cache, one of them forty days old; path → whether it is old."""
    folders = {
        "04_feature/voice/mfcc": ("shards/a.arrow", "plan.parquet", "keys.parquet"),
        "04_feature/music/mfcc": ("shards/a.arrow",),
        "04_feature/degraded/voice/mfcc": ("shards/a.arrow",),
        "04_feature/degraded/voice/lld": ("shards/b.arrow",),
        "05_model_input/results/00": (f"{FIT}.npz",),
        "05_model_input/results/11": (f"{OLD}.npz",),
        f"06_models/fits/{FIT}": ("signature.json", "weights.npz"),
        f"06_models/fits/{OLD}": ("signature.json", "member/network.keras"),
    }
    old = {"music/mfcc", "voice/lld", "results/11", f"fits/{OLD}"}
    found = {}
    for folder, names in folders.items():
        for name in names:
            path = project / "data" / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * 500)
            found[path] = any(folder.endswith(each) for each in old)
            if found[path]:
                os.utime(path, (time.time() - 40 * DAY_S,) * 2)
    for name in (".gitkeep", "voice.json"):  # of the repository and of the catalog: neither ours nor strange
        (project / "data/04_feature" / name).write_text("{}")
    return found


def test_sizes_are_listed_and_what_is_old_is_removed(call, caches):
    header, *rows = (line.split() for line in call("cache").stdout.splitlines())
    assert header == ["cache", "entries", "size", "oldest", "folder"]
    assert [row[:5] for row in rows] == [
        ["features", "2", "2.00kB", "40", "days"],
        ["degraded", "2", "1.00kB", "40", "days"],
        ["results", "2", "1.00kB", "40", "days"],
        ["models", "2", "2.00kB", "40", "days"],
    ]
    dry = call("cache", "clear", "--older-than", 30, "--dry-run")
    assert "models: would remove 1 of 2 entries, 1.00kB" in dry.stdout
    assert all(path.exists() for path in caches)

    outcome = call("cache", "clear", "--older-than", 30)

    assert outcome.exit_code == 0, outcome.stderr
    assert [line.split(",")[0] for line in outcome.stdout.splitlines()] == [
        f"{kind}: removed 1 of 2 entries" for kind in ("features", "degraded", "results", "models")
    ]
    assert {path: not path.exists() for path in caches} == caches


def test_all_is_removed_but_what_is_not_ours(project, call, caches):
    data = project / "data"
    mine = [
        data / "04_feature/notes.txt",
        data / "04_feature/voice/mfcc/thesis.docx",
        data / "05_model_input/results/00/mine.npz",
        data / "06_models/fits/my_model/signature.json",
        data / "06_models/voice/crnn_lld/signature.json",
    ]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    (data / "elsewhere").mkdir()
    (data / "06_models/fits" / ("2" * 32)).symlink_to(data / "elsewhere")
    (data / "elsewhere/signature.json").write_text("mine")

    outcome = call("cache", "clear")

    assert outcome.exit_code == 0, outcome.stderr
    assert "features: 2 files are not Affetto's and stay as they are" in outcome.stdout
    assert all(path.exists() for path in mine)
    assert (data / "elsewhere/signature.json").exists()
    left = {path for path in caches if path.exists()}
    assert {path.parent.name for path in left} == {"shards", "mfcc"}  # of the store with a file of mine
    assert all("04_feature/voice/mfcc" in path.as_posix() for path in left)


def test_another_environment_has_its_own_caches(project, call, sentence, caches, tmp_path):
    (project / "conf/small").mkdir()
    folders = {name: str(project / "small" / name) for name in ("features", "results", "models", "degraded")}
    (project / "conf/small/parameters.yml").write_text(yaml.safe_dump({"cache": folders}))
    outcome = call("cache", "clear", "--env", "small")
    assert outcome.stdout.count("removed 0 of 0 entries") == 4
    assert all(path.exists() for path in caches)
    assert "There is no Affetto project" in sentence(call("cache", folder=tmp_path))
