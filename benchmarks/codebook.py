"""Codebook, assignment and LDA: time and quality, beside scikit-learn, plain gensim and openXBOW.

    python benchmarks/codebook.py [--openxbow openXBOW.jar]

Prints the median of several repetitions; needs no corpus.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from gensim.models import LdaModel
from sklearn.cluster import KMeans, MiniBatchKMeans

from affetto.themes.codebook import learn_words, nearest_words
from affetto.themes.topics import fit_topics

N_FRAMES, N_DIMENSIONS, N_WORDS = 55_200, 65, 512
N_CLIPS, CLIP_WORDS, N_TOPICS = 10_000, 300, 10


def main() -> None:
    """Run all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--openxbow", type=Path, help="openXBOW.jar; compared when given (needs Java)")
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    frames = clouds(np.random.default_rng(0))
    print(f"codebook: {N_WORDS} words, {N_FRAMES} x {N_DIMENSIONS} frames")
    for name, learn in _learners().items():
        seconds, words = timed(lambda learn=learn: learn(frames), arguments.repetitions)
        print(f"  {name:38s} {seconds:7.2f} s   mean squared distance {distortion(frames, words):.3f}")
    seconds, _ = timed(lambda: nearest_words(frames, words), arguments.repetitions)
    print(f"  {'assignment':38s} {seconds:7.2f} s")
    if arguments.openxbow:
        seconds, _ = timed(lambda: openxbow(arguments.openxbow, frames), 1)
        print(f"  {'openXBOW random++ with assignment':38s} {seconds:7.2f} s")
    compare_lda()


def clouds(rng: np.random.Generator) -> np.ndarray:
    """Frames of 400 overlapping clouds, standardised."""
    centres = rng.normal(size=(400, N_DIMENSIONS))
    frames = centres[rng.integers(0, 400, N_FRAMES)] + rng.normal(0, 0.8, (N_FRAMES, N_DIMENSIONS))
    return ((frames - frames.mean(axis=0)) / frames.std(axis=0)).astype(np.float32)


def _learners() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    return {
        "scikit-learn KMeans(n_init=1)": lambda x: (
            KMeans(N_WORDS, n_init=1, random_state=0).fit(x).cluster_centers_
        ),
        "scikit-learn MiniBatchKMeans": lambda x: (
            MiniBatchKMeans(N_WORDS, n_init=1, batch_size=4096, random_state=0).fit(x).cluster_centers_
        ),
        "affetto": lambda x: learn_words(x, n_words=N_WORDS),
    }


def timed(function: Callable[[], Any], repetitions: int) -> tuple[float, Any]:
    """Return the median time in s and the last result."""
    times, result = [], None
    for _ in range(repetitions):
        started = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - started)
    return statistics.median(times), result


def distortion(frames: np.ndarray, words: np.ndarray) -> float:
    """Mean squared distance of frames to their nearest word."""
    found = nearest_words(frames, words.astype(np.float32))[:, 0]
    return float(((frames - words[found]) ** 2).sum(axis=1).mean())


def openxbow(jar: Path, frames: np.ndarray) -> None:
    """Learn a codebook and count words with openXBOW, 552 clips of 100 frames."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "frames.csv"), Path(folder, "bags.csv")
        with source.open("w") as file:
            for index, frame in enumerate(frames):
                file.write(f"'c{index // 100}';" + ";".join(f"{value:.5f}" for value in frame) + "\n")
        command = ["java", "-Xmx6g", "-jar", str(jar), "-i", str(source), "-o", str(target)]
        subprocess.run([*command, "-size", str(N_WORDS), "-c", "random++"], check=True, capture_output=True)


def compare_lda() -> None:
    """Fit planted topics by affetto and by plain gensim."""
    logging.getLogger("gensim").setLevel(logging.ERROR)
    rng = np.random.default_rng(1)
    topics = rng.dirichlet(np.full(N_WORDS, 0.05), N_TOPICS)
    mixtures = rng.dirichlet(np.full(N_TOPICS, 0.2), N_CLIPS)
    documents = np.array([rng.multinomial(CLIP_WORDS, m @ topics) for m in mixtures]).astype(np.float32)
    print(f"LDA: {N_CLIPS} clips x {CLIP_WORDS} words, {N_WORDS}-word vocabulary, {N_TOPICS} topics")
    seconds, model = timed(lambda: fit_topics(documents, N_TOPICS, 10, seed=0), 1)
    print(f"  {'affetto':38s} {seconds:7.2f} s   {recovered(model.word_probabilities, topics)}")
    bows = [[(int(word), float(row[word])) for word in np.flatnonzero(row)] for row in documents]
    words = dict.fromkeys(range(N_WORDS), "")
    options = {"num_topics": N_TOPICS, "passes": 10, "eval_every": None, "random_state": 0}
    seconds, plain = timed(lambda: LdaModel(bows, id2word=words, **options), 1)
    print(f"  {'gensim LdaModel':38s} {seconds:7.2f} s   {recovered(plain.get_topics(), topics)}")


def recovered(found: np.ndarray, planted: np.ndarray) -> str:
    """How many planted topics have a found one that correlates above 0.9."""
    best = np.corrcoef(planted, found)[: len(planted), len(planted) :].max(axis=1)
    return f"{int((best > 0.9).sum())} of {len(planted)} topics found"


if __name__ == "__main__":
    main()
