"""Settings of Sphinx for the site of the docs (`make docs`), which loads nothing from other hosts."""

import re
from pathlib import Path

from affetto import __version__

project = "Affetto"
author = "The Affetto authors"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
exclude_patterns = ["_build", "results/*"]
html_theme = "furo"
html_title = f"Affetto {release}"
html_show_sourcelink = False
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = True
napoleon_use_rtype = False
# `kedro run` and MLflow links are examples, and `bash` with an ellipsis is no Bash to Pygments.
suppress_warnings = ["misc.highlighting_failure"]
BESIDE = {"readme": "README.md", "contributing": "CONTRIBUTING.md", "changelog": "CHANGELOG.md"}
"""Pages of the site that are files beside this folder."""
_LINK = re.compile(r"\[([^\]]*)\]\((?:\.\./)?([\w./-]+?)(#[\w-]+)?\)")
_FOLDER = Path(__file__).parent


def keep_links_inside(_: object, page: str, source: list[str]) -> None:
    """Take in the pages that lie beside this folder, and let links to them lead to pages of the site."""

    def inside(found: re.Match[str]) -> str:
        text, target, place = found[1], found[2].removeprefix("docs/"), found[3] or ""
        for name, file in BESIDE.items():
            if target == file:
                return f"[{text}]({name}.md{place})"
        return f"[{text}]({target}{place})" if (_FOLDER / target).is_file() else text

    if page in BESIDE:
        source[0] = (_FOLDER.parent / BESIDE[page]).read_text(encoding="utf-8")
    source[0] = _LINK.sub(inside, source[0])


def setup(app: object) -> None:
    """Register with Sphinx."""
    app.connect("source-read", keep_links_inside)  # type: ignore[attr-defined]
