import json

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models import base, model_directory


class PriorParameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    pseudo_count: float = 1.0


class Prior(base.Estimator):
    """Predicts how often each class occurred."""

    name = "prior"
    Parameters = PriorParameters
    features = ("mfcc",)

    @property
    def n_parameters(self):
        return len(self.counts)

    def _fit(self, x, labels, groups):
        self.counts = np.bincount(labels) + self.parameters.pseudo_count

    def _predict(self, x):
        return np.tile(self.counts, (len(x.clip_ids), 1))

    def _save_state(self, directory):
        (directory / "counts.json").write_text(json.dumps(self.counts.tolist()))

    def _load_state(self, directory):
        self.counts = np.array(json.loads((directory / "counts.json").read_text()))


def features(n_clips=4, **parameters):
    arrays = [np.zeros((3, 2), np.float32)] * n_clips
    clips = ClipFeatures.from_arrays(
        "mfcc", [f"c/{i}" for i in range(n_clips)], arrays, hop_s=0.02, parameters=parameters
    )
    return FeatureSet({"mfcc": clips})


def fitted(**parameters):
    return Prior(PriorParameters()).fit(features(**parameters), ["b", "a", "b", "b"], list("1234"))


def test_classes_are_sorted_and_probabilities_normalised():
    model = fitted()
    assert model.classes_ == ("a", "b")
    np.testing.assert_allclose(model.predict_proba(features(2)), [[1 / 3, 2 / 3]] * 2)
    assert model.attention(features(2)) is None
    assert model.attention_times(features(2)) is None


def test_temperature_scales_the_odds_and_is_saved(tmp_path):
    model = fitted()
    assert model.native() is None
    model.temperature = 0.5
    np.testing.assert_allclose(model.predict_proba(features(1)), [[1 / 5, 4 / 5]])
    model.save(tmp_path / "model")
    np.testing.assert_allclose(Prior.load(tmp_path / "model").predict_proba(features(1)), [[1 / 5, 4 / 5]])


def test_no_clips_give_no_rows():
    assert fitted().predict_proba(features().take(np.array([], dtype=int))).shape == (0, 2)


def test_saved_model_is_read_back_and_replaces_an_older_one(tmp_path):
    model = fitted(hop=512, extras=("chroma",))
    model.save(tmp_path / "deep" / "model")
    model.save(tmp_path / "deep" / "model")
    found = Prior.load(tmp_path / "deep" / "model")
    x = features(2, hop=512, extras=["chroma"])  # a list, as JSON has it
    np.testing.assert_array_equal(found.predict_proba(x), model.predict_proba(x))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["model"]
    assert model_directory.read_signature(tmp_path / "deep" / "model")["versions"]["numpy"] == np.__version__


def test_failed_save_leaves_the_old_model(tmp_path):
    model = fitted()
    model.save(tmp_path / "model")
    model.counts = np.array([object()])
    with pytest.raises(TypeError):
        model.save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert Prior.load(tmp_path / "model").classes_ == ("a", "b")


def test_other_feature_parameters_are_refused():
    with pytest.raises(AffettoError, match="hop 512, not 256"):
        fitted(hop=512).predict_proba(features(hop=256))


def test_absent_feature_is_named():
    other = FeatureSet({"log_mel": features()["mfcc"]})
    with pytest.raises(AffettoError, match="needs the feature 'mfcc'"):
        Prior(PriorParameters()).fit(other, ["a", "b", "a", "b"], list("1234"))


def test_unfitted_model_says_so(tmp_path):
    with pytest.raises(AffettoError, match="not fitted"):
        Prior(PriorParameters()).predict_proba(features())
    with pytest.raises(AffettoError, match="not fitted"):
        Prior(PriorParameters()).save(tmp_path / "model")


def test_one_class_and_unequal_lengths_are_refused():
    with pytest.raises(AffettoError, match="two emotions to learn from, found: a"):
        Prior(PriorParameters()).fit(features(), ["a"] * 4, list("1234"))
    with pytest.raises(AffettoError, match="4 clips, 3 labels and 4 groups"):
        Prior(PriorParameters()).fit(features(), ["a", "b", "b"], list("1234"))


def test_wrong_directories_are_refused(tmp_path):
    with pytest.raises(AffettoError, match="holds no model"):
        Prior.load(tmp_path)
    (tmp_path / model_directory.SIGNATURE_FILE).write_text('{"format": 99}')
    with pytest.raises(AffettoError, match="format 99"):
        Prior.load(tmp_path)
    (tmp_path / model_directory.SIGNATURE_FILE).write_text('{"format": 1, "estimator": "lstm"}')
    with pytest.raises(AffettoError, match="'lstm', not 'prior'"):
        Prior.load(tmp_path)


class Enrolled(Prior):
    """Knows whether it was given clips of the same person."""

    def _predict_enrolled(self, x, enrolment):
        return np.tile([1.0, float(len(enrolment.clip_ids))], (len(x.clip_ids), 1))


def test_enrolment_is_for_models_that_make_use_of_it():
    with pytest.raises(AffettoError, match=r"prior cannot be enrolled: leave recommend\.enrol"):
        fitted().predict_proba(features(2), enrolment=features(1))
    model = Enrolled(PriorParameters()).fit(features(), ["b", "a", "b", "b"], list("1234"))
    np.testing.assert_allclose(model.predict_proba(features(2), enrolment=features(3)), [[0.25, 0.75]] * 2)
    np.testing.assert_allclose(model.predict_proba(features(2)), [[1 / 3, 2 / 3]] * 2)
    with pytest.raises(AffettoError, match="was fitted on mfcc with"):
        model.predict_proba(features(2), enrolment=features(1, n_mfcc=3))
