"""Folders of named files: playlists, voices, figures and sounds."""

from __future__ import annotations

import abc
import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import pandas as pd

from affetto.datasets.placed import PlacedDataset
from affetto.io.files import write_whole
from affetto.recommendation.playlist import Playlist, to_m3u8, to_xspf
from affetto.recommendation.voice import VoiceEmotion, VoiceResult

if TYPE_CHECKING:
    from kedro_datasets._typing import ImagePreview

T = TypeVar("T")


class NamedFilesDataset(PlacedDataset[Mapping[str, T], dict[str, T]], Generic[T]):
    """A folder with one file or more for every named value.

    Every file is written under a temporary name and renamed. A list of what was saved lies beside them, so
    that files of an earlier save go when their names are no longer among those saved, and files of others are
    left alone.
    Several datasets may share the folder. The list of names is called after `what`.
    """

    suffixes: ClassVar[tuple[str, ...]]
    """Suffixes of the files that a value may have."""

    @property
    def _list(self) -> Path:
        return self._filepath / f".{self.what}"

    def load(self) -> dict[str, T]:
        """Return the values of the last save by name."""
        return {name: self._decode(self._contents(name)) for name in self._saved()}

    def save(self, data: Mapping[str, T]) -> None:
        """Write the values and remove those of the save before that are no longer among them."""
        contents = {}
        for name, value in data.items():
            for suffix, content in self._encode(value).items():
                contents[f"{name}{suffix}"] = content
        before = self._saved()
        text = json.dumps(list(data), ensure_ascii=False)
        names = {**contents, self._list.name: text.encode()}
        for file, content in names.items():
            write_whole(self._filepath / file, content)
        for name in before:
            for suffix in self.suffixes:
                if f"{name}{suffix}" not in contents:
                    (self._filepath / f"{name}{suffix}").unlink(missing_ok=True)

    @abc.abstractmethod
    def _encode(self, value: T) -> dict[str, bytes]:
        """Return the content of each file of a value by its suffix."""

    @abc.abstractmethod
    def _decode(self, contents: Mapping[str, bytes]) -> T:
        """Restore a value from the contents of its files by their suffixes."""

    def _contents(self, name: str) -> dict[str, bytes]:
        files = {suffix: self._filepath / f"{name}{suffix}" for suffix in self.suffixes}
        return {suffix: file.read_bytes() for suffix, file in files.items() if file.is_file()}

    def _saved(self) -> list[str]:
        names: list[str] = json.loads(self._list.read_text("utf-8")) if self._list.is_file() else []
        return names

    def _exists(self) -> bool:
        return self._list.is_file()


class _BytesDataset(NamedFilesDataset[bytes]):
    def _encode(self, value: bytes) -> dict[str, bytes]:
        return {self.suffixes[0]: value}

    def _decode(self, contents: Mapping[str, bytes]) -> bytes:
        return contents[self.suffixes[0]]


class SoundsDataset(_BytesDataset):
    """A folder with `<name>.mp3` for every sound; names may have slashes."""

    what: ClassVar[str] = "sounds"
    suffixes: ClassVar[tuple[str, ...]] = (".mp3",)


class FiguresDataset(_BytesDataset):
    """A folder with `<name>.png` for every figure, PNG images in memory.

    Parameters
    ----------
    filepath, metadata
        As for `PlacedDataset`.
    shown
        Name of the figure that Kedro-Viz previews.
    """

    what: ClassVar[str] = "figures"
    suffixes: ClassVar[tuple[str, ...]] = (".png",)

    def __init__(self, *, filepath: str, shown: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._shown = shown

    def preview(self) -> ImagePreview:
        """Return the figure that is shown, for Kedro-Viz."""
        return base64.b64encode(self._contents(self._shown)[".png"]).decode()


class PlaylistDataset(NamedFilesDataset[Playlist]):
    """A folder with `<name>.json` for every answer and `<name>.m3u8` and `.xspf` for every one with tracks.

    Parameters
    ----------
    filepath, metadata
        As for `PlacedDataset`.
    absolute
        Write absolute paths into the M3U8, which then can be moved; those of the XSPF always are.
    """

    what: ClassVar[str] = "playlists"
    suffixes: ClassVar[tuple[str, ...]] = (".json", ".m3u8", ".xspf")

    def __init__(
        self, *, filepath: str, absolute: bool = False, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._beside = None if absolute else self._filepath

    def _encode(self, value: Playlist) -> dict[str, bytes]:
        files = {".json": f"{value.model_dump_json(indent=2)}\n".encode()}
        if value.tracks:
            files[".m3u8"] = to_m3u8(value, self._beside).encode()
            files[".xspf"] = to_xspf(value).encode()
        return files

    def _decode(self, contents: Mapping[str, bytes]) -> Playlist:
        return Playlist.model_validate_json(contents[".json"])


class VoicesDataset(NamedFilesDataset[VoiceResult]):
    """A folder with `<name>.json` for every recording, and `.csv` and `.png` where there is speech."""

    what: ClassVar[str] = "voices"
    suffixes: ClassVar[tuple[str, ...]] = (".json", ".csv", ".png")

    def _encode(self, value: VoiceResult) -> dict[str, bytes]:
        files = {".json": f"{value.voice.model_dump_json(indent=2)}\n".encode()}
        if value.timeline is not None and value.figure is not None:
            files[".csv"] = value.timeline.to_csv(index=False, lineterminator="\n").encode()
            files[".png"] = value.figure
        return files

    def _decode(self, contents: Mapping[str, bytes]) -> VoiceResult:
        voice = VoiceEmotion.model_validate_json(contents[".json"])
        if ".csv" not in contents:
            return VoiceResult(voice)
        # Names such as `NA` or `007` are text; an emotion is missing only where the field is empty.
        kinds = {"name": "str", "emotion": "str", "unsure": "boolean"}
        table = io.BytesIO(contents[".csv"])
        timeline = pd.read_csv(table, dtype=kinds, keep_default_na=False, na_values=[""])
        return VoiceResult(voice, timeline, contents[".png"])
