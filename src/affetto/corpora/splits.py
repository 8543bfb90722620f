"""Divide labelled clips into training and test, by group or by corpus and stratified by emotion."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affetto.corpora.audit import unite_groups_of_duplicates
from affetto.corpora.clips import FEWEST_EMOTIONS
from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.errors import AffettoError

logger = logging.getLogger(__name__)

ALWAYS_TRAINING = -1
FOLD_COLUMNS = ("fold", "group_fold", "second_fold")
BY_CORPUS = ("cross_corpus", "leave_one_corpus_out")
_NAMED = 10
Folds = NDArray[np.int64]


def make_folds(clips: pd.DataFrame, split: SplitParameters, *, tested: str | None = None) -> pd.DataFrame:
    """Assign every labelled clip to the fold in which it is tested; no group straddles training and test.

    Parameters
    ----------
    clips
        Clip table; clips without emotion are left out.
    split
        The protocol. `kfold`: scikit-learn's `StratifiedGroupKFold`; `leave_one_group_out`: folds in the
        order of the groups' names; `holdout`: of `1 / test_fraction` folds the one whose size comes closest
        to the fraction; `official`: the published test part, from whose groups no clip stays in training;
        clips that the publication leaves out are left out. With `test_groups` the folds are made of these
        groups alone. With `second_folds` each of these folds is cut by the folds of the second groups, and
        the parts are the folds. `cross_corpus`: the tested corpus is fold 0 and the others are always in
        training; `leave_one_corpus_out`: a fold a corpus, in the order of the table. A group that lies in two
        corpora, since some recording of it occurs in both, then keeps its clips in one of them alone: in the
        tested one, else in the first.
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
    _check_classes(labelled)
    if split.protocol == "official":
        return _official(labelled)
    if split.protocol in BY_CORPUS:
        tested = tested or clips.loc[clips["emotion"].notna(), "corpus"].iloc[0]
        return _by_corpus(labelled, split.protocol, tested)
    is_tested = _is_tested(labelled, split)
    _check_groups(labelled, is_tested, split)
    methods = {"kfold": _kfold, "leave_one_group_out": _leave_one_group_out, "holdout": _holdout}
    folds = np.full(len(labelled), ALWAYS_TRAINING, dtype=np.int64)
    folds[is_tested] = methods[split.protocol](labelled[is_tested].reset_index(drop=True), split)
    more = {}
    if split.second_folds is not None:
        more = {"group_fold": folds, "second_fold": _second_folds(labelled, split)}
        folds = _parts(**more)
    return _table(labelled, folds, refuse=True, **more)


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
    for name in FOLD_COLUMNS:
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
    if corpus.others and split.protocol not in BY_CORPUS:
        raise AffettoError(
            f"{side}.corpus.training_corpora names {', '.join(corpus.training_corpora)}, but "
            f"{side}.split.protocol {split.protocol} does not tell corpora apart: set it to "
            f"{' or '.join(BY_CORPUS)}, or leave the training corpora out."
        )


