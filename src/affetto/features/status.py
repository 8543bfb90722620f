"""What a feature store holds of its last plan, and whether a run of today would change it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from affetto.features.extract import clip_keys, clip_paths
from affetto.features.parameters import FeatureParameters
from affetto.features.store import PLAN_FILE, FeatureStore, StoreUsage
from affetto.io.paths import list_files

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class StoreStatus:
    """What a feature store holds.

    Attributes
    ----------
    state
        In what the last plan is not the one of today; `fresh`: in nothing.
    planned, extracted
        Number of clips in the last plan, and how many of them have features.
    set_aside
        Reason, without the path of the clip, → how many of them have none for that reason.
    usage
        Rows, shards and bytes.
    planned_at
        When the last plan was saved; None: never.
    """

    state: str
    planned: int
    extracted: int
    set_aside: dict[str, int]
    usage: StoreUsage
    planned_at: datetime | None


def store_status(
    store: FeatureStore,
    parameters: FeatureParameters | None,
    clips: pd.DataFrame | None,
    root: Path,
    other_roots: Mapping[str, Path] = MappingProxyType({}),
) -> StoreStatus:
    """Compare the last plan of a store with what a run of today would extract; no recording is opened.

    Parameters
    ----------
    store, parameters
        The store, and the parameters of its feature; None: the project does not extract it.
    clips
        Clip table of the side; None: there is none yet.
    root, other_roots
        Folder of the corpus, and those of its training corpora by their names.
    """
    usage, plan = store.usage(), store.plan()
    if plan is None:
        return StoreStatus("never extracted", 0, 0, {}, usage, None)
    findings = []
    if parameters is None:
        findings = ["not in the parameters"]
    else:
        same = plan.description.parameters == parameters.describe()
        findings = [] if same else ["parameters changed"]
        if clips is None:
            findings.append("no clip table")
        # Keys hold parameters and versions of libraries, too: of other parameters only names can be compared.
        elif plan.clip_ids != clips["clip_id"].tolist() or (
            same and not np.array_equal(plan.keys, clip_keys(clips, root, parameters, other_roots))
        ):
            findings.append("clips changed")
    paths = {}
    if plan.reasons and clips is not None:
        paths = dict(zip(clips["clip_id"], clip_paths(clips, root, other_roots), strict=True))
    reasons = (reason.replace(str(paths.get(each, "…")), "…") for each, reason in plan.reasons.items())
    return StoreStatus(
        state=", ".join(findings) or "fresh",
        planned=len(plan.clip_ids),
        extracted=len(plan.clip_ids) - len(plan.reasons),
        set_aside=dict(Counter(reasons).most_common()),
        usage=usage,
        planned_at=datetime.fromtimestamp(list_files(store.root)[PLAN_FILE].modified_s, tz=UTC),
    )
