"""Divide labelled clips into training and test, by group or by corpus and stratified by emotion."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affetto.corpora.clips import FEWEST_EMOTIONS, OFFICIAL_FOLD
from affetto.corpora.duplicates import first_of_sets
from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.errors import AffettoError, name_some

logger = logging.getLogger(__name__)

ALWAYS_TRAINING = -1
_FEWEST_FOLDS = 2
_BY_CORPUS = ("cross_corpus", "leave_one_corpus_out")
_FOLD_COLUMNS = ("fold", "group_fold", "second_fold")
_Folds = NDArray[np.int64]


def make_folds(clips: pd.DataFrame, split: SplitParameters, *, tested: str | None = None) -> pd.DataFrame:
    """Assign every labelled clip to the fold in which it is tested; no group straddles training and test.

    Parameters
    ----------
    clips
        Clip table; clips without emotion are left out.
    split
        The protocol. `kfold`: scikit-learn's `StratifiedGroupKFold`, with fewer folds than asked for where
        there are fewer groups, which is logged; `leave_one_group_out`: folds in the
        order of the groups' names; `holdout`: of `1 / test_fraction` folds the one whose size comes closest
        to the fraction; `official`: the published test part, from whose groups no clip stays in training,
        or the published folds; clips that the publication leaves out are left out. With `test_groups` the
        folds are made of these groups alone. With `second_folds` each of these folds is cut by the folds of
        the second groups, and the parts are the folds. `cross_corpus`: the tested corpus is fold 0 and the
        others are always in training; `leave_one_corpus_out`: a fold a corpus, in the order of the table. A
        group that lies in two corpora, since some recording of it occurs in both, then keeps its clips in one
        of them alone: in the tested one, else in the first.
    tested
        Name of the corpus that `cross_corpus` tests; None: that of the first clip.

    Returns
    -------
    pandas.DataFrame
        `clip_id, fold` by `clip_id`; -1 for clips that are never tested. With `second_folds` also
        `group_fold, second_fold`. `trained_on` tells what the models of a fold are fitted on.

    Raises
    ------
    AffettoError
        When the clips do not allow the protocol.
    """
    labelled = _labelled(clips)
    more: dict[str, _Folds] = {}
    if split.protocol == "official":
        labelled, folds = _official(labelled)
    elif split.protocol in _BY_CORPUS:
        tested = tested or clips.loc[clips["emotion"].notna(), "corpus"].iloc[0]
        labelled, folds = _by_corpus(labelled, split.protocol, tested)
    else:
        folds = _by_group(labelled, split)
        if split.second_folds is not None:
            more = {"group_fold": folds, "second_fold": _by_second_group(labelled, split)}
            is_tested = folds != ALWAYS_TRAINING
            pairs = np.stack([more["group_fold"][is_tested], more["second_fold"][is_tested]], axis=1)
            folds = folds.copy()
            folds[is_tested] = np.unique(pairs, axis=0, return_inverse=True)[1].ravel()
    table = _table(labelled, fold=folds, **more)
    _check_training_parts(labelled, table)
    return table


def trained_on(folds: pd.DataFrame, fold: int) -> NDArray[np.bool_]:
    """Tell which clips the models of a fold are fitted on: those that share none of its folds.

    Parameters
    ----------
    folds
        The table of `make_folds`, perhaps with further columns.
    fold
        Number of the fold.

    Returns
    -------
    numpy.ndarray
        bool [n_clips]: neither tested in this fold nor, where second groups are kept apart, of a group or a
        second group of the clips that are.
    """
    tested = folds["fold"] == fold
    trained = np.ones(len(folds), dtype=bool)
    for name in _FOLD_COLUMNS:
        if name in folds:
            trained &= ~folds[name].isin(folds.loc[tested, name]).to_numpy(dtype=bool)
    return trained


def check_protocol(corpus: CorpusParameters, split: SplitParameters, *, side: str) -> None:
    """Make sure that a corpus with training corpora has a protocol that makes use of them.

    Raises
    ------
    AffettoError
        When it knows of one corpus only.
    """
    if corpus.others and split.protocol not in _BY_CORPUS:
        raise AffettoError(
            f"{side}.corpus.training_corpora names {', '.join(corpus.training_corpora)}, but "
            f"{side}.split.protocol {split.protocol} does not tell corpora apart: set it to "
            f"{' or '.join(_BY_CORPUS)}, or leave the training corpora out."
        )


def make_random_folds(clips: pd.DataFrame, folds: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Deal clips into as many folds regardless of groups: the optimistic end of the leakage gap.

    Models are fitted on as large a share of the clips as those of the grouped folds, or the gap would tell of
    the size of the training part as well. Where one part alone is tested, all clips are dealt into as many
    folds as there are such parts.

    Clips of one file, whose segments may overlap, or of one take stay together even here: having trained on
    the very recording is no leakage by group.

    Parameters
    ----------
    clips
        Clip table; clips without emotion are left out.
    folds
        Of `make_folds`; clips that it leaves out are left out, those that it never tests are not dealt.
    seed
        Seed of the shuffle.

    Returns
    -------
    pandas.DataFrame
        `clip_id, fold`, folds from 0, stratified by emotion; -1 for clips that are never tested.

    Raises
    ------
    AffettoError
        When there are fewer than two emotions, or one of a single clip.
    """
    labelled = _labelled(clips)
    labelled = labelled[labelled["clip_id"].isin(folds["clip_id"])].reset_index(drop=True)
    recordings = _recordings(labelled)
    grouped = folds.set_index("clip_id").loc[labelled["clip_id"]].reset_index()
    held_out = 1 - np.mean([trained_on(grouped, fold).mean() for fold in _tested_folds(grouped)])
    dealt = recordings.isin(recordings[(grouped["fold"] != ALWAYS_TRAINING).to_numpy()])
    n_folds = round(dealt.mean() / held_out)
    if n_folds == 1:
        dealt[:], n_folds = True, max(2, round(1 / held_out))
    found = np.full(len(labelled), ALWAYS_TRAINING, dtype=np.int64)
    found[dealt] = _deal(recordings[dealt], labelled.loc[dealt, "emotion"], n_folds, seed)
    return _table(labelled, fold=found)


