"""Playlists as files that people and players read."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import ClassVar

from affetto.datasets.named_files import NamedFilesDataset
from affetto.recommendation.playlist import Playlist, to_m3u8

_LOGGER = logging.getLogger(__name__)


class PlaylistDataset(NamedFilesDataset[Playlist]):
    """A folder with `<name>.json` for every answer and `<name>.m3u8` for every one with tracks."""

    what: ClassVar[str] = "playlists"
    suffixes: ClassVar[tuple[str, ...]] = (".json", ".m3u8")

    def save(self, data: Mapping[str, Playlist]) -> None:
        """Write the answers and remove those of the save before that are no longer among them."""
        super().save(data)
        n_playlists = sum(bool(playlist.tracks) for playlist in data.values())
        _LOGGER.info("Wrote %d playlists to %s", n_playlists, self._folder)

    def _encode(self, name: str, value: Playlist) -> dict[str, bytes]:
        text = json.dumps(value.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
        files = {f"{name}.json": text.encode()}
        if value.tracks:
            files[f"{name}.m3u8"] = to_m3u8(value, self._folder).encode()
        return files

    def _read(self, name: str) -> Playlist:
        return Playlist.model_validate_json((self._folder / f"{name}.json").read_text("utf-8"))
