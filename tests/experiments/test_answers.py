import numpy as np

from affetto.experiments import answers
from affetto.experiments.answers import Asked, ask_models, own_clips
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.experiment import FoldModel
from affetto.models.linear import Linear, LinearParameters
from affetto.parallel import ExecutorParameters
from affetto.results import ResultStore

HERE = ExecutorParameters(n_jobs=1, progress=False)


def features(vectors, name="c"):
    ids = [f"{name}/{i}" for i in range(len(vectors))]
    return FeatureSet({"functionals": ClipFeatures.from_arrays("functionals", ids, list(vectors))})


def test_a_model_is_loaded_once_and_says_what_how_surely_and_how_new(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    labels, groups = ["calm", "tense"] * 30, np.repeat(list("abcdef"), 10)
    usual = features(rng.normal(size=(60, 4)) + 3 * np.array([[0], [1]] * 30))
    parameters = LinearParameters(features=("functionals",), voice_types=1, novelty=True)
    model = Linear(parameters).fit(usual, labels, groups)
    model.save(tmp_path / "model")
    kept = FoldModel(2, 1, tmp_path / "model", ("c/1", "c/59", "c/70"))
    far = features(np.full((3, 4), 60.0), "far")
    none = far.select([])
    loads = []
    monkeypatch.setattr(
        answers, "load_estimator", lambda directory: loads.append(directory) or Linear.load(directory)
    )
    asked = [Asked("linear", "held out", kept, own_clips(kept, usual))]
    asked += [Asked("linear", "far", kept, far), Asked("linear", "none", kept, none)]
    where = {"store": ResultStore(tmp_path / "results"), "executor": HERE, "description": "test"}

    found = ask_models(asked, **where)
    again = ask_models(asked, **where)

    assert loads == [tmp_path / "model"]
    assert set(found) == {("linear", "held out"), ("linear", "far")}
    rows = found["linear", "held out"]
    assert rows[["clip_id", "fold", "seed"]].to_numpy().tolist() == [["c/1", 2, 1], ["c/59", 2, 1]]
    expected = model.predict_proba(usual.select(["c/1", "c/59"]))
    assert rows["predicted"].tolist() == [model.classes_[i] for i in expected.argmax(axis=1)]
    np.testing.assert_allclose(rows["probability"], expected.max(axis=1))
    assert (rows["novelty"] < 1).all() and (found["linear", "far"]["novelty"] > 1).all()
    assert again["linear", "far"].equals(found["linear", "far"])
