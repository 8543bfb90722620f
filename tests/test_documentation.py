"""The pages that list what the code holds, the commands that they show, and the site made of them."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
import yaml

from affetto import __version__
from affetto.cli import cli
from affetto.cli.project import project, read_configuration
from affetto.cli.run import check_parameters, split_parameters
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


ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)


def commands(page):
    """Return the words of every command of ours in the blocks of a page."""
    text = "\n".join(BLOCK.findall(page.read_text("utf-8"))).replace("\\\n", " ")
    found = []
    for line in text.splitlines():
        words = shlex.split(line, comments=True) if re.match("(affetto|kedro) ", line) else []
        ends = [place for place, word in enumerate(words) if word in {"|", ">", "&&"}]
        found += [words[: min(ends, default=None)]] if words else []
    return found


def test_the_chinese_readme_is_in_step():
    english, chinese = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh-CN.md"))
    lines = [
        [line.partition("#")[0].rstrip() for block in BLOCK.findall(text) for line in block.splitlines()]
        for text in (english, chinese)
    ]
    assert lines[0] == lines[1]
    for pattern in (r"^#+ ", r"^- ", r"(?<=\]\()(?!README)[^)]+", r"\d\.\d{3}"):
        found = [re.findall(pattern, text, re.MULTILINE) for text in (english, chinese)]
        assert sorted(found[0]) == sorted(found[1]), pattern


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_on_the_pages_are_understood(page, monkeypatch, forget_kedro):
    forget_kedro(monkeypatch)
    monkeypatch.chdir(ROOT)
    for program, *words in commands(page):
        if program == "kedro" and words[0] != "run":
            continue  # of Kedro or of its plugins
        command = cli
        while isinstance(command, click.Group) and words:
            name = words.pop(0)
            assert name in command.commands, f"{program} {name}"
            command = command.commands[name]
            command = command.loaded() if hasattr(command, "loaded") else command
        options, *_ = command.make_parser(click.Context(command)).parse_args(words)
        given = split_parameters(options.get("params") or "")
        env = options.get("env")
        if given and (env is None or (ROOT / "conf" / env).is_dir()):
            with project():
                known = read_configuration(env, None, given)["parameters"]
                check_parameters(known, given)
        for name in (options.get("pipeline") or options.get("pipelines") or "").split(","):
            assert not name or f"| `{name}` |" in (ROOT / "docs/pipelines.md").read_text("utf-8")


def test_the_site_is_made_without_a_warning_and_without_other_hosts(tmp_path):
    site = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", ROOT / "docs", tmp_path]
    done = subprocess.run([*map(str, site)], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    for page in PAGES:
        name = {"README.md": "readme", "CONTRIBUTING.md": "contributing"}.get(page.name, page.stem)
        text = (tmp_path / f"{name}.html").read_text("utf-8")
        assert not re.search(r"<(script|link|img)[^>]*(src|href)=.https?:", text)
