import subprocess
import sys

import pytest

from affetto.errors import AffettoError
from affetto.models import registry
from affetto.models.base import Estimator


@pytest.mark.parametrize("name", ["attention_lstm", "lstm", "mfcc_svm"])
def test_music_models_are_built_by_name(name):
    model = registry.build_estimator(name, seed=3)
    assert model.name == name
    assert model.seed == 3
    assert model.features == ("mfcc",)


def test_unknown_model_is_named_with_the_known_ones():
    with pytest.raises(AffettoError, match=r"no emotion model 'lstmm'.*attention_lstm"):
        registry.build_estimator("lstmm", {})


def test_unknown_and_bad_parameters_are_named():
    with pytest.raises(AffettoError, match=r"'lstm': unitz.*given: 3"):
        registry.build_estimator("lstm", {"unitz": 3})
    with pytest.raises(AffettoError, match=r"dropout.*less than 1.*given: 1.5"):
        registry.build_estimator("lstm", {"dropout": 1.5})


def test_modules_of_other_models_are_not_imported():
    code = (
        "import sys, affetto.models.registry as r; r.build_estimator('lstm'); "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_which_models_attend_and_which_can_be_enrolled():
    kinds = {name: registry.estimator_class(name) for name in registry.ESTIMATORS}
    assert {name for name, kind in kinds.items() if kind.attends} == {
        "attention_lstm_kernel", "attention_lstm", "crnn_lld", "crnn"
    }  # fmt: skip
    assert {name for name, kind in kinds.items() if kind.can_enrol} == {
        "crnn_lld", "linear", "late_fusion"
    }  # fmt: skip
    for kind in kinds.values():
        assert kind.can_enrol == (kind._predict_enrolled is not Estimator._predict_enrolled)
