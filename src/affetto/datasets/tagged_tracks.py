"""Music files with tags, written beside the originals by a plan of what to write."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pandas as pd
from tqdm import tqdm

from affetto.datasets.placed import PlacedDataset
from affetto.io.paths import as_path, is_remote
from affetto.recommendation.tagging import REPORT_COLUMNS, TAG_COLUMNS, check_output, tag_copy


class TaggedTracksDataset(PlacedDataset[pd.DataFrame, pd.DataFrame]):
    """A folder of tracks with tags; saving a plan writes them, loading reads what came of it.

    It lies on this machine and keeps the folders of the library.
    """

    what: ClassVar[str] = "tagged tracks"

    @property
    def _report(self) -> Path:
        return self._filepath / "tagged.csv"

    def save(self, data: pd.DataFrame) -> None:
        """Write the files of a plan (`affetto.recommendation.tagging.plan_tags`); none: do nothing.

        Files of the plan before that are not of this one are taken away.

        Raises
        ------
        AffettoError
            When the folder lies inside the library or the other way round.
        """
        if data.empty:
            return
        for root in sorted(set(data["root"])):
            if not is_remote(as_path(root)):
                check_output(self._filepath, Path(root))
        columns = list(REPORT_COLUMNS)
        before = self.load() if self._exists() else pd.DataFrame(columns=columns)
        rows, tracks = [], data.to_dict("records")
        for row in tqdm(tracks, desc="tagged tracks", unit="file", mininterval=10):
            path, reason = row["path"], "it lies on another machine"
            if not is_remote(as_path(row["root"])):
                tags = {name: row[name] for name in TAG_COLUMNS[3:]}
                source = Path(row["root"]) / path
                reason = tag_copy(source, self._filepath / path, tags) or ""
            rows.append((row["clip_id"], path, not reason, reason))
        written = {path for _, path, tagged, _ in rows if tagged}
        for path in set(before.loc[before["tagged"].astype(bool), "path"]) - written:
            (self._filepath / path).unlink(missing_ok=True)
        self._filepath.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows, columns=columns).to_csv(self._report, index=False)

    def load(self) -> pd.DataFrame:
        """Return what came of the last plan: `clip_id, path, tagged, reason`."""
        return pd.read_csv(self._report)

    def _exists(self) -> bool:
        return self._report.is_file()
