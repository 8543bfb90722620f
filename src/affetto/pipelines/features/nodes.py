"""Nodes of the feature extraction: each returns a plan, and saving it to the feature store does the work."""

from __future__ import annotations

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.features.extraction import ExtractionPlan
from affetto.features.parameters import (
    EncoderParameters,
    LogMelParameters,
    MfccParameters,
    MidtermParameters,
    OpenSmileParameters,
)
from affetto.parallel import ExecutorParameters


def plan_mfcc(
    clips: pd.DataFrame,
    corpus: CorpusParameters,
    parameters: MfccParameters,
    executor: ExecutorParameters,
    *,
    name: str,
) -> ExtractionPlan:
    """Plan the MFCC of a clip table."""
    return ExtractionPlan(name, clips, corpus.root, parameters, executor, corpus.other_roots)


def plan_log_mel(
    clips: pd.DataFrame,
    corpus: CorpusParameters,
    parameters: LogMelParameters,
    executor: ExecutorParameters,
    *,
    name: str,
) -> ExtractionPlan:
    """Plan the log-mel spectrograms of a clip table."""
    return ExtractionPlan(name, clips, corpus.root, parameters, executor, corpus.other_roots)


def plan_midterm(
    clips: pd.DataFrame,
    corpus: CorpusParameters,
    parameters: MidtermParameters,
    executor: ExecutorParameters,
    *,
    name: str,
) -> ExtractionPlan:
    """Plan the mid-term features (tempo, modulation, key, chords, notes, lines) of a clip table."""
    return ExtractionPlan(name, clips, corpus.root, parameters, executor, corpus.other_roots)


def plan_opensmile(
    clips: pd.DataFrame,
    corpus: CorpusParameters,
    parameters: OpenSmileParameters,
    executor: ExecutorParameters,
    *,
    name: str,
) -> ExtractionPlan:
    """Plan openSMILE's functionals or descriptors of a clip table."""
    return ExtractionPlan(name, clips, corpus.root, parameters, executor, corpus.other_roots)


def plan_encoder(
    clips: pd.DataFrame,
    corpus: CorpusParameters,
    parameters: EncoderParameters,
    executor: ExecutorParameters,
    *,
    name: str,
) -> ExtractionPlan:
    """Plan the embeddings of a clip table by a pre-trained encoder."""
    return ExtractionPlan(name, clips, corpus.root, parameters, executor, corpus.other_roots)
