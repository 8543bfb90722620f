"""The pages that list what the code holds."""

from __future__ import annotations

import tomllib

import pytest
import yaml

from affetto import __version__
from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources import SOURCES
from affetto.recommendation.parameters import TimelineParameters


@pytest.fixture(scope="module")
def corpora_page(request):
    return (request.config.rootpath / "docs/corpora.md").read_text(encoding="utf-8")


def row(source):
    clips = f"{source.expected.clips:,}" if source.expected else ""
    fetched = " ⬇" if source.downloads else ""
    return f"| `{source.name}`{fetched} | {', '.join(source.sides)} | {source.title} | {clips} |"


def test_the_table_of_sources_is_that_of_the_code(corpora_page):
    lines = corpora_page.splitlines()
    first = lines.index("|---|---|---|---|") + 1
    table = lines[first : lines.index("", first)]
    assert table == [row(source) for source in SOURCES.values()]


@pytest.mark.parametrize("name", CorpusParameters.model_fields)
def test_every_parameter_of_a_corpus_is_on_the_page(corpora_page, name):
    assert f"`{name}`" in corpora_page or (name.endswith("_column") and "corpus.*_column" in corpora_page)


@pytest.mark.parametrize("name", TimelineParameters.model_fields)
def test_every_parameter_of_a_timeline_is_on_the_page(request, name):
    page = (request.config.rootpath / "docs/recordings.md").read_text(encoding="utf-8")
    assert f"`{name}`" in page or f".{name}`" in page


def test_the_citation_is_of_this_version(request):
    root = request.config.rootpath
    citation = yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    assert citation["version"] == project["version"] == __version__
    assert citation["license"] == project["license"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what the format requires
