"""The feature stores of the project that a command is called in, found through its catalog."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from affetto.commands.guard import project
from affetto.features.status import Wanted
from affetto.features.store import FeatureStore
from affetto.pipelines.model_table import SIDES


@dataclass(frozen=True)
class Entry:
    """A feature store of the catalog.

    Attributes
    ----------
    side, feature
        What it holds.
    store
        The store.
    wanted
        What a run of today would extract into it.
    """

    side: str
    feature: str
    store: FeatureStore
    wanted: Wanted

    @property
    def name(self) -> str:
        """Name in the catalog."""
        return f"{self.side}.{self.feature}"


@contextmanager
def feature_stores(env: str | None, side: str | None) -> Iterator[list[Entry]]:
    """Yield the feature stores that are on disk or that the parameters plan, working in the project's folder.

    Parameters
    ----------
    env
        Kedro environment; None: the default one.
    side
        Only those of a side; None: of both.

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
            context = session.load_context()
            planned = {each: tuple(context.params[each]["features"]) for each in SIDES}
            sides = SIDES if side is None else (side,)
            entries = [entry for each in sides for entry in _of_side(context.catalog, each, planned[each])]
            yield [entry for entry in entries if entry.wanted.parameters or entry.store.root.is_dir()]


def _of_side(catalog: Any, side: str, planned: Collection[str]) -> list[Entry]:
    from affetto.datasets.feature_store import FeatureStoreDataset

    prefix = f"{side}."
    names = sorted(name for name in _names(catalog, side) if name.startswith(prefix))
    datasets = {name.removeprefix(prefix): catalog.get(name) for name in names}
    clips = catalog[f"{side}.clips"]
    table = clips.load() if clips.exists() else None
    corpus = catalog.load(f"params:{side}.corpus")
    parameters = {feature: catalog.load(f"params:{side}.features.{feature}") for feature in planned}
    return [
        Entry(
            side,
            feature,
            dataset.store,
            Wanted(parameters.get(feature), table, corpus.root, corpus.other_roots),
        )
        for feature, dataset in datasets.items()
        if isinstance(dataset, FeatureStoreDataset)
    ]


def _names(catalog: Any, side: str) -> list[str]:
    """Return the entries of the catalog that are feature stores, those of patterns included."""
    resolver = catalog.config_resolver
    patterns = [pattern.replace("{side}", side) for pattern in resolver.list_patterns()]
    names = [*catalog.keys(), *(name for name in patterns if "{" not in name)]
    return [name for name in dict.fromkeys(names) if _is_store(resolver.resolve_pattern(name))]


def _is_store(config: dict[str, Any]) -> bool:
    return str(config.get("type", "")).rstrip("'>").endswith("FeatureStoreDataset")
