"""The small corpora of `trees/`, laid out and indexed."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import yaml

from affetto.corpora.index import index_corpora
from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources import SOURCES

LABELS = {"music": ("happy", "sad"), "voice": ("anger", "Neutral")}


def collect(name):
    """Join the dictionaries of that name of all modules in `trees/`; no source may have two trees."""
    modules = [runpy.run_path(str(path)) for path in sorted((Path(__file__).parent / "trees").glob("*.py"))]
    entries = [entry for module in modules for entry in module.get(name, {}).items()]
    assert len(dict(entries)) == len(entries), f"a source occurs twice in {name} of tests/corpora/trees"
    return dict(entries)


@pytest.fixture(scope="session")
def trees():
    """Source → {path → content}."""
    return collect("FILES")


@pytest.fixture(scope="session")
def tree_parameters():
    """Source → parameters it needs besides the root."""
    return collect("PARAMETERS")


@pytest.fixture(scope="session")
def taxonomy(request):
    text = (request.config.rootpath / "conf/base/taxonomy.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["taxonomy"]


@pytest.fixture(scope="session")
def lay_out():
    """Return a function that writes a tree below a folder and returns the folder."""

    def write(root, files, side="voice"):
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                first, second = LABELS[side]
                path.write_text(content.replace("{0}", first).replace("{1}", second), encoding="utf-8")
        return root

    return write


@pytest.fixture
def corpus(tmp_path, trees, tree_parameters, taxonomy, lay_out, monkeypatch):
    """Return a function that lays out a source's tree (or other files) and returns its clip table."""

    def index(source, side=None, files=None, **parameters):
        side = side or SOURCES[source].sides[-1]
        root = lay_out(tmp_path, trees[source] if files is None else files, side)
        monkeypatch.setattr("affetto.corpora.demo.ensure_demo_corpus", lambda *_, **__: None)
        parameters = {"root": root, **tree_parameters.get(source, {}), **parameters}
        return index_corpora(CorpusParameters(source=source, **parameters), taxonomy, side=side)

    return index