def _deal(recordings: pd.Series[Any], emotion: pd.Series[Any], n_folds: int, seed: int) -> _Folds:
    """Deal whole recordings into stratified folds, as far as there are enough of them."""
    from sklearn.model_selection import StratifiedKFold

    codes = recordings.factorize()[0]
    emotions = emotion[~recordings.duplicated()]
    most = int(emotions.value_counts().max())
    if most == 1:  # one recording an emotion: there is nothing to stratify
        return np.asarray(codes % min(n_folds, 2))
    splitter = StratifiedKFold(min(n_folds, most), shuffle=True, random_state=seed)
    return np.asarray(_test_folds(splitter, emotions)[codes])


def _recordings(labelled: pd.DataFrame) -> pd.Series[Any]:
    """Name the recording of each clip: clips of one file, and those of one take, have one.

    Where all would be one, which nothing could be tested on, the parts of the file are taken apart.
    """
    takes: pd.Series[Any] = labelled.get("take", labelled["clip_id"])
    recordings = first_of_sets(labelled["path"], takes)
    return pd.Series(recordings, index=labelled.index) if recordings.any() else takes


def _labelled(clips: pd.DataFrame) -> pd.DataFrame:
    """Return the labelled clips by `clip_id`: how a table happens to be ordered must not decide on folds."""
    labelled = clips[clips["emotion"].notna()].sort_values("clip_id", ignore_index=True)
    corpus, side = clips["corpus"].iloc[0], clips["side"].iloc[0]
    counts = labelled["emotion"].value_counts()
    if len(counts) < FEWEST_EMOTIONS:
        some = f"All {len(labelled)} labelled clips of {corpus} are {counts.index[0]}" if len(counts) else ""
        raise AffettoError(
            f"{some or f'No clip of {corpus} has an emotion'}, and a model needs two or more: give labels a "
            f"meaning in {side}.corpus.label_map (the features pipeline needs no labels)."
        )
    if counts.min() == 1:
        lonely = ", ".join(sorted(counts.index[counts == 1]))
        raise AffettoError(
            f"One clip only of {corpus} is labelled {lonely}, which cannot be both in training and in test: "
            f"add clips, or map its label to null in {side}.corpus.label_map."
        )
    return labelled


