"""Folds inside the training clips, for what a model chooses or calibrates on clips it was not fitted on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

Fold = tuple[np.ndarray, np.ndarray]
"""Indices of the clips to fit on, and of those to predict."""


def inner_folds(labels: np.ndarray, groups: np.ndarray, n_folds: int, seed: int) -> Iterator[Fold]:
    """Divide training clips into folds that keep groups whole.

    Parameters
    ----------
    labels
        int64 [n_clips]; a fold without which some class has no clip left is passed over.
    groups
        [n_clips].
    n_folds
        Number of folds; with fewer groups there are as many folds as groups.
    seed
        Of the order in which groups are dealt to the folds.

    Yields
    ------
    Fold
        Both parts hold clips.
    """
    order = np.random.default_rng(seed).permutation(np.unique(groups.astype(str)))
    fold_of = {group: i % n_folds for i, group in enumerate(order)}
    folds = np.array([fold_of[str(group)] for group in groups])
    n_classes = len(np.unique(labels))
    for fold in range(n_folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if len(test) and len(np.unique(labels[train])) == n_classes:
            yield train, test
