"""The feature stores of the project that a command is called in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affetto.cli.guard import project
from affetto.features.parameters import FeatureParameters
from affetto.features.store import FeatureStore
from affetto.features.table import FeatureTable
from affetto.io.cache import CacheParameters
from affetto.pipelines.model_table import SIDES


@dataclass(frozen=True)
class Entry:
    """A feature store of the project.

    Attributes
    ----------
    side, feature
        What it holds.
    store
        The store.
    wanted
        What a run of today would extract into it, as `store_status` takes it: parameters, clips and folders.
    """

    side: str
    feature: str
    store: FeatureStore
    wanted: tuple[FeatureParameters | None, Any, Path, Mapping[str, Path]]

    @property
    def name(self) -> str:
        """Name in the catalog."""
        return f"{self.side}.{self.feature}"


@contextmanager
def project_catalog(env: str | None) -> Iterator[Any]:
    """Yield the catalog of the project in an environment (None: the default one), working in its folder.

    Raises
    ------
    AffettoError
        When there is no project.
    """
    from kedro.framework.session import KedroSession

    with project():
        # Kedro looks for the project where a session is created.
        session: KedroSession = KedroSession.create(env=env)
        with session:
            yield session.load_context().catalog


@contextmanager
def feature_stores(env: str | None, side: str | None) -> Iterator[list[Entry]]:
    """Yield the feature stores that are on disk or that the parameters plan; see `project_catalog`.

    Parameters
    ----------
    env
        Kedro environment; None: the default one.
    side
        Only those of a side; None: of both.
    """
    with project_catalog(env) as catalog:
        sides = SIDES if side is None else (side,)
        yield [entry for each in sides for entry in _of_side(catalog, each)]


def _of_side(catalog: Any, side: str) -> list[Entry]:
    clips = catalog[f"{side}.clips"]
    table = clips.load() if clips.exists() else None
    corpus = catalog.load(f"params:{side}.corpus")
    parameters = FeatureTable.model_validate(catalog.load(f"params:{side}.features")).named
    cache = CacheParameters.model_validate(catalog.load("params:cache"))
    folder = cache.features / side
    there = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return [
        Entry(
            side,
            feature,
            FeatureStore(folder / feature),
            (parameters.get(feature), table, corpus.root, corpus.other_roots),
        )
        for feature in sorted({*parameters, *there})
    ]