def _by_group(labelled: pd.DataFrame, split: SplitParameters) -> _Folds:
    """Return the fold that tests each clip, of all groups or of `test_groups`."""
    corpus, side = labelled["corpus"].iloc[0], labelled["side"].iloc[0]
    groups = set(labelled["group"])
    if len(groups) == 1:
        raise AffettoError(
            f"All labelled clips of {corpus} are of one group, {min(groups)}: add speakers, artists or "
            f"songs, or see how {side}.corpus finds groups."
        )
    unknown = sorted(set(split.test_groups) - groups)
    if unknown:
        raise AffettoError(
            f"{side}.split.test_groups names {', '.join(unknown)}, of which {corpus} has no labelled clip: "
            f"its groups are {name_some(sorted(groups))}."
        )
    is_tested = labelled["group"].isin(split.test_groups or groups).to_numpy(dtype=bool)
    tested = labelled[is_tested].reset_index(drop=True)
    folds = np.full(len(labelled), ALWAYS_TRAINING, dtype=np.int64)
    if split.protocol == "leave_one_group_out":
        folds[is_tested] = _one_by_one(tested)
    elif split.protocol == "kfold":
        folds[is_tested] = _stratified_groups(tested, split.n_folds, split.seed, "n_folds")
    else:
        n_folds = min(max(2, round(1 / split.test_fraction)), len(groups))
        parts = _stratified_groups(tested, n_folds, split.seed, "test_fraction")
        shares = np.bincount(parts, minlength=n_folds) / len(parts)
        folds[parts == np.argmin(np.abs(shares - split.test_fraction))] = 0
    return folds


def _by_second_group(labelled: pd.DataFrame, split: SplitParameters) -> _Folds:
    """Return the fold of each clip's second group; a clip without one has one of its own."""
    corpus, side = labelled["corpus"].iloc[0], labelled["side"].iloc[0]
    named = labelled.reindex(columns=["second_group"])["second_group"]
    second = labelled.assign(group=named.fillna(labelled["clip_id"]))
    if named.isna().all() or len(set(second["group"])) == 1:
        raise AffettoError(
            f"{side}.split.second_folds is {split.second_folds}, but {corpus} has {named.nunique()} second "
            f"groups: set second_folds to null, or see how {side}.corpus finds them."
        )
    if named.isna().any():
        logger.warning("%s: %d clips have no second group", corpus, named.isna().sum())
    if split.second_folds == "each":
        return _one_by_one(second)
    return _stratified_groups(second, int(split.second_folds or 0), split.seed, "second_folds")


def _one_by_one(labelled: pd.DataFrame) -> _Folds:
    return np.unique(labelled["group"].to_numpy(dtype="U"), return_inverse=True)[1].astype(np.int64)


def _stratified_groups(labelled: pd.DataFrame, n_folds: int, seed: int, setting: str) -> _Folds:
    """Deal groups into folds, each of which tests something."""
    from sklearn.model_selection import StratifiedGroupKFold

    corpus, side = labelled["corpus"].iloc[0], labelled["side"].iloc[0]
    n_groups = labelled["group"].nunique()
    most = int(labelled["emotion"].value_counts().max())
    possible = min(n_groups, most)
    if possible < _FEWEST_FOLDS:
        raise AffettoError(
            f"{side}.split.{setting} asks for {n_folds} folds, but {corpus} has {n_groups} groups to test, "
            f"with {most} clips of the commonest emotion: add groups, or use another protocol."
        )
    if n_folds > possible:
        said = "%s: %d folds are made and not %d (%s.split.%s): it has %d groups to test, with %d clips of "
        said += "the commonest emotion"
        logger.warning(said, corpus, possible, n_folds, side, setting, n_groups, most)
        n_folds = possible
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    folds = pd.Series(_test_folds(splitter, labelled["emotion"], labelled["group"]))
    # scikit-learn may leave folds empty: each gets the smallest group of the fold that has most groups.
    for empty in sorted(set(range(n_folds)) - set(folds)):
        crowded = labelled["group"].groupby(folds).nunique().idxmax()
        smallest = labelled.loc[folds == crowded, "group"].value_counts(ascending=True).index[0]
        folds[labelled["group"] == smallest] = empty
    return folds.to_numpy(dtype=np.int64)


