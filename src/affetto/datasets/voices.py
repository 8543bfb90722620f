"""The emotion of voices as files: a summary of each recording, a table over time and a figure."""

from __future__ import annotations

import json
from typing import ClassVar

import pandas as pd

from affetto.datasets.named_files import NamedFilesDataset
from affetto.recommendation.voice import VoiceEmotion, VoiceResult


class VoicesDataset(NamedFilesDataset[VoiceResult]):
    """A folder with `<name>.json` for every recording, and `.csv` and `.png` where there is speech."""

    what: ClassVar[str] = "voices"
    suffixes: ClassVar[tuple[str, ...]] = (".json", ".csv", ".png")

    def _encode(self, name: str, value: VoiceResult) -> dict[str, bytes]:
        text = json.dumps(value.voice.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
        files = {f"{name}.json": text.encode()}
        if value.timeline is not None:
            files[f"{name}.csv"] = value.timeline.to_csv(index=False, lineterminator="\n").encode()
        if value.figure is not None:
            files[f"{name}.png"] = value.figure
        return files

    def _read(self, name: str) -> VoiceResult:
        summary, table, figure = (self._folder / f"{name}{suffix}" for suffix in self.suffixes)
        voice = VoiceEmotion.model_validate_json(summary.read_text("utf-8"))
        if not table.is_file():
            return VoiceResult(voice)
        # Names such as `NA` or `007` are text; an emotion is missing only where the field is empty.
        kinds = {"name": "str", "emotion": "str", "unsure": "boolean"}
        timeline = pd.read_csv(table, dtype=kinds, keep_default_na=False, na_values=[""])
        return VoiceResult(voice, timeline, figure.read_bytes())
