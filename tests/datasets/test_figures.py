from __future__ import annotations

import base64

from matplotlib.figure import Figure

from affetto.datasets.figures import FiguresDataset
from affetto.evaluation.figures import Illustration


def drawn(title):
    return Illustration.of(Figure(figsize=(4, 1)), title, "Read it so: 50 % “is” half, 声.")


def test_figures_come_back_with_title_and_caption(tmp_path):
    dataset = FiguresDataset(filepath=str(tmp_path / "figures"), shown="b")
    saved = {"b": drawn("The title — of b"), "a": drawn("a")}
    dataset.save(saved)

    assert dataset.load() == saved
    assert {path.name for path in (tmp_path / "figures").glob("*.png")} == {"a.png", "b.png"}
    assert base64.b64decode(dataset.preview()) == saved["b"].png
    assert dataset.load()["b"].width_px == saved["b"].width_px > 100


def test_figures_of_the_run_before_go_and_other_files_stay(tmp_path):
    dataset = FiguresDataset(filepath=str(tmp_path))
    dataset.save({"a": drawn("a"), "b": drawn("b")})
    (tmp_path / "report.html").write_text("page")
    dataset.save({"b": drawn("b")})

    assert list(dataset.load()) == ["b"]
    assert not (tmp_path / "a.png").exists()
    assert (tmp_path / "report.html").read_text() == "page"