def make_random_folds(clips: pd.DataFrame, folds: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Deal clips into as many folds regardless of groups: the optimistic end of the leakage gap.

    Models are fitted on as large a share of the clips as those of the grouped folds, or the gap would tell of
    the size of the training part as well. Where one part alone is tested, all clips are dealt into as many
    folds as there are such parts.

    Clips of one file, whose segments may overlap, or of the same decoded content stay together even here:
    having trained on the very samples is no leakage by group.

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
    _check_classes(labelled)
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
    return _table(labelled, found)


def _deal(recordings: pd.Series[Any], emotion: pd.Series[Any], n_folds: int, seed: int) -> Folds:
    """Deal whole recordings into stratified folds, as far as there are enough of them."""
    from sklearn.model_selection import StratifiedKFold

    emotions = emotion[~recordings.duplicated()]
    most = int(emotions.value_counts().max())
    if most == 1:  # one recording an emotion: there is nothing to stratify
        return np.asarray(recordings.factorize()[0] % min(n_folds, 2))
    splitter = StratifiedKFold(min(n_folds, most), shuffle=True, random_state=seed)
    return np.asarray(_test_folds(splitter, emotions)[recordings.factorize()[0]])


def _recordings(labelled: pd.DataFrame) -> pd.Series[Any]:
    """Name the recording of each clip: clips of one file, and those of equal content, have one.

    Where all would be one, which nothing could be tested on, the parts of the file are taken apart.
    """
    contents = labelled.get("content_hash", labelled["clip_id"])
    united = unite_groups_of_duplicates(labelled.assign(group=labelled["path"], content_hash=contents))
    return contents if len(set(united["group"])) == 1 else united["group"]


def _named(clips: pd.DataFrame) -> tuple[str, str]:
    """Return corpus and side of clips, for messages."""
    return clips["corpus"].iloc[0], clips["side"].iloc[0]


def _labelled(clips: pd.DataFrame) -> pd.DataFrame:
    """Return the labelled clips by `clip_id`: how a table happens to be ordered must not decide on folds."""
    labelled = clips[clips["emotion"].notna()].sort_values("clip_id", ignore_index=True)
    if labelled.empty:
        corpus, side = _named(clips)
        raise AffettoError(
            f"No clip of {corpus} has an emotion, and models cannot be fitted without: give labels a meaning "
            f"in {side}.corpus.label_map, or use a labelled corpus (the features pipeline needs no labels)."
        )
    return labelled


def _check_classes(labelled: pd.DataFrame) -> None:
    counts = labelled["emotion"].value_counts()
    corpus, side = _named(labelled)
    if len(counts) == 1:
        raise AffettoError(
            f"All {counts.iloc[0]} labelled clips of {corpus} are {counts.index[0]}: a model needs two "
            f"emotions or more; see {side}.corpus."
        )
    if counts.min() == 1:
        lonely = ", ".join(sorted(counts.index[counts == 1]))
        raise AffettoError(
            f"One clip only of {corpus} is labelled {lonely}, which cannot be both in training and in test: "
            f"add clips, or map its label to null in {side}.corpus.label_map."
        )


def _is_tested(labelled: pd.DataFrame, split: SplitParameters) -> NDArray[np.bool_]:
    """Return a mask of the clips that are to be tested [n_labelled]."""
    if not split.test_groups:
        return np.ones(len(labelled), dtype=bool)
    known = set(labelled["group"])
    unknown = sorted(set(split.test_groups) - known)
    if unknown:
        corpus, side = _named(labelled)
        named = ", ".join(sorted(known)[:_NAMED]) + (", …" if len(known) > _NAMED else "")
        raise AffettoError(
            f"{side}.split.test_groups names {', '.join(unknown)}, of which {corpus} has no labelled clip: "
            f"its groups are {named} (the log of the audit names those that were united with another)."
        )
    return labelled["group"].isin(split.test_groups).to_numpy(dtype=bool)


def _check_groups(labelled: pd.DataFrame, tested: NDArray[np.bool_], split: SplitParameters) -> None:
    corpus, side = _named(labelled)
    if len(set(labelled["group"])) == 1:
        raise AffettoError(
            f"All labelled clips of {corpus} are of one group ({labelled['group'].iloc[0]}), so none can be "
            f"tested without having trained on it: add speakers, artists or songs, or see how {side}.corpus "
            "finds groups."
        )
    n_groups = labelled.loc[tested, "group"].nunique()
    if split.protocol == "kfold" and n_groups < split.n_folds:
        smaller = f"it to {n_groups} or less, or " if n_groups > 1 else ""
        which = f"{side}.split.test_groups" if split.test_groups else f"the labelled clips of {corpus}"
        raise AffettoError(
            f"{side}.split.n_folds is {split.n_folds}, but {which} are of {n_groups} groups: set {smaller}"
            "the protocol to leave_one_group_out."
        )


def _kfold(labelled: pd.DataFrame, split: SplitParameters) -> Folds:
    return _stratified_groups(labelled, split.n_folds, split.seed)


def _leave_one_group_out(labelled: pd.DataFrame, _split: SplitParameters) -> Folds:
    _, folds = np.unique(labelled["group"].to_numpy(dtype="U"), return_inverse=True)
    return folds.astype(np.int64)


def _holdout(labelled: pd.DataFrame, split: SplitParameters) -> Folds:
    n_folds = min(max(2, round(1 / split.test_fraction)), labelled["group"].nunique())
    folds = _stratified_groups(labelled, n_folds, split.seed)
    sizes = np.bincount(folds, minlength=n_folds)
    chosen = int(np.argmin(np.abs(sizes / len(folds) - split.test_fraction)))
    return np.where(folds == chosen, 0, ALWAYS_TRAINING)


def _second_folds(labelled: pd.DataFrame, split: SplitParameters) -> Folds:
    """Deal the second groups into folds; a clip without one has one of its own."""
    corpus, side = _named(labelled)
    named = labelled.reindex(columns=["second_group"])["second_group"]
    if named.isna().all():
        raise AffettoError(
            f"{side}.split.second_folds is {split.second_folds}, but no clip of {corpus} has a second group: "
            f"set {side}.corpus.second_group_pattern (folders) or {side}.corpus.second_group_column (table), "
            "or second_folds to null."
        )
    if named.isna().any():
        logger.warning(
            "%s: %d clips have no second group and are each one of its own", corpus, named.isna().sum()
        )
    second = labelled.assign(group=named.fillna(labelled["clip_id"]))
    n_groups = second["group"].nunique()
    n_folds = split.second_folds if isinstance(split.second_folds, int) else 2
    if n_groups < n_folds:
        smaller = f"second_folds to {n_groups} or less" if n_groups > 1 else "second_folds to null"
        raise AffettoError(
            f"{side}.split.second_folds is {split.second_folds}, but the labelled clips of {corpus} are of "
            f"{n_groups} second groups: set {smaller}."
        )
    if split.second_folds == "each":
        return _leave_one_group_out(second, split)
    return _stratified_groups(second, n_folds, split.seed, setting="second_folds")


def _parts(group_fold: Folds, second_fold: Folds) -> Folds:
    """Give a number to each part that two divisions cut the tested clips into."""
    parts = np.full(len(group_fold), ALWAYS_TRAINING, dtype=np.int64)
    tested = group_fold != ALWAYS_TRAINING
    pairs = np.stack([group_fold[tested], second_fold[tested]], axis=1)
    parts[tested] = np.unique(pairs, axis=0, return_inverse=True)[1].ravel()
    return parts


def _stratified_groups(labelled: pd.DataFrame, n_folds: int, seed: int, setting: str = "n_folds") -> Folds:
    from sklearn.model_selection import StratifiedGroupKFold

    most = int(labelled["emotion"].value_counts().max())
    if most < n_folds:
        corpus, side = _named(labelled)
        raise AffettoError(
            f"{n_folds} folds are too many for {corpus}, where no emotion has more than {most} clips: set "
            f"{side}.split.{setting} to {most} or less (for holdout, {side}.split.test_fraction higher)."
        )
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    folds = _test_folds(splitter, labelled["emotion"], labelled["group"])
    return _fill_empty_folds(folds, labelled["group"], n_folds)


def _test_folds(splitter: Any, emotions: pd.Series[Any], groups: pd.Series[Any] | None = None) -> Folds:
    """Return the fold that tests each clip, by a splitter of scikit-learn."""
    folds = np.full(len(emotions), ALWAYS_TRAINING, dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of rare emotions, which we log ourselves
        for fold, (_, test) in enumerate(splitter.split(emotions, emotions, groups)):
            folds[test] = fold
    return folds


def _fill_empty_folds(folds: Folds, groups: pd.Series[Any], n_folds: int) -> Folds:
    """Move the smallest group of the fold of most groups into each fold that scikit-learn left empty."""
    table = pd.DataFrame({"fold": folds, "group": groups})
    for empty in sorted(set(range(n_folds)) - set(folds.tolist())):
        crowded = table.groupby("fold")["group"].nunique().idxmax()
        moved = table.loc[table["fold"] == crowded, "group"].value_counts(ascending=True).index[0]
        table.loc[table["group"] == moved, "fold"] = empty
    return table["fold"].to_numpy(dtype=np.int64)


def _official(labelled: pd.DataFrame) -> pd.DataFrame:
    published = labelled[labelled["official_split"].notna()].reset_index(drop=True)
    corpus, side = _named(labelled)
    test = (published["official_split"] == "test").to_numpy(dtype=bool)
    if not test.any() or test.all():
        raise AffettoError(
            f"{side}.split.protocol is official, but {corpus} has no published split with training and test "
            "clips: use kfold, leave_one_group_out or holdout."
        )
    straddling = ~test & published["group"].isin(published.loc[test, "group"]).to_numpy(dtype=bool)
    if straddling.any():
        logger.warning(
            "%s: %d training clips share a group with the test part and are left out",
            corpus,
            straddling.sum(),
        )
    kept, test = published[~straddling].reset_index(drop=True), test[~straddling]
    if kept.loc[~test, "emotion"].nunique() < FEWEST_EMOTIONS:
        raise AffettoError(
            f"The official training part of {corpus} has fewer than two emotions: use another "
            f"{side}.split.protocol."
        )
    return _table(kept, np.where(test, 0, ALWAYS_TRAINING))


def _by_corpus(labelled: pd.DataFrame, protocol: str, tested: str) -> pd.DataFrame:
    corpus, side = _named(labelled)
    if len(set(labelled["corpus"])) == 1:
        raise AffettoError(
            f"{side}.split.protocol is {protocol}, but {corpus} is the only corpus with labelled clips: name "
            f"another one in {side}.corpus.training_corpora."
        )
    tested_first = labelled.sort_values("corpus", key=lambda names: names != tested, kind="stable")
    homes = tested_first.drop_duplicates("group").set_index("group")["corpus"]
    at_home = (labelled["corpus"] == labelled["group"].map(homes)).to_numpy(dtype=bool)
    if not at_home.all():
        logger.warning(
            "%d clips share a group with another corpus, of the same people or recordings, and are left out",
            (~at_home).sum(),
        )
    kept = labelled[at_home].reset_index(drop=True)
    folds = kept["corpus"].factorize()[0].astype(np.int64)
    if protocol == "cross_corpus":
        folds = np.where(kept["corpus"] == tested, 0, ALWAYS_TRAINING)
    for fold in np.unique(folds[folds >= 0]):
        if kept.loc[folds != fold, "emotion"].nunique() < FEWEST_EMOTIONS:
            raise AffettoError(
                f"Without the groups that have a recording in {tested} too, fewer than two emotions are left "
                f"to train on: name corpora of other recordings in {side}.corpus.training_corpora."
            )
    return _table(kept, folds)


def _table(labelled: pd.DataFrame, folds: Folds, *, refuse: bool = False, **more: Folds) -> pd.DataFrame:
    """Make the table of folds, and log the emotions that a fold tests without any clip to train on.

    With `refuse`, folds that leave fewer than two emotions to train on are an error: every model would refuse
    them, hours later.
    """
    columns = {name: column.astype(np.int64) for name, column in {"fold": folds, **more}.items()}
    table = pd.DataFrame({"clip_id": labelled["clip_id"].astype("str"), **columns})
    corpus, side = _named(labelled)
    emotions = labelled["emotion"].to_numpy()
    for fold in _tested_folds(table):
        trained = set(emotions[trained_on(table, fold)])
        untrained = sorted(set(emotions[folds == fold]) - trained)
        if untrained:
            logger.warning("%s: fold %d has no training clip of %s", corpus, fold, ", ".join(untrained))
        if refuse and len(trained) < FEWEST_EMOTIONS:
            raise AffettoError(
                f"Fold {fold} of {corpus} leaves only {', '.join(trained) or 'no emotion'} to train on, and "
                f"a model needs two emotions: use another {side}.split.protocol or n_folds, or groups of "
                "several emotions."
            )
    return table


def _tested_folds(table: pd.DataFrame) -> list[int]:
    return sorted(set(table["fold"].tolist()) - {ALWAYS_TRAINING})
