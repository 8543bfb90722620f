"""The features of a side as a catalog entry: a note of what lies in which feature store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from affetto.datasets.placed import PlacedDataset
from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures
from affetto.features.store import PLAN_FILE, FeatureStore, Shard
from affetto.io.files import write_whole
from affetto.io.paths import absolute, as_path, as_text, is_remote


class FeaturesDataset(PlacedDataset[Mapping[str, ClipFeatures], dict[str, ClipFeatures]]):
    """A JSON file that names the feature stores in which the features of a run lie.

    The values stay in the stores; loading maps them into memory. A store that lies beside the file is noted
    by its place there, so that both are found again after they were moved together.
    """

    def load(self) -> dict[str, ClipFeatures]:
        """Return the features by name.

        Raises
        ------
        AffettoError
            When a store was deleted, or another run has put other clips into it.
        """
        noted: dict[str, dict[str, str]] = json.loads(self._filepath.read_text("utf-8"))
        found = {}
        for name, entry in noted.items():
            root = as_path(entry["store"])
            if not is_remote(root) and not root.is_absolute():
                root = self._filepath.parent / root
            if not (root / PLAN_FILE).is_file():
                raise AffettoError(
                    f"The store of {name}, {root}, is gone: run `kedro run --pipeline=features`."
                )
            found[name] = FeatureStore(root).features()
            if found[name].fingerprint != entry["fingerprint"]:
                raise AffettoError(
                    f"Another run has put other clips or parameters of {name} into {root}: run again when "
                    "that one has ended."
                )
        return found

    def save(self, data: Mapping[str, ClipFeatures]) -> None:
        """Note where the features lie, which a feature store has given out."""
        noted = {}
        for name, features in data.items():
            shard = features.containers[0]
            if not isinstance(shard, Shard):
                raise TypeError(f"{name} lies in no feature store")
            store = self._as_noted(as_path(shard.folder).parent)
            noted[name] = {"store": as_text(store), "fingerprint": features.fingerprint}
        text = json.dumps(noted, indent=2).encode()
        write_whole(self._filepath, text)

    def _as_noted(self, store: Path) -> Path:
        store, beside = absolute(store), absolute(self._filepath.parent)
        if is_remote(store) or is_remote(beside) or not store.is_relative_to(beside):
            return store
        return store.relative_to(beside)
