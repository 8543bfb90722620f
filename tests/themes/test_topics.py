import logging

import numpy as np
import pandas as pd
import pytest
from gensim.corpora import Dictionary
from gensim.models import CoherenceModel, LdaModel
from scipy.special import gammaln, logsumexp, psi

from affetto.io.workers import ExecutorParameters
from affetto.themes.parameters import TopicParameters
from affetto.themes.selection import (
    EmotionClips,
    bootstrap_stability,
    choose_number,
    held_out_mask,
    npmi_coherence,
    select_topics,
    top_words,
)
from affetto.themes.topics import (
    document_bound,
    fit_topics,
    infer_gamma,
)

SERIAL = ExecutorParameters(n_jobs=1, progress=False)
PASSES = 15
PARAMETERS = TopicParameters(passes=PASSES, candidates=(2, 3, 4, 5))


@pytest.fixture(scope="module")
def corpus():
    """120 documents over 40 words, each mostly of one of three topics of 12 words of their own."""
    rng = np.random.default_rng(2)
    topics = np.full((3, 40), 0.2 / 40)
    for topic in range(3):
        topics[topic, topic * 12 : topic * 12 + 12] += 0.8 / 12
    mixtures = rng.dirichlet([0.15] * 3, 120)
    documents = np.array([rng.multinomial(150, mixture @ topics) for mixture in mixtures], dtype=np.float32)
    return topics, mixtures, documents


@pytest.mark.parametrize("chunk_clips", [2048, 40])
def test_planted_topics_are_recovered(corpus, chunk_clips, monkeypatch):
    monkeypatch.setattr("affetto.themes.topics.CHUNK_CLIPS", chunk_clips)  # in batch, or online
    topics, mixtures, documents = corpus
    model = fit_topics(documents, 3, 20, seed=0)
    similarity = np.corrcoef(model.word_probabilities, topics)[:3, 3:]
    match = similarity.argmax(axis=0)
    assert sorted(match) == [0, 1, 2]
    assert similarity.max(axis=0).min() > 0.95
    assert np.abs(model.mixtures(documents)[:, match] - mixtures).mean() < 0.08


def test_inference_does_not_depend_on_the_company(corpus):
    model = fit_topics(corpus[2], 3, PASSES, seed=0)
    together = model.mixtures(corpus[2])
    alone = np.concatenate([model.mixtures(document[None]) for document in corpus[2][:10]])
    np.testing.assert_allclose(alone, together[:10], atol=1e-6)


def test_a_clip_without_words_gets_the_prior(corpus):
    model = fit_topics(corpus[2], 4, PASSES, seed=0)
    np.testing.assert_allclose(model.mixtures(np.zeros((1, 40), np.float32)), np.full((1, 4), 0.25))
    assert np.isnan(model.bound_per_word(np.zeros((1, 40), np.float32)))


def test_inference_and_bound_agree_with_gensim(corpus, caplog):
    caplog.set_level(logging.ERROR, "gensim")
    documents = corpus[2][:30]
    bows = [[(int(word), float(row[word])) for word in np.flatnonzero(row)] for row in documents]
    lda = LdaModel(
        bows,
        id2word={i: str(i) for i in range(40)},
        num_topics=3,
        passes=5,
        random_state=0,
        iterations=500,
        gamma_threshold=1e-6,
        dtype=np.float64,
    )
    theirs, _ = lda.inference(bows)
    rows, beta = documents.astype(float), lda.expElogbeta
    ours, _, _ = infer_gamma(rows, beta, lda.alpha, iterations=500, tolerance=1e-6)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
    log_beta, expected = np.log(beta), 0.0
    # Blei, Ng & Jordan (2003), equation 15, given the topics.
    for row, gamma in zip(documents, theirs, strict=True):
        log_theta = psi(gamma) - psi(gamma.sum())
        expected += row @ logsumexp(log_theta[:, None] + log_beta, axis=0) + (lda.alpha - gamma) @ log_theta
        expected += gammaln(gamma).sum() - gammaln(gamma.sum())
        expected += gammaln(lda.alpha.sum()) - gammaln(lda.alpha).sum()
    assert document_bound(rows, beta, lda.alpha) == pytest.approx(expected, rel=1e-5)


