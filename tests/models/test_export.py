"""The exported file computes what the model does, for clips of any length."""

import ast
import json

import numpy as np
import pytest
import soundfile

from affetto.audio.speech import SpeechParameters
from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.recording import extract_recording
from affetto.features.table import LogMelParameters, MidtermParameters, OpenSmileParameters
from affetto.models import graph_steps
from affetto.models.export import OUTPUT, TOLERANCE, convert, export_model, interpreter
from affetto.models.registry import build_estimator
from affetto.models.sequences import nearest_rows

CRNN = {"epochs": 1, "channels": (4, 6), "n_time_strides": 2, "lstm_units": 4, "crop_s": 0.3}
LSTM = {"epochs": 1, "units": 4}
LABELS = ("anger", "joy", "sad")
KINDS = {
    "log_mel": LogMelParameters(),
    "midterm": MidtermParameters(),
    "lld": OpenSmileParameters(level="lld"),
    "functionals": OpenSmileParameters(),
    "correlations": OpenSmileParameters(level="correlations"),
}
VECTORS = ("functionals", "correlations")
HOPS = {"log_mel": 0.016, "lld": 0.01, "mfcc": 512 / 22_050, "midterm": 0.8}


def toy(n=12, *, seed=0):
    """Clips of 1 to 300 frames; LLD with numbers that are not finite, functionals far from zero."""
    rng = np.random.default_rng(seed)
    lengths = [1, 2, 300, *rng.integers(3, 120, n - 3)]
    arrays = {
        "log_mel": [rng.normal(-50, 10, (length, 16)) for length in lengths],
        "lld": [rng.normal(100, 3, (int(1.6 * length) + 1, 5)) for length in lengths],
        "mfcc": [rng.normal(size=(length, 4)) for length in lengths],
        "midterm": [rng.normal(size=(1 + length // 40, 6)) for length in lengths],
        "functionals": [rng.normal(1e4, 0.1, 40) for _ in lengths],
        "correlations": [np.tanh(rng.normal(size=30)) for _ in lengths],
    }
    arrays["lld"][4][3:5, 2] = np.nan, np.inf
    for values in arrays["functionals"]:
        values[7] = 3.0
    ids = [f"toy/{i}" for i in range(n)]
    features = {
        name: ClipFeatures.from_arrays(
            name,
            ids,
            [value.astype(np.float32) for value in values],
            hop_s=HOPS.get(name),
            parameters=KINDS[name].describe() if name in KINDS else {"hop": 512, "sample_rate_hz": 22_050},
        )
        for name, values in arrays.items()
    }
    return FeatureSet(features), [LABELS[i % 3] for i in range(n)], [f"g{i // 2}" for i in range(n)]


def fit(name, parameters):
    return build_estimator(name, parameters, seed=1).fit(*toy())


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("crnn_lld", {"crnn": {**CRNN, "n_members": 2, "lld_windows": {"units": 4}}, "crnn_weight": 0.4}),
        ("crnn_lld", {"crnn": CRNN, "calibration_share": 0.4}),
        ("crnn", {**CRNN, "lld_windows": {"units": 4, "voice_types": 1}}),
        ("linear", {"voice_types": 3}),
        ("crnn", {**CRNN, "mean_removal": "band"}),
        ("linear", {}),
        ("linear", {"features": ["functionals"]}),
        ("attention_lstm", {**LSTM, "n_members": 2, "layers": 2, "skip": True, "pooled_deviation": True}),
        ("attention_lstm", {**LSTM, "midterm": True}),
        ("kernel_logistic", {"features": ["mfcc", "midterm"]}),
        ("attention_lstm_kernel", {"lstm": {**LSTM, "midterm": True}}),
        ("lstm", {**LSTM, "window_s": 0.0, "bidirectional": False, "midterm": True}),
    ],
)
def test_file_gives_the_probabilities_of_the_model(name, parameters):
    model = fit(name, parameters)
    model.temperature = 1.7
    content = convert(model)
    x, _, _ = toy(seed=5)
    expected = model.predict_proba(x)
    runner = interpreter(content).get_signature_runner()
    for i in range(x.n_clips):
        clip = {k: x[k][i] if k in VECTORS else x[k][i][None] for k in runner.get_input_details()}
        found = runner(**clip)[OUTPUT]
        assert found.shape == (1, 3)
        np.testing.assert_allclose(found[0], expected[i], atol=TOLERANCE)
        np.testing.assert_array_equal(runner(**clip)[OUTPUT], found)  # nothing is kept between clips


def test_mid_term_rows_reach_to_the_end_of_a_long_track():
    layout = {"window_s": 1.2, "hop_s": 0.8, "row_hop_s": 0.8}
    windows, rows = np.zeros((1, 4_400, 1), np.float32), np.arange(4_400, dtype=np.float32)[None, :, None]
    joined = graph_steps.rows_beside(windows, rows, **layout).numpy()[0, :, 1]
    np.testing.assert_array_equal(joined, np.minimum(nearest_rows(4_400, **layout), 4_399))


@pytest.fixture(scope="module")
def joined():
    return fit("crnn_lld", {"crnn": {**CRNN, "lld_windows": {"units": 4}}})


def test_model_works_on_after_its_export(joined, tmp_path):
    x, _, _ = toy(seed=3)
    before = joined.predict_proba(x)
    convert(joined)
    np.testing.assert_array_equal(joined.predict_proba(x), before)
    joined.save(tmp_path / "model")


def test_only_operations_that_every_interpreter_has(joined):
    names = {each["op_name"] for each in interpreter(convert(joined))._get_ops_details()}
    assert "WHILE" in names
    assert not {name for name in names if name.startswith("Flex") or "CUSTOM" in name}


def test_description_says_how_to_feed_the_file(joined, tmp_path, capfd):
    exported = export_model(joined, tmp_path / "new" / "voice.tflite")
    assert exported.model.stat().st_size == exported.n_bytes
    assert exported.difference < TOLERANCE
    described = json.loads(exported.description.read_text())
    assert described["file"] == "voice.tflite"
    assert described["classes"] == list(LABELS)
    assert {name: entry["shape"] for name, entry in described["inputs"].items()} == {
        "log_mel": [1, None, 16],
        "lld": [1, None, 5],
        "functionals": [1, 40],
        "correlations": [1, 30],
    }
    assert described["inputs"]["log_mel"]["parameters"] == LogMelParameters().describe()
    assert described["inputs"]["lld"]["hop_s"] == 0.01
    assert sorted(path.name for path in exported.model.parent.iterdir()) == ["voice.json", "voice.tflite"]
    assert capfd.readouterr() == ("", "")


def test_models_without_a_network_are_refused(tmp_path):
    model = build_estimator("functionals_svm").fit(*toy())
    with pytest.raises(AffettoError, match=r"kind 'functionals_svm' has no network .* such as crnn_lld\.$"):
        export_model(model, tmp_path / "a.tflite")
    with pytest.raises(AffettoError, match=r"a\.onnx is no name .* \.tflite\.$"):
        export_model(model, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_a_conversion_that_computes_something_else_is_not_written(joined, tmp_path, monkeypatch):
    monkeypatch.setattr("affetto.models.export.largest_difference", lambda *_: 0.5)
    with pytest.raises(AffettoError, match=r"differs by 0\.5 from crnn_lld, so nothing was written"):
        export_model(joined, tmp_path / "a.tflite")
    assert not list(tmp_path.iterdir())


def test_the_page_runs_the_file(request, tmp_path, monkeypatch, capsys):
    page = (request.config.rootpath / "docs/export.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    rng = np.random.default_rng(0)
    egemaps = {"feature_set": "eGeMAPSv02", "speech": SpeechParameters()}
    kinds = {
        "log_mel": LogMelParameters(speech=SpeechParameters()),
        "functionals": OpenSmileParameters(**egemaps),
        "correlations": OpenSmileParameters(level="correlations", **egemaps),
    }
    ids, sizes = (
        [str(i) for i in range(6)],
        {"log_mel": (30, 64), "functionals": (88,), "correlations": (300,)},
    )
    features = {
        name: ClipFeatures.from_arrays(
            name, ids, [rng.normal(size=sizes[name]) for _ in ids], parameters=kind.describe()
        )
        for name, kind in kinds.items()
    }
    model = build_estimator("crnn_lld", {"crnn": CRNN})
    model.fit(FeatureSet(features), ["anger", "joy"] * 3, ["a", "b"] * 3)
    export_model(model, tmp_path / "voice.tflite")
    soundfile.write(tmp_path / "voice.wav", rng.uniform(-0.1, 0.1, 16_000), 16_000)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/export.md", "exec"), {})
    printed = ast.literal_eval(capsys.readouterr().out)
    assert list(printed) == ["anger", "joy"]
    heard = extract_recording(tmp_path / "voice.wav", "voice", kinds)
    np.testing.assert_allclose(list(printed.values()), model.predict_proba(FeatureSet(heard))[0], atol=1e-3)
