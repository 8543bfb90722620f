"""The environments that `affetto train` makes: what they are called, where they lie and what is in them.

The model NAME is the environment `trained/NAME`: its settings are YAML files in `conf/trained/NAME`, its
results lie in `data/trained/NAME`. A file whose first line no longer tells the hash of the rest was edited,
and is kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from affetto.corpora.parameters import CorpusParameters
from affetto.errors import AffettoError
from affetto.io.configuration import TRAINED
from affetto.io.paths import as_text

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_MARK = "# Written by `affetto train`, which keeps the file as it is once you have changed it ({digest})."


def environment(model: str | None, env: str | None) -> str | None:
    """Return the Kedro environment that `--model` and `--env` name; to be called in the project's folder.

    Raises
    ------
    AffettoError
        When both are given, or no such model was trained; names those that were.
    """
    if model is None:
        return env
    if env is not None:
        raise AffettoError("--model and --env name the same thing, an environment: give one of them.")
    known = sorted(path.parent.name for path in Path("conf", TRAINED).glob("*/globals.yml"))
    if model not in known:
        names = f"there are {', '.join(known)}" if known else "none has been trained here yet"
        raise AffettoError(f"There is no model {model!r}: {names} (`affetto train FOLDER --name NAME`).")
    return f"{TRAINED}/{model}"


def model_name(given: str | None, folder: Path) -> str:
    """Return the name for a model: the one given, or one made of the folder's name.

    Raises
    ------
    AffettoError
        When a given name has other characters than small letters, digits, `_` and `-`, or none can be made.
    """
    name = given if given is not None else re.sub(r"[^a-z0-9_-]+", "-", folder.name.lower()).strip("-_")
    if not _NAME.fullmatch(name):
        what = f"--name {given!r} is no name for a model" if given is not None else f"{folder} gives no name"
        raise AffettoError(f"{what}: give --name small letters, digits, _ and -, such as my-voices.")
    return name


def check_same_corpus(folder: Path, corpus: CorpusParameters, side: str, model: str) -> None:
    """Refuse to train another corpus under a name that is taken: the model there goes on answering.

    Parameters
    ----------
    folder
        Folder of the settings of the model, which need not be there.
    corpus, side
        What is to be trained on.
    model
        Its name.

    Raises
    ------
    AffettoError
        When the model was trained on another corpus, or its settings cannot be read.
    """
    if not folder.exists():
        return
    path = folder / "parameters" / "corpora.yml"
    try:
        known = yaml.safe_load(path.read_text("utf-8"))[side]["corpus"]
        place = (str(known["source"]), str(known["root"]).replace(r"\${", "${"), known.get("table"))
    except (OSError, yaml.YAMLError, LookupError, TypeError, ValueError) as error:
        raise AffettoError(
            f"{path} names no {side}.corpus with source and root: mend it, or give another --name."
        ) from error
    if place != (corpus.source, as_text(corpus.root), corpus.table):
        raise AffettoError(
            f"The model {model} was trained on {place[1]} ({place[0]}): give this corpus another --name."
        )


def free_name(project: Path, corpus: CorpusParameters, side: str) -> str | None:
    """Return a name to train a corpus under; None where that of its folder can be had."""
    settings = project / "conf" / TRAINED
    try:
        model = model_name(None, corpus.root)
        check_same_corpus(settings / model, corpus, side, model)
    except AffettoError:
        of_table = f"{corpus.root.name} {Path(corpus.table).stem}" if corpus.table else corpus.root.name
        stem = re.sub(r"[^a-z0-9_-]+", "-", of_table.lower()).strip("-_") or "voices"
        names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
        return next(name for name in names if not (settings / name).exists())
    return None


def write_environment(folder: Path, files: Mapping[str, tuple[str, Mapping[str, Any]]]) -> list[Path]:
    """Write the files of an environment, but none that was edited.

    Parameters
    ----------
    folder
        Folder of the environment.
    files
        Path below `folder` → what the file is (one line) and what it holds.

    Returns
    -------
    list of Path
        The files that were edited and are left as they are.
    """
    edited = []
    for name, (title, values) in files.items():
        path = folder / name
        if path.is_file():
            before = path.read_text("utf-8", errors="replace")
            if before != _marked(before.partition("\n")[2]):
                edited.append(path)
                continue
        path.parent.mkdir(parents=True, exist_ok=True)
        text = yaml.dump(_literal(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
        path.write_text(_marked(f"# {title}\n{text}"), encoding="utf-8")
    return edited


def _marked(text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{_MARK.format(digest=digest)}\n{text}"


class _Dumper(yaml.SafeDumper):
    """Writes what is named twice out twice."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _literal(value: Any) -> Any:
    """Keep `${` of paths and patterns from being read as an interpolation."""
    if isinstance(value, Mapping):
        return {key: _literal(inner) for key, inner in value.items()}
    return value.replace("${", r"\${") if isinstance(value, str) else value
