"""The project that a command works in: its folder, configuration, catalog and pipelines."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kedro.framework.project as framework
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner
from kedro.utils import find_kedro_project

from affetto.cli.messages import ExplainedErrorsFilter
from affetto.errors import AffettoError

_PACKAGE = "affetto"
_NOISY_ON_ERRORS = ("kedro.pipeline.node", "kedro.runner.sequential_runner", "kedro.runner.thread_runner")


@contextlib.contextmanager
def project(conf_source: str | None = None) -> Iterator[Path]:
    """Find the project from the current folder upward, make Kedro know it and work in its root.

    The installed package needs only the configuration of a project: where that lies in the current folder, or
    is named by `conf_source`, the current folder is the root.
    """
    root = find_kedro_project(Path.cwd())
    if root is None:
        root = Path.cwd()
        if conf_source is None and not (root / "conf" / "base").is_dir():
            raise AffettoError(
                f"There is no Affetto project in {root} or above, and no folder conf here: change to the "
                "project's folder, or unpack conf-affetto.tar.gz."
            )
        framework.configure_project(_PACKAGE)
        logging.getLogger("kedro_viz.integrations.kedro").setLevel(logging.ERROR)  # it misses the project
    elif framework.PACKAGE_NAME is None and bootstrap_project(root).package_name != _PACKAGE:
        raise AffettoError(f"{root} is another Kedro project: change to the folder of an Affetto project.")
    _quiet_kedro()
    with contextlib.chdir(root):
        yield Path(root)


def _quiet_kedro() -> None:
    """Keep Kedro from logging what is about to be said in one sentence."""
    for name in _NOISY_ON_ERRORS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, ExplainedErrorsFilter) for known in logger.filters):
            logger.addFilter(ExplainedErrorsFilter())
    # Both speak to the authors of Kedro and of pipelines, not to those who run them.
    for message in ("One or more dataset names contain '.'", "register_new_resolver"):
        warnings.filterwarnings("ignore", message=message)
    # Every finding of the validator comes again in the error it raises.
    logging.getLogger("kedro.validation").setLevel(logging.CRITICAL)


def read_configuration(
    env: str | None, conf_source: str | None = None, given: Mapping[str, Any] | None = None
) -> Any:
    """Return the loader of the project's configuration, to be called in its folder.

    Parameters
    ----------
    env
        Kedro environment; None: the default one.
    conf_source
        Folder or archive of the configuration; None: that of the project.
    given
        Parameters of the command line, nested.
    """
    settings = framework.settings
    return settings.CONFIG_LOADER_CLASS(
        conf_source=conf_source or str(Path.cwd() / settings.CONF_SOURCE),
        env=env or os.environ.get("KEDRO_ENV"),
        runtime_params=given,
        **settings.CONFIG_LOADER_ARGS,
    )


def read_taxonomy(env: str | None) -> dict[str, Any]:
    """Return the taxonomy of an environment of the project around the current folder."""
    with project():
        taxonomy: dict[str, Any] = read_configuration(env)["parameters"].get("taxonomy") or {}
        return taxonomy


@contextlib.contextmanager
def project_catalog(env: str | None) -> Iterator[Any]:
    """Yield the catalog of the project in an environment, working in its folder."""
    with project(), _session(env) as session:
        yield session.load_context().catalog


def run_pipeline(
    pipeline: str, env: str | None, parameters: dict[str, Any] | None = None
) -> Mapping[str, Any]:
    """Run a pipeline and return all that its nodes made, by name; to be called in the project's folder."""
    logging.getLogger("kedro").setLevel(logging.WARNING)
    with _session(env, parameters) as session:
        outputs: Mapping[str, Any] = session.run(pipeline_names=[pipeline], runner=_Runner())
        return outputs


class _Runner(SequentialRunner):
    """Returns what the nodes hand on to one another, too."""

    def run(self, pipeline: Pipeline, catalog: Any, *args: Any, **options: Any) -> dict[str, Any]:
        """Run a pipeline."""
        super().run(pipeline, catalog, *args, **options)
        return {name: catalog[name] for name in pipeline.all_outputs()}


def _session(env: str | None, parameters: dict[str, Any] | None = None) -> Any:
    return KedroSession.create(env=env, runtime_params=parameters)
