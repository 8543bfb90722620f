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
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import Field

from affetto.errors import AffettoError, first_line
from affetto.io.configuration import Parameters, environment

_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Tables and columns of MLflow's database that hold absolute places."""
_PARTS = re.compile(r"(?P<scheme>[\w+.-]+://)(?:[^@?#]*@)?(?P<place>[^@?#]*)(?:[?#][^@]*)?")
_LOGGER = logging.getLogger(__name__)


class TrackingSettings(Parameters):
    """What `conf/*/tracking.yml` says."""

    enabled: bool = True
    """Write runs to MLflow."""
    tracking_uri: str = "sqlite:///mlflow.db"
    """Store of the runs; the environment variable MLFLOW_TRACKING_URI goes before it."""
    artifact_folder: str = "mlartifacts"
    """Folder of the artifacts of a local store, in the project."""
    experiment: str = "affetto"
    """Name of the experiment; MLFLOW_EXPERIMENT_NAME and MLFLOW_EXPERIMENT_ID go before it."""
    run_name: str | None = None
    """Name of the parent run; null: the pipeline's."""
    timeout_s: float = Field(default=5.0, gt=0, le=10)
    """Patience with a store, s."""

    def uri(self, project: Path) -> str:
        """Return the address in force; the file of a relative SQLite address lies in the project."""
        uri = os.environ.get("MLFLOW_TRACKING_URI") or self.tracking_uri
        return re.sub(r"^sqlite:///(?![/:]|file:)", lambda _: f"sqlite:///{project}/", uri)


def shown(uri: str) -> str:
    """Write an address without user, password, query and fragment; its scheme alone where it is unclear."""
    if not _may_hold_secrets(uri):
        return uri.rstrip("/")
    parts = _PARTS.fullmatch(uri)
    scheme, separator, _ = uri.partition("://")
    return parts["scheme"] + parts["place"].rstrip("/") if parts else f"{scheme}://…" if separator else "…"


def reason(error: BaseException, uri: str) -> str:
    """Say what is wrong with a store: the kind of error alone where its words may hold a password."""
    if not _may_hold_secrets(uri):
        return first_line(error).rpartition("Caused by ")[2][:400].rstrip(". ")
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return type(error).__name__


def _may_hold_secrets(uri: str) -> bool:
    return re.search("[@?#]", uri) is not None


def refusal(error: BaseException, uri: str) -> AffettoError:
    """Say in one sentence, without credentials, that a store cannot be used, and what to do."""
    return AffettoError(
        f"The MLflow store {shown(uri)} cannot be used ({reason(error, uri)}): "
        "start it, name another by MLFLOW_TRACKING_URI or by tracking_uri in "
        "conf/base/tracking.yml, or give --params tracking.enabled=false."
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
    from mlflow.tracking.request_header.registry import resolve_request_headers

    answer: Future[None] = Future()

    def ask() -> None:
        try:
            if client is None:  # not by MLflow, which tries to connect for minutes
                _ask_database(uri, timeout_s)
            else:
                client.search_experiments(max_results=1)
            answer.set_result(None)
        except Exception as error:  # noqa: BLE001  raised again in the thread that waits
            answer.set_exception(error)

    patience = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(int(timeout_s) + 1),
    }
    with environment(patience), refused_in_words(uri):
        if _scheme(uri) == "sqlite" and database_file(uri) is None:
            raise ValueError("it names no file, and what is in memory alone is lost")
        client = None if _is_database(uri) else MlflowClient(uri)
        resolve_request_headers()  # imports for seconds, which are not the store's
        # A driver that waits for ever cannot be stopped, but it can be left waiting.
        threading.Thread(target=ask, daemon=True).start()
        try:
            answer.result(timeout_s)
        except TimeoutError:
            raise TimeoutError(f"no answer within {timeout_s:g} s") from None


def _ask_database(uri: str, timeout_s: float) -> None:
    from sqlalchemy import create_engine

    local = _scheme(uri) == "sqlite"
    options: dict[str, Any] = {"connect_args": {"timeout": timeout_s / 2}} if local else {}
    engine = create_engine(uri, **options)
    with engine.connect() as connection:
        if local:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.exec_driver_sql("CREATE TABLE writable (whether TEXT)")  # rolled back
    engine.dispose()


def _scheme(uri: str) -> str:
    return re.split(r"[:+]", uri, maxsplit=1)[0]


def _is_database(uri: str) -> bool:
    from mlflow.store.db.db_types import DATABASE_ENGINES

    return _scheme(uri) in DATABASE_ENGINES


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

    database, folder = database_file(uri), project / settings.artifact_folder
    if database is not None and project.resolve() not in database.resolve().parents:
        folder = database.parent / settings.artifact_folder  # a store that projects share
    use_store(uri)
    known = os.environ.get("MLFLOW_EXPERIMENT_ID")
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or settings.experiment
    if not known and mlflow.get_experiment_by_name(name) is None:
        local = _is_database(uri) or _scheme(uri) == "file" or "://" not in uri
        mlflow.create_experiment(name, artifact_location=folder.as_uri() if local else None)
    experiment: Any = mlflow.get_experiment(known) if known else mlflow.get_experiment_by_name(name)
    place = _local_path(experiment.artifact_location)
    own = {folder.resolve(), (project / settings.artifact_folder).resolve()}
    if place is not None and place.name == folder.name and place.resolve() not in own:
        raise AffettoError(
            f"The experiment {experiment.name} of the MLflow store {shown(uri)} "
            f"keeps its files in {place}, which is no folder of this project: "
            "name another with --params tracking.experiment=NAME."
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
    database, project, n_moved = database_file(uri), project.resolve(), 0
    if database is None or not database.is_file() or project not in database.resolve().parents:
        return
    with closing(sqlite3.connect(database)) as connection, connection:
        known = connection.execute("SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c")
        for table, column in set(_PLACES) & set(known.fetchall()):
            for (place,) in connection.execute(f"SELECT DISTINCT {column} FROM {table}").fetchall():  # noqa: S608
                path = _local_path(place)
                now = path and _place_now(path, project, artifact_folder)
                if not path or not now:
                    continue
                if table != "experiments" and path.exists() and not now.exists():  # it was left behind
                    continue
                text = now.as_uri() if place.startswith("file:") else str(now)
                update = f"UPDATE {table} SET {column} = ? WHERE {column} = ?"  # noqa: S608
                n_moved += connection.execute(update, (text, place)).rowcount
    if n_moved:
        _LOGGER.warning(
            "This project was moved or copied: %d places of artifacts in %s are those of its new folder now.",
            n_moved,
            database.name,
        )


def _place_now(path: Path, project: Path, artifact_folder: str) -> Path | None:
    """Return where an artifact of a project is now; None where it did not move, or is of no project."""
    for folder in (artifact_folder, "mlruns"):
        root, found, rest = f"{path.as_posix()}/".rpartition(f"/{folder}/")
        if found and Path(root).resolve() != project:
            return project / folder / rest
    return None


def _local_path(place: str | None) -> Path | None:
    """Return an absolute path of this machine that MLflow holds as such or as a `file:` address."""
    parts = urlsplit(place or "")
    path = Path(unquote(parts.path) if parts.scheme == "file" else place or "")
    return path if parts.scheme in {"", "file"} and path.is_absolute() else None
