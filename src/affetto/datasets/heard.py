"""What was heard in recordings, as files: a summary, a table over time and a figure of each."""

from __future__ import annotations

import json
from typing import ClassVar

import pandas as pd

from affetto.datasets.named_files import NamedFilesDataset
from affetto.recommendation.heard import HeardVoice


class HeardVoiceDataset(NamedFilesDataset[HeardVoice]):
    """A folder with `<name>.json` for every recording."""

    what: ClassVar[str] = "voices"
    suffixes: ClassVar[tuple[str, ...]] = (".json",)

    def _encode(self, name: str, value: HeardVoice) -> dict[str, bytes]:
        text = json.dumps(value.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
        return {f"{name}.json": text.encode()}

    def _read(self, name: str) -> HeardVoice:
        return HeardVoice.model_validate_json((self._folder / f"{name}.json").read_text("utf-8"))


class TimelineDataset(NamedFilesDataset[pd.DataFrame]):
    """A folder with `<name>.csv` for every recording, the table of its steps."""

    what: ClassVar[str] = "timelines"
    suffixes: ClassVar[tuple[str, ...]] = (".csv",)

    def _encode(self, name: str, value: pd.DataFrame) -> dict[str, bytes]:
        return {f"{name}.csv": value.to_csv(index=False, lineterminator="\n").encode()}

    def _read(self, name: str) -> pd.DataFrame:
        # Names such as `NA` or `007` are text; an emotion is missing only where the field is empty.
        kinds = {"name": "str", "emotion": "str", "unsure": "boolean"}
        return pd.read_csv(self._folder / f"{name}.csv", dtype=kinds, keep_default_na=False, na_values=[""])


class FigureDataset(NamedFilesDataset[bytes]):
    """A folder with `<name>.png` for every recording."""

    what: ClassVar[str] = "figures"
    suffixes: ClassVar[tuple[str, ...]] = (".png",)

    def _encode(self, name: str, value: bytes) -> dict[str, bytes]:
        return {f"{name}.png": value}

    def _read(self, name: str) -> bytes:
        return (self._folder / f"{name}.png").read_bytes()
