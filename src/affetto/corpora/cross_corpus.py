"""Folds by corpus: models are tested on a corpus that they have not been trained on."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affetto.corpora.clips import FEWEST_EMOTIONS
from affetto.errors import AffettoError

logger = logging.getLogger(__name__)

PROTOCOLS = ("cross_corpus", "leave_one_corpus_out")


def folds_by_corpus(
    labelled: pd.DataFrame, protocol: str, *, tested: str
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Divide clips by corpus.

    A group that lies in two corpora, since some recording of it occurs in both, keeps its clips in one of
    them alone: in the tested one, else in the first.

    Parameters
    ----------
    labelled
        Labelled clips of several corpora.
    protocol
        `cross_corpus`: the tested corpus is fold 0 and the others are always in training;
        `leave_one_corpus_out`: a fold a corpus, in the order of the table.
    tested
        Name of the corpus that `cross_corpus` tests.

    Returns
    -------
    clips
        Those that are left.
    folds
        int64 [n_clips], the fold that tests each; -1: none.

    Raises
    ------
    AffettoError
        When there is one corpus only, or too little is left to train on.
    """
    side = labelled["side"].iloc[0]
    if len(set(labelled["corpus"])) == 1:
        raise AffettoError(
            f"{side}.split.protocol is {protocol}, but {labelled['corpus'].iloc[0]} is the only corpus with "
            f"labelled clips: name another one in {side}.corpus.training_corpora."
        )
    kept = _in_one_corpus(labelled, tested)
    folds = kept["corpus"].factorize()[0].astype(np.int64)
    if protocol == "cross_corpus":
        folds = np.where(kept["corpus"] == tested, 0, -1)
    for fold in np.unique(folds[folds >= 0]):
        if len(set(kept["emotion"][folds != fold])) < FEWEST_EMOTIONS or not (folds == fold).any():
            raise AffettoError(
                f"Without the groups that have a recording in {tested} too, fewer than two emotions are left "
                f"to train on: name corpora of other recordings in {side}.corpus.training_corpora."
            )
    return kept, folds


def _in_one_corpus(labelled: pd.DataFrame, tested: str) -> pd.DataFrame:
    """Leave out the clips whose group is at home in another corpus."""
    tested_first = labelled.sort_values("corpus", key=lambda names: names != tested, kind="stable")
    homes = tested_first.drop_duplicates("group").set_index("group")["corpus"]
    at_home = (labelled["corpus"] == labelled["group"].map(homes)).to_numpy(dtype=bool)
    if not at_home.all():
        logger.warning(
            "%d clips share a group with another corpus, of the same people or recordings, and are left out",
            (~at_home).sum(),
        )
    return labelled[at_home].reset_index(drop=True)
