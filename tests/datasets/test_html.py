import inspect

from affetto.datasets.html import HtmlDataset


def test_kedro_viz_shows_the_page(tmp_path):
    dataset = HtmlDataset(filepath=str(tmp_path / "page.html"))
    dataset.save("<h1>Themes</h1>")

    assert dataset.preview() == "<h1>Themes</h1>"
    # The kind of a preview is read from the annotation.
    assert inspect.signature(dataset.preview).return_annotation == "HTMLPreview"
