"""The steps of the scale check, each in a process of its own: scale_steps.py STEP FOLDER CLIPS JOBS."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scale_clips import make_clips

from affetto.corpora.audit import audit_corpora
from affetto.corpora.duplicates import find_copies
from affetto.corpora.index import index_corpora
from affetto.corpora.parameters import AuditParameters, CorpusParameters
from affetto.features.clip_features import FeatureSet
from affetto.features.extract import extract
from affetto.features.store import FeatureStore
from affetto.features.table import MfccParameters
from affetto.io.cache import ResultStore
from affetto.io.workers import ExecutorParameters
from affetto.themes.codebook import Codebook, fit_codebook
from affetto.themes.parameters import CodebookParameters, DescriptorParameters, TopicParameters
from affetto.themes.topics import fit_topics
from affetto.themes.words import AudioWords, count_words, make_documents

PROJECT = Path(__file__).resolve().parents[1]
MFCC = MfccParameters(sample_rate_hz=16_000, n_fft=512, hop=256, n_mels=40)
N_TOPICS = 8
CODEBOOK = CodebookParameters(
    descriptors={
        "timbre": DescriptorParameters(dimensions=("mfcc_",), n_words=256),
        "texture": DescriptorParameters(dimensions=("mfcc_",), n_words=128, texture_frames=43),
    },
    sample_frames=10_000,  # which the smallest size fills
)
AGAIN = "features, again"


class Run:
    """The folder of one size, and what its steps hand on to each other.

    Parameters
    ----------
    folder
        Of this size.
    n_clips
        Size.
    n_jobs
        Worker processes.
    """

    def __init__(self, folder: Path, n_clips: int, n_jobs: int) -> None:
        self.folder, self.n_clips = folder, n_clips
        self.root = folder / "clips"
        self.executor = ExecutorParameters(n_jobs=n_jobs, progress=False)
        self.memo = ResultStore(folder / "memo")
        self.store = FeatureStore(folder / "mfcc")

    def make(self) -> None:
        """Write the clips."""
        make_clips(self.root, self.n_clips)

    def index(self) -> None:
        """List the clips."""
        taxonomy = yaml.safe_load((PROJECT / "conf/base/taxonomy.yml").read_text())["taxonomy"]
        corpus = CorpusParameters(source="folders", root=self.root, group_pattern=r"(g\d+)_")
        clips = index_corpora(corpus, taxonomy, side="music")
        assert len(clips) == self.n_clips
        clips.to_parquet(self.folder / "clips.parquet")

    def audit(self) -> None:
        """Decode and measure every clip."""
        clips = pd.read_parquet(self.folder / "clips.parquet")
        kept, _ = audit_corpora(
            clips, CorpusParameters(root=self.root), AuditParameters(), self.executor, store=self.memo
        )
        assert len(kept) == self.n_clips
        kept.to_parquet(self.folder / "audited.parquet")

    def copies(self) -> None:
        """Find the copies among as many full fingerprints of random words, a tenth of which occur twice."""
        rng = np.random.default_rng(0)
        full = np.zeros((self.n_clips - self.n_clips // 10, 128), [("word", "<u4"), ("frame", "<u2")])
        full["word"] = rng.integers(0, 2**32, full.shape, dtype=np.uint32)
        full["frame"] = rng.integers(0, 1_800, full.shape)
        texts = [base64.b64encode(each.tobytes()).decode() for each in full]
        firsts = find_copies([*texts, *texts[: self.n_clips // 10]])
        assert len(set(firsts)) == len(texts)

    def features(self) -> None:
        """Extract MFCC into a store; what is there already is not computed again."""
        clips = pd.read_parquet(self.folder / "audited.parquet")
        extract(clips, self.root, {"mfcc": MFCC}, self.folder, self.executor)

    def codebook(self) -> None:
        """Learn the audio words."""
        book = fit_codebook(FeatureSet({"mfcc": self.store.features()}), CODEBOOK)
        self.memo.put({"what": "codebook"}, book.state())

    def words(self) -> None:
        """Count the audio words of every clip."""
        book = Codebook.from_state(self.memo.get({"what": "codebook"}) or {})
        counted = count_words(book, FeatureSet({"mfcc": self.store.features()}), self.executor)
        self.memo.put({"what": "words"}, counted.state())

    def topics(self) -> None:
        """Fit one LDA an emotion and infer the mixture of every clip."""
        words = AudioWords.from_state(self.memo.get({"what": "words"}) or {})
        emotions = pd.read_parquet(self.folder / "audited.parquet", columns=["emotion"])["emotion"].tolist()
        parameters = TopicParameters()
        for emotion in sorted(set(emotions)):
            rows = [place for place, each in enumerate(emotions) if each == emotion]
            documents = make_documents(words.take(rows), parameters.document_length)
            model = fit_topics(documents, N_TOPICS, parameters.passes, seed=0)
            assert len(model.mixtures(documents)) == len(documents)


STEPS: dict[str, Callable[[Run], None]] = {
    "make clips": Run.make,
    "index": Run.index,
    "audit": Run.audit,
    "copies": Run.copies,
    "features": Run.features,
    AGAIN: Run.features,
    "codebook": Run.codebook,
    "audio words": Run.words,
    "LDA": Run.topics,
}

if __name__ == "__main__":
    name, place, size, jobs = sys.argv[1:]
    STEPS[name](Run(Path(place), int(size), int(jobs)))