def _test_folds(splitter: Any, emotions: pd.Series[Any], groups: pd.Series[Any] | None = None) -> _Folds:
    """Return the fold that tests each clip, by a splitter of scikit-learn."""
    folds = np.full(len(emotions), ALWAYS_TRAINING, dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of rare emotions, which we log ourselves
        for fold, (_, test) in enumerate(splitter.split(emotions, emotions, groups)):
            folds[test] = fold
    return folds


def _official(labelled: pd.DataFrame) -> tuple[pd.DataFrame, _Folds]:
    """Return the clips of the published split without those that share a group with its test part.

    Of published folds, each of which is tested once, without those of groups that lie in several.
    """
    published = labelled[labelled["official_split"].notna()]
    test = published["official_split"] == "test"
    corpus, side = labelled["corpus"].iloc[0], labelled["side"].iloc[0]
    folds = published["official_split"].str.extract(OFFICIAL_FOLD, expand=False)
    if folds.notna().all() and len(set(folds)) > 1:
        whole = folds.groupby(published["group"]).transform("nunique") == 1
        if not whole.all():
            said = "%s: %d clips are of groups that lie in several published folds and are left out"
            logger.warning(said, corpus, (~whole).sum())
        return published[whole], folds[whole].astype("int64").factorize(sort=True)[0]
    if not test.any() or test.all():
        raise AffettoError(
            f"{side}.split.protocol is official, but {corpus} has no published split with training and "
            "test clips: use another."
        )
    straddling = ~test & published["group"].isin(published.loc[test, "group"])
    if straddling.any():
        said = "%s: %d training clips share a group with the test part and are left out"
        logger.warning(said, corpus, straddling.sum())
    return published[~straddling], np.where(test[~straddling], 0, ALWAYS_TRAINING)


def _by_corpus(labelled: pd.DataFrame, protocol: str, tested: str) -> tuple[pd.DataFrame, _Folds]:
    """Return the clips of the corpus that their group is at home in, and the folds of the corpora."""
    corpus, side = labelled["corpus"].iloc[0], labelled["side"].iloc[0]
    if len(set(labelled["corpus"])) == 1:
        raise AffettoError(
            f"{side}.split.protocol is {protocol}, but {corpus} is the only corpus with labelled clips: name "
            f"another one in {side}.corpus.training_corpora."
        )
    tested_first = labelled.sort_values("corpus", key=lambda names: names != tested, kind="stable")
    homes = tested_first.drop_duplicates("group").set_index("group")["corpus"]
    at_home = labelled["corpus"] == labelled["group"].map(homes)
    if not at_home.all():
        said = "%d clips share a group with another corpus and are left out"
        logger.warning(said, (~at_home).sum())
    kept = labelled[at_home]
    if protocol == "cross_corpus":
        return kept, np.where(kept["corpus"] == tested, 0, ALWAYS_TRAINING)
    return kept, kept["corpus"].factorize()[0]


def _table(labelled: pd.DataFrame, **columns: _Folds) -> pd.DataFrame:
    ids = labelled["clip_id"].astype("str").reset_index(drop=True)
    folds = {name: np.asarray(column, dtype=np.int64) for name, column in columns.items()}
    return pd.DataFrame({"clip_id": ids, **folds})


def _tested_folds(table: pd.DataFrame) -> list[int]:
    return sorted(set(table["fold"].tolist()) - {ALWAYS_TRAINING})


def _check_training_parts(labelled: pd.DataFrame, table: pd.DataFrame) -> None:
    """Log the emotions that a fold tests without any clip to train on."""
    corpus, side = labelled["corpus"].iloc[0], labelled["side"].iloc[0]
    emotions = labelled["emotion"].to_numpy()
    for fold in _tested_folds(table):
        trained = set(emotions[trained_on(table, fold)])
        untrained = sorted(set(emotions[table["fold"] == fold]) - trained)
        if untrained:
            logger.warning("%s: fold %d has no training clip of %s", corpus, fold, ", ".join(untrained))
        if len(trained) < FEWEST_EMOTIONS:
            raise AffettoError(
                f"Fold {fold} of {corpus} leaves {', '.join(trained) or 'no emotion'} to train on, and "
                f"a model needs two emotions: change {side}.split, or add groups or corpora of several "
                "emotions."
            )
