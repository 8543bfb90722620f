from __future__ import annotations

import base64

from affetto.datasets.figures import FiguresDataset


def test_figures_come_back(tmp_path):
    dataset = FiguresDataset(filepath=str(tmp_path / "figures"), shown="b")
    saved = {"b": b"image of b", "a": b"image of a"}
    dataset.save(saved)

    assert dataset.load() == saved
    assert {path.name for path in (tmp_path / "figures").glob("*.png")} == {"a.png", "b.png"}
    assert base64.b64decode(dataset.preview()) == saved["b"]


def test_figures_of_the_run_before_go_and_other_files_stay(tmp_path):
    dataset = FiguresDataset(filepath=str(tmp_path))
    dataset.save({"a": b"a", "b": b"b"})
    (tmp_path / "report.html").write_text("page")
    dataset.save({"b": b"b"})

    assert list(dataset.load()) == ["b"]
    assert not (tmp_path / "a.png").exists()
    assert (tmp_path / "report.html").read_text() == "page"
