"""What a feature store holds of its last plan, and whether a run of today would change it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from affetto.features.extract import clip_folders, clip_keys
from affetto.features.parameters import FeatureParameters
from affetto.features.store import PLAN_FILE, FeatureStore, Plan, StoreUsage
from affetto.file_listing import list_files

if TYPE_CHECKING:
    import pandas as pd

NEVER_EXTRACTED = "never extracted"
FRESH = "fresh"
PARAMETERS_CHANGED = "parameters changed"
CLIPS_CHANGED = "clips changed"
NOT_IN_PARAMETERS = "not in the parameters"
NO_CLIPS = "no clip table"


@dataclass(frozen=True)
class Wanted:
    """What a run of today would extract.

    Attributes
    ----------
    parameters
        Of the feature; None: the project does not extract it.
    clips
        Clip table of the side; None: there is none yet.
    root, other_roots
        Folder of the corpus, and those of its training corpora by their names.
    """

    parameters: FeatureParameters | None
    clips: pd.DataFrame | None
    root: Path
    other_roots: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class StoreStatus:
    """What a feature store holds.

    Attributes
    ----------
    planned
        Number of clips in the last plan.
    extracted
        How many of them have features.
    set_aside
        Reason, without the path of the clip, → how many of them have none for that reason.
    usage
        Rows, shards and bytes.
    planned_at
        When the last plan was saved; None: never.
    findings
        In what the last plan is not the one of today; empty: it is.
    """

    planned: int
    extracted: int
    set_aside: dict[str, int]
    usage: StoreUsage
    planned_at: datetime | None
    findings: tuple[str, ...]

    @property
    def state(self) -> str:
        """The findings in words."""
        return ", ".join(self.findings) or FRESH


def store_status(store: FeatureStore, wanted: Wanted) -> StoreStatus:
    """Compare the last plan of a store with what a run of today would extract; no recording is opened.

    Parameters
    ----------
    store
        The store.
    wanted
        What a run of today would extract.

    Returns
    -------
    StoreStatus
        Counts, and what is not of today.
    """
    usage, plan = store.usage(), store.plan()
    if plan is None:
        return StoreStatus(0, 0, {}, usage, None, (NEVER_EXTRACTED,))
    saved_s = list_files(store.root)[PLAN_FILE].modified_s
    return StoreStatus(
        planned=len(plan.clip_ids),
        extracted=len(plan.clip_ids) - len(plan.reasons),
        set_aside=dict(Counter(_reasons(plan, wanted)).most_common()),
        usage=usage,
        planned_at=datetime.fromtimestamp(saved_s, tz=UTC),
        findings=tuple(_findings(plan, wanted)),
    )


def _findings(plan: Plan, wanted: Wanted) -> list[str]:
    if wanted.parameters is None:
        return [NOT_IN_PARAMETERS]
    same = plan.description.parameters == wanted.parameters.describe()
    findings = [] if same else [PARAMETERS_CHANGED]
    if wanted.clips is None:
        return [*findings, NO_CLIPS]
    # Keys hold parameters and versions of libraries, too: of other parameters only names can be compared.
    same_clips = plan.clip_ids == wanted.clips["clip_id"].tolist() and (
        not same
        or np.array_equal(
            plan.keys, clip_keys(wanted.clips, wanted.root, wanted.parameters, wanted.other_roots)
        )
    )
    return findings if same_clips else [*findings, CLIPS_CHANGED]


def _reasons(plan: Plan, wanted: Wanted) -> list[str]:
    """Return the reason of every clip that was set aside, without the path of the clip."""
    files: Mapping[str, str] = {}
    if plan.reasons and wanted.clips is not None:
        folders, folder_of = clip_folders(wanted.clips, wanted.root, wanted.other_roots)
        paths = zip(folder_of, wanted.clips["path"], strict=True)
        names = (str(folders[folder] / path) for folder, path in paths)
        files = dict(zip(wanted.clips["clip_id"], names, strict=True))
    return [
        reason.replace(files[clip_id], "…") if clip_id in files else reason
        for clip_id, reason in plan.reasons.items()
    ]
