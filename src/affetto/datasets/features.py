"""The features of a side as a catalog entry: a note of what lies in which feature store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures
from affetto.features.store import PLAN_FILE, FeatureStore, Shard
from affetto.io.files import write_whole
from affetto.io.paths import absolute, as_path, as_text, is_remote


class FeaturesDataset(AbstractDataset[Mapping[str, ClipFeatures], dict[str, ClipFeatures]]):
    """A JSON file that names the feature stores in which the features of a run lie.

    The values stay in the stores; loading maps them into memory.

    Parameters
    ----------
    filepath
        The file, or its address.
    metadata
        Ignored here; read by Kedro-Viz.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = as_path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, ClipFeatures]:
        """Return the features by name.

        Raises
        ------
        AffettoError
            When a store was deleted, or another run has put other clips into it.
        """
        noted: dict[str, dict[str, str]] = json.loads(self._filepath.read_text("utf-8"))
        return {name: _read(name, self._filepath.parent, **entry) for name, entry in noted.items()}

    def save(self, data: Mapping[str, ClipFeatures]) -> None:
        """Note where the features lie, which a feature store has given out."""
        noted = {}
        for name, features in data.items():
            shard = features.containers[0]
            if not isinstance(shard, Shard):
                raise TypeError(f"{name} lies in no feature store")
            store = as_path(shard.folder).parent
            noted[name] = {
                "store": _as_given(store, self._filepath.parent),
                "fingerprint": features.fingerprint,
            }
        text = json.dumps(noted, indent=2).encode()
        write_whole(self._filepath, lambda file: file.write(text))

    def _exists(self) -> bool:
        return bool(self._filepath.is_file())

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


def _as_given(store: Path, beside: Path) -> str:
    """Write the folder of a store so that it is found again after both were moved, and from any folder."""
    if is_remote(store):
        return as_text(store)
    store, beside = store.absolute(), absolute(beside)
    inside = not is_remote(beside) and store.is_relative_to(beside)
    return as_text(store.relative_to(beside) if inside else store)


def _read(name: str, beside: Path, store: str, fingerprint: str) -> ClipFeatures:
    root = as_path(store)
    if not is_remote(root) and not root.is_absolute():
        root = beside / root
    if not (root / PLAN_FILE).is_file():
        raise AffettoError(f"The store of {name}, {root}, is gone: run `kedro run --pipeline=features`.")
    found = FeatureStore(root).features()
    if found.fingerprint != fingerprint:
        raise AffettoError(
            f"Another run has put other clips or parameters of {name} into {root}: run again when that one "
            "has ended."
        )
    return found
