import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.io.configuration import Parameters
from affetto.models import estimator as models
from affetto.models.estimator import Estimator, load_estimator


class PriorParameters(Parameters):
    pseudo_count: float = 1.0


class Prior(Estimator):
    """Predicts how often each class occurred."""

    name = "prior"
    Parameters = PriorParameters
    features = ("mfcc",)

    @property
    def n_parameters(self):
        return len(self.counts)

    def _fit(self, x, labels, groups):
        self.counts = np.bincount(labels) + self.parameters.pseudo_count

    def _predict(self, x, enrolment):
        return np.tile(self.counts, (len(x.clip_ids), 1))

    def _save_state(self, directory):
        (directory / "counts.json").write_text(json.dumps(self.counts.tolist()))

    def _load_state(self, directory):
        self.counts = np.array(json.loads((directory / "counts.json").read_text()))


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setitem(models.ESTIMATORS, "prior", f"{__name__}:Prior")


def features(n_clips=4, **parameters):
    ids, arrays = [f"c/{i}" for i in range(n_clips)], [np.zeros((3, 2))] * n_clips
    return FeatureSet({"mfcc": ClipFeatures.from_arrays("mfcc", ids, arrays, parameters=parameters)})


def fitted(**parameters):
    return Prior(PriorParameters()).fit(features(**parameters), ["b", "a", "b", "b"], list("1234"))


def test_classes_are_sorted_probabilities_normalised_and_a_temperature_scales_their_odds(tmp_path):
    model = fitted()
    assert model.classes_ == ("a", "b")
    np.testing.assert_allclose(model.predict_proba(features(2)), [[1 / 3, 2 / 3]] * 2)
    model.temperature = 0.5
    model.save(tmp_path / "model")
    for each in (model, load_estimator(tmp_path / "model")):
        np.testing.assert_allclose(each.predict_proba(features(1)), [[1 / 5, 4 / 5]])


def test_saved_model_is_read_back_and_replaces_an_older_one(tmp_path):
    model = fitted(hop=512, extras=("chroma",))
    model.save(tmp_path / "deep" / "model")
    model.save(tmp_path / "deep" / "model")
    found = load_estimator(tmp_path / "deep" / "model")
    x = features(2, hop=512, extras=["chroma"])  # a list, as JSON has it
    np.testing.assert_array_equal(found.predict_proba(x), model.predict_proba(x))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["model"]
    assert models.read_signature(tmp_path / "deep" / "model")["versions"]["numpy"] == np.__version__


def test_other_feature_parameters_are_refused():
    with pytest.raises(AffettoError, match="hop 512, not 256"):
        fitted(hop=512).predict_proba(features(hop=256))


def test_what_cannot_be_fitted_or_asked_yet_is_told(tmp_path):
    other, unfitted = FeatureSet({"log_mel": features()["mfcc"]}), Prior(PriorParameters())
    with pytest.raises(AffettoError, match="needs the feature 'mfcc'"):
        unfitted.fit(other, ["a", "b", "a", "b"], list("1234"))
    with pytest.raises(AffettoError, match="two emotions to learn from, found: a"):
        unfitted.fit(features(), ["a"] * 4, list("1234"))
    with pytest.raises(AffettoError, match="not fitted"):
        unfitted.predict_proba(features())
    with pytest.raises(AffettoError, match="not fitted"):
        unfitted.save(tmp_path / "model")


@pytest.mark.parametrize(
    ("signature", "sentence"),
    [
        (None, "holds no model"),
        ('{"format": 99}', "format 99"),
        ('{"format": 1}', "is damaged"),
        ('{"format": 1, "estimator": "x", "parameters": {}, "seed": 0}', "train it again.*no emotion model"),
        ('{"format": 1, "estimator": "prior", "parameters": {"skew": 1}, "seed": 0}', "train it again.*skew"),
    ],
)
def test_what_is_no_model_of_this_version_says_what_to_do(signature, sentence, tmp_path):
    if signature:
        (tmp_path / "signature.json").write_text(signature)
    assert models.holds_model(tmp_path) == bool(signature)
    with pytest.raises(AffettoError, match=sentence):
        load_estimator(tmp_path)


def test_enrolment_is_for_models_that_make_use_of_it(monkeypatch):
    with pytest.raises(AffettoError, match="prior cannot be enrolled"):
        fitted().predict_proba(features(2), enrolment=features(1))
    monkeypatch.setattr(Prior, "can_enrol", True)
    with pytest.raises(AffettoError, match="was fitted on mfcc with"):
        fitted().predict_proba(features(2), enrolment=features(1, n_mfcc=3))


@pytest.mark.parametrize(
    ("name", "parameters", "sentence"),
    [
        ("lstmm", {}, r"no emotion model 'lstmm'.*attention_lstm"),
        ("mfcc_svm", {}, "is called 'statistics_svm' now"),
        ("lstm", {"unitz": 3}, r"'lstm': unitz.*given: 3"),
        ("lstm", {"dropout": 1.5}, r"dropout.*less than 1.*given: 1.5"),
    ],
)
def test_what_cannot_be_built_is_named(name, parameters, sentence):
    with pytest.raises(AffettoError, match=sentence):
        models.build_estimator(name, parameters)


def test_a_library_is_imported_by_those_who_use_it_alone():
    """What answers `affetto hear` with the ready model is there at once."""
    code = (
        "import sys, affetto.models.estimator as r; r.build_estimator('lstm'); r.build_estimator('linear'); "
        "assert not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_calibrated_copy_differs_in_its_temperature_and_its_origin_alone(tmp_path):
    fitted().save(tmp_path / "model")
    models.copy_calibrated(tmp_path / "model", tmp_path / "copy", 2.5, {"corpus": "toy"})
    assert models.read_signature(tmp_path / "copy") == {
        **models.read_signature(tmp_path / "model"),
        "temperature": 2.5,
        "learnt_from": {"corpus": "toy"},
    }
    assert load_estimator(tmp_path / "copy").counts.tolist() == fitted().counts.tolist()
    assert models.model_digest(tmp_path / "copy") != models.model_digest(tmp_path / "model")


def test_writers_at_once_leave_one_whole_model_and_a_file_in_the_way_is_left_alone(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: fitted().save(tmp_path / "model"), range(40)))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert load_estimator(tmp_path / "model").classes_ == ("a", "b")
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(OSError):
        fitted().save(tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "mine"
