"""The MLflow store of a run: which one is meant, whether it answers, and where its files lie.

MLflow keeps the places of artifacts as absolute paths, so that a project that was moved or copied would write
to where it was made: `repair_places` mends its own database, `use_experiment` refuses that of another.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from affetto.errors import AffettoError, first_line
from affetto.io.configuration import environment

_T = TypeVar("_T")
_LOGGER = logging.getLogger(__name__)
_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Tables and columns of MLflow's database that hold absolute places."""
_PARTS = re.compile(r"(?P<scheme>[\w+.-]+://)(?:[^@?#]*@)?(?P<place>[^@?#]*)(?:[?#][^@]*)?")
_WHOLE_WORD = 4
"""Pieces of credentials shorter than this are hidden as whole words only, lest the rest be unreadable."""


class TrackingSettings(BaseModel):
    """What `conf/*/tracking.yml` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(default=True, description="Write runs to MLflow.")
    tracking_uri: str = Field(
        default="sqlite:///mlflow.db",
        description="Store of the runs; the environment variable MLFLOW_TRACKING_URI goes before it.",
    )
    artifact_folder: str = Field(
        default="mlartifacts", description="Folder of the artifacts of a local store, in the project."
    )
    experiment: str = Field(
        default="affetto",
        description="Name of the experiment; MLFLOW_EXPERIMENT_NAME and MLFLOW_EXPERIMENT_ID go before it.",
    )
    run_name: str | None = Field(default=None, description="Name of the parent run; null: the pipeline's.")
    timeout_s: float = Field(default=5.0, gt=0, le=10, description="Patience with a store, s.")

    def uri(self, project: Path) -> str:
        """Return the address in force; the file of a relative SQLite address lies in the project."""
        return in_project(os.environ.get("MLFLOW_TRACKING_URI") or self.tracking_uri, project)


def in_project(uri: str, project: Path) -> str:
    """Let the file of a relative SQLite address lie in the project."""
    return re.sub(r"^sqlite:///(?![/:]|file:)", lambda _: f"sqlite:///{project}/", uri)


def shown(uri: str) -> str:
    """Write an address without user, password, query and fragment; its scheme alone where it is unclear."""
    if not re.search("[@?#]", uri):
        return uri.rstrip("/")
    parts = _PARTS.fullmatch(uri)
    scheme, separator, _ = uri.partition("://")
    return parts["scheme"] + parts["place"].rstrip("/") if parts else f"{scheme}://…" if separator else "…"


def without_secrets(text: str, uri: str) -> str:
    """Hide in a message of another library whatever of an address `shown` hides."""
    if not re.search("[@?#]", uri):
        return text
    text = text.replace(uri, shown(uri))
    scheme, separator, rest = uri.partition("://")
    rest = rest or uri
    hidden = rest.replace(shown(uri).partition("://")[2] or shown(uri), "", 1)
    if hidden and separator:
        text = re.sub(rf"{re.escape(scheme)}://\S*", shown(uri), text)
    pieces = {*re.split(r"[:/@?#&=]+", hidden), *hidden.split("@")[:-1]}
    for piece in sorted({*pieces, *map(unquote, pieces)} - {""}, key=len, reverse=True):
        whole = r"\b" if len(piece) < _WHOLE_WORD else ""
        text = re.sub(f"{whole}{re.escape(piece)}{whole}", "***", text)
    return re.sub(r"://[^\s/'\"]*@", "://", text)


def refusal(error: BaseException, uri: str) -> AffettoError:
    """Say in one sentence, without credentials, that a store cannot be used, and what to do."""
    reason = without_secrets(first_line(error).rpartition("Caused by ")[2][:400], uri).rstrip(". ")
    return AffettoError(
        f"The MLflow store {shown(uri)} cannot be used ({reason}): start it, name another by "
        "MLFLOW_TRACKING_URI or by tracking_uri in conf/base/tracking.yml, or switch tracking off with "
        "--params tracking.enabled=false."
    )


@contextmanager
def refused_in_words(uri: str) -> Iterator[None]:
    """Turn what MLflow, its drivers and the network raise into `refusal`; a traceback may show a password."""
    try:
        yield
    except AffettoError:
        raise
    except Exception as error:  # noqa: BLE001  drivers and plugins of any store raise what they like
        raise refusal(error, uri) from None


def check_store(uri: str, timeout_s: float) -> None:
    """Make sure that a store answers, and that a local one can be written.

    Raises
    ------
    AffettoError
        When nothing that MLflow can use answers at `uri` within `timeout_s`.
    """
    from mlflow import MlflowClient
    from mlflow.store.db.db_types import DATABASE_ENGINES
    from mlflow.tracking.request_header.registry import resolve_request_headers
    from sqlalchemy import create_engine

    scheme = re.split(r"[:+]", uri, maxsplit=1)[0]
    answer: list[BaseException | None] = []

    def ask() -> None:
        try:
            if client is not None:
                client.search_experiments(max_results=1)
            else:  # not by MLflow, which tries to connect for minutes
                patience = {"connect_args": {"timeout": timeout_s / 2}} if scheme == "sqlite" else {}
                engine = create_engine(uri, **patience)
                with engine.connect() as connection:
                    if scheme == "sqlite":
                        connection.exec_driver_sql("BEGIN IMMEDIATE")
                        connection.exec_driver_sql("CREATE TABLE writable (whether TEXT)")  # rolled back
                engine.dispose()
            answer.append(None)
        except Exception as error:  # noqa: BLE001  raised again in the thread that waits
            answer.append(error)

    patient = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(int(timeout_s) + 1)}
    with environment(patient), refused_in_words(uri):
        if scheme == "sqlite" and database_file(uri) is None:
            raise ValueError("it names no file, and what is in memory alone is lost")
        client = None if scheme in DATABASE_ENGINES else MlflowClient(uri)
        resolve_request_headers()  # imports for seconds, which are not the store's
        # A driver that waits for ever cannot be stopped, but it can be left waiting.
        waiting = threading.Thread(target=ask, daemon=True)
        waiting.start()
        waiting.join(timeout_s)
        if not answer:
            raise TimeoutError(f"no answer within {timeout_s:g} s")
        if answer[0] is not None:
            raise answer[0]


def use_store(uri: str) -> None:
    """Make MLflow use a store; its environment variable, which later sessions would obey, stays as it is."""
    import mlflow

    with environment({"MLFLOW_TRACKING_URI": uri}):
        mlflow.set_tracking_uri(uri)


def use_experiment(settings: TrackingSettings, uri: str, project: Path) -> str:
    """Make the experiment of the settings the current one, with its artifacts where the project is now.

    Returns
    -------
    str
        Its identifier.

    Raises
    ------
    AffettoError
        When the experiment keeps its artifacts in another project, in a store that is not of this one.
    """
    import mlflow
    from mlflow.store.db.db_types import DATABASE_ENGINES

    scheme = re.split(r"[:+]", uri, maxsplit=1)[0]
    database, folder = database_file(uri), project / settings.artifact_folder
    if database is not None and project.resolve() not in database.resolve().parents:
        folder = database.parent / settings.artifact_folder  # a store that projects share
    use_store(uri)
    known, name = os.environ.get("MLFLOW_EXPERIMENT_ID"), os.environ.get("MLFLOW_EXPERIMENT_NAME")
    name = name or settings.experiment
    if not known and mlflow.get_experiment_by_name(name) is None:
        local = scheme in {*DATABASE_ENGINES, "file"} or "://" not in uri
        mlflow.create_experiment(name, artifact_location=folder.as_uri() if local else None)
    experiment: Any = mlflow.get_experiment(known) if known else mlflow.get_experiment_by_name(name)
    place = _local_path(experiment.artifact_location)
    if (
        place is not None
        and place.name == folder.name
        and place.resolve() not in {folder.resolve(), (project / settings.artifact_folder).resolve()}
    ):
        raise AffettoError(
            f"The experiment {experiment.name} of the MLflow store {shown(uri)} keeps its files in {place}, "
            "which is no folder of this project: name another with --params tracking.experiment=NAME."
        )
    mlflow.set_experiment(experiment_id=experiment.experiment_id)
    return str(experiment.experiment_id)


def database_file(uri: str) -> Path | None:
    """Return the file of a SQLite store, or None."""
    path = uri.partition("?")[0].removeprefix("sqlite:///").removeprefix("file:")
    return Path(path) if uri.startswith("sqlite:///") and path not in {"", ":memory:"} else None


def repair_places(uri: str, project: Path, artifact_folder: str) -> None:
    """Let the store of a project that was moved or copied name the files where they are now.

    Only a database inside the project is changed, and nothing in the folder where the project was. A run
    whose files were left there keeps naming them.
    """
    database, project = database_file(uri), project.resolve()
    if database is None or not database.is_file() or project not in database.resolve().parents:
        return
    with closing(sqlite3.connect(database)) as connection, connection:
        known = connection.execute("SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c")
        columns = set(_PLACES) & set(known)
        found = {(table, place) for table, column in columns for (place,) in connection.execute(
            f"SELECT DISTINCT {column} FROM {table}")}  # noqa: S608  # fmt: skip
        paths = {place: (table, path) for table, place in found if (path := _local_path(place))}
        roots = {root for _, path in paths.values() for root in _projects(path, Path(artifact_folder))}
        moved = {}
        for place, (table, path) in paths.items():
            inside = [root for root in (*roots, project) if path.is_relative_to(root)]
            root = max(inside, key=lambda each: len(each.parts), default=project)
            now = project / path.relative_to(root) if root.resolve() != project else path
            if now != path and (table == "experiments" or now.exists() or not path.exists()):
                moved[place] = now.as_uri() if place.startswith("file:") else str(now)
        for table, column in columns:
            connection.executemany(
                f"UPDATE {table} SET {column} = ? WHERE {column} = ?",  # noqa: S608
                [(now, place) for place, now in moved.items()],
            )
    if moved:
        _LOGGER.warning(
            "This project was moved or copied: %d places of artifacts in %s are those of its new folder now.",
            len(moved),
            database.name,
        )


def _projects(path: Path, artifact_folder: Path) -> Iterator[Path]:
    """Yield the folders that were the project when artifacts were put at `path`."""
    n_parts = len(artifact_folder.parts)
    for folder in (path, *path.parents):
        if folder.parts[-n_parts:] == artifact_folder.parts and not artifact_folder.is_absolute():
            yield folder.parents[n_parts - 1]
    if path.parent.name == "mlruns":  # where MLflow itself puts the experiments that nobody gave a place
        yield path.parents[1]


def _local_path(place: str | None) -> Path | None:
    """Return an absolute path of this machine that MLflow holds as such or as a `file:` address."""
    if not place:
        return None
    parts = urlsplit(place)
    path = Path(unquote(parts.path) if parts.scheme == "file" else place)
    return path if parts.scheme in {"", "file"} and path.is_absolute() else None


def named(values: Mapping[str, _T]) -> dict[str, _T]:
    """Give values names that MLflow takes for parameters and metrics; what becomes the same is numbered.

    MLflow refuses names with characters other than letters, digits, `_`, `-`, `.`, space, `:` and `/`, and
    those that are no path of their own, such as `a//b`: slashes and colons are left out as well.
    """
    from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH

    found: dict[str, _T] = {}
    for name, value in values.items():
        plain = re.sub(r"[^\w.\- ]", "_", name).strip(" .") or "_"
        key, number = plain[:MAX_ENTITY_KEY_LENGTH], 1
        while key in found:
            number += 1
            key = f"{plain[: MAX_ENTITY_KEY_LENGTH - 6]}_{number}"
        found[key] = value
    return found


def flatten(parameters: Mapping[Any, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested parameters to `a.b.c` → text."""
    flat: dict[str, str] = {}
    for name, value in parameters.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{key}."))
        else:
            flat[key] = str(value)
    return flat