def test_coherence_leaves_out_words_of_all_clips():
    half = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 1], [1, 1, 0, 0]], dtype=bool)
    assert npmi_coherence([np.array([2, 3])], half) == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(npmi_coherence([np.array([0, 1])], half))
    assert np.isnan(npmi_coherence([np.array([2, 3])], half[:0]))


def test_coherence_is_that_of_gensim(corpus):
    documents = corpus[2]
    texts = [[str(word) for word in np.flatnonzero(row)] for row in documents]
    words = top_words(corpus[0], 5)
    theirs = CoherenceModel(
        topics=[[str(word) for word in topic] for topic in words],
        texts=texts,
        dictionary=Dictionary(texts),
        coherence="c_npmi",
        window_size=40,
        processes=1,
    ).get_coherence()
    assert npmi_coherence(words, documents > 0) == pytest.approx(theirs, abs=1e-6)


def test_selection_finds_the_planted_number(corpus):
    documents = corpus[2]
    clips = EmotionClips("calm", documents, tuple(f"g{i // 2}" for i in range(120)))
    models, table = select_topics([clips], PARAMETERS, SERIAL)
    assert models["calm"].n_topics == 3
    assert table.loc[table["chosen"], "stability_ari"].iloc[0] > 0.9
    sizes = models["calm"].mixtures(documents).sum(axis=0)
    assert (np.diff(sizes) <= 0).all()


def test_small_emotions_are_one_theme_with_a_note(corpus):
    documents = corpus[2]
    clips = [EmotionClips("one", documents[:1], ("a",)), EmotionClips("none", documents[:0], ())]
    models, table = select_topics(clips, PARAMETERS, SERIAL)
    assert [model.n_topics for model in models.values()] == [1, 1]
    assert "too few" in models["one"].note
    assert table["chosen"].all()
    np.testing.assert_allclose(models["one"].mixtures(documents), 1.0)
    np.testing.assert_allclose(models["none"].word_probabilities, 1 / 40)


def test_unstable_topics_are_refused():
    rows = pd.DataFrame({"n_topics": [2, 3, 4], "quality": [0.1, 0.9, 0.9], "stability_ari": [0.7, 0.5, 0.4]})
    rows["bootstrap_ari"] = 0.8
    assert choose_number(rows, 0.6) == 2
    assert choose_number(rows.assign(stability_ari=0.1), 0.6) == 1
    assert choose_number(rows.assign(stability_ari=1.0), 0.6) == 3
    assert choose_number(rows.assign(stability_ari=1.0, bootstrap_ari=[0.9, 0.2, 0.2]), 0.6) == 2


def test_planted_topics_survive_a_bootstrap_and_chance_ones_do_not(corpus):
    planted = EmotionClips("calm", corpus[2], tuple(f"g{i // 2}" for i in range(120)))
    noise = np.random.default_rng(0).multinomial(100, np.full(40, 1 / 40), 120).astype(np.float32)
    chance = planted._replace(documents=noise)
    models = [fit_topics(clips.documents, 3, PASSES, seed=0) for clips in (planted, chance)]
    assert bootstrap_stability(models[0], planted, PASSES, 3) > 0.9
    assert bootstrap_stability(models[1], chance, PASSES, 3) < 0.5
    assert bootstrap_stability(models[1], chance, PASSES, 0) == 1


def test_held_out_groups_are_whole():
    groups = [f"g{i // 4}" for i in range(40)]
    held = held_out_mask(groups)
    assert held.sum() in range(6, 11)
    assert (held.reshape(10, 4) == held.reshape(10, 4)[:, :1]).all()
    assert not held_out_mask(["a"] * 5).any()


def test_topics_are_chosen_on_a_draw_and_fitted_on_all(corpus, monkeypatch):
    documents = corpus[2]
    groups = tuple(f"g{i // 2}" for i in range(120))
    clips = EmotionClips("calm", documents, groups)
    drawn = clips.draw(100)
    assert clips.draw(120) is clips and drawn.documents.shape == (100, 40)
    positions = [int(np.flatnonzero((documents == row).all(axis=1))[0]) for row in drawn.documents]
    assert positions == sorted(set(positions))
    assert drawn.groups == tuple(groups[position] for position in positions)
    monkeypatch.setattr("affetto.themes.selection.SELECTION_CLIPS", 100)
    models, _ = select_topics([clips], PARAMETERS, SERIAL)
    assert models["calm"].topic_words.sum() == pytest.approx(3 * 40 * 0.1 + documents.sum(), rel=1e-3)
