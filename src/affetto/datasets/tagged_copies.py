"""Copies of music files with tags, as a catalog entry that is saved by a plan of what to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io import AbstractDataset

from affetto.io.paths import as_path, is_remote, local_path
from affetto.recommendation.tagging import REPORT_COLUMNS, TAG_COLUMNS, check_output, tag_copy

_REPORT = "tagged.csv"


class TaggedCopiesDataset(AbstractDataset[pd.DataFrame, pd.DataFrame]):
    """A folder of tagged copies; saving a plan makes them, loading reads what came of it.

    Parameters
    ----------
    filepath
        Folder of the copies on this machine; it keeps the folders of the library.
    metadata
        Ignored here; read by Kedro-Viz.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._folder = local_path(filepath, what="tagged copies")
        self.metadata = metadata

    def save(self, data: pd.DataFrame) -> None:
        """Copy and tag the files of a plan (`affetto.recommendation.tagging.plan_tags`); none: do nothing.

        Copies of the plan before that are not of this one are taken away.

        Raises
        ------
        AffettoError
            When the folder lies inside the library or the other way round.
        """
        if data.empty:
            return
        for root in sorted(set(data["root"])):
            if not is_remote(root):
                check_output(self._folder, Path(root))
        before = self.load() if self._exists() else pd.DataFrame(columns=list(REPORT_COLUMNS))
        rows = [self._tag(row) for row in _with_progress(data)]
        kept = {path for _, path, tagged, _ in rows if tagged}
        for path in sorted(set(before.loc[before["tagged"].astype(bool), "path"]) - kept):
            (self._folder / path).unlink(missing_ok=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows, columns=list(REPORT_COLUMNS)).to_csv(self._folder / _REPORT, index=False)

    def load(self) -> pd.DataFrame:
        """Return what came of the last plan: `clip_id, path, tagged, reason`."""
        return pd.read_csv(self._folder / _REPORT)

    def _tag(self, row: dict[str, str]) -> tuple[str, str, bool, str]:
        if is_remote(row["root"]):
            reason: str | None = "it lies on another machine"
        else:
            tags = {name: row[name] for name in TAG_COLUMNS[3:]}
            reason = tag_copy(as_path(row["root"]) / row["path"], self._folder / row["path"], tags)
        return row["clip_id"], row["path"], reason is None, reason or ""

    def _exists(self) -> bool:
        return (self._folder / _REPORT).is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}


def _with_progress(plan: pd.DataFrame) -> Any:
    from tqdm import tqdm

    return tqdm(plan.to_dict(orient="records"), desc="tagged copies", unit="file", mininterval=10)
