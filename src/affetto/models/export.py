"""A fitted model as one TensorFlow Lite (LiteRT) file, with a description beside it.

The file takes the features of a clip and returns the probabilities of its emotions: standardisation, windows,
all members of an ensemble, fusion and calibration are inside. It uses operations that every interpreter has
built in, and takes clips of up to an hour.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affetto.errors import AffettoError
from affetto.models.base import Estimator
from affetto.models.model_directory import installed_versions
from affetto.models.quiet import quiet_stderr
from affetto.models.training import configure_tensorflow
from affetto.whole_files import write_whole

if TYPE_CHECKING:
    from affetto.models.graph import InferenceGraph

SUFFIX = ".tflite"
SIGNATURE = "serving_default"
OUTPUT = "probabilities"
TOLERANCE = 1e-4
_FORMAT = 1
_CHECKED_FRAMES = (1, 40, 333)


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes
    ----------
    model, description
        The files.
    n_bytes
        Size of the model.
    difference
        Largest difference between the probabilities of the file and of the estimator on random clips.
    """

    model: Path
    description: Path
    n_bytes: int
    difference: float


def export_model(estimator: Estimator, path: Path) -> Export:
    """Write a fitted model as `path` and its description as the same name with `.json`.

    Parameters
    ----------
    estimator
        A fitted model with an `inference_graph`.
    path
        A name that ends in `.tflite`; what is there is replaced.

    Raises
    ------
    AffettoError
        When the model has no graph, the name ends otherwise, or the converted model does not compute what the
        estimator does.
    """
    check_path(path)
    content = convert(estimator)
    difference = largest_difference(estimator, content)
    if difference > TOLERANCE:
        raise AffettoError(
            f"The converted model differs by {difference:.2g} from {estimator.name}, so nothing was written: "
            "convert with another version of TensorFlow."
        )
    description = path.with_suffix(".json")
    described = {"file": path.name, **describe_export(estimator), "largest_difference": difference}
    text = json.dumps(described, indent=2, ensure_ascii=False) + "\n"
    write_whole(path, lambda file: file.write(content))
    write_whole(description, lambda file: file.write(text.encode()))
    return Export(path, description, len(content), difference)


def check_path(path: Path) -> None:
    """Refuse a name that does not end in `.tflite`.

    Raises
    ------
    AffettoError
        When it ends otherwise.
    """
    if path.suffix != SUFFIX:
        raise AffettoError(f"{path.name} is no name for a TensorFlow Lite model: let it end in {SUFFIX}.")


def convert(estimator: Estimator) -> bytes:
    """Return the model as the content of a `.tflite` file.

    Raises
    ------
    AffettoError
        When the model has no graph.
    """
    graph = _graph(estimator)
    import tensorflow as tf

    from affetto.models.graph import portable_lstm
    from affetto.models.graph_steps import power_product

    def infer(**features: Any) -> dict[str, Any]:
        found = graph.call(features)
        if estimator.temperature != 1.0:
            found = power_product([found], [1 / estimator.temperature])
        return {OUTPUT: found}

    shapes = {name: tf.TensorSpec([1, *shape], tf.float32, name=name) for name, shape in graph.inputs.items()}
    module = tf.Module()
    # Of a Keras model only the variables: it would bring functions along that cannot be converted.
    module.weights = [variable.value for network in graph.networks for variable in network.variables]
    module.infer = tf.function(infer, autograph=False)
    with tempfile.TemporaryDirectory() as folder, quiet_stderr(), portable_lstm(graph.networks):
        traced = module.infer.get_concrete_function(**shapes)
        tf.saved_model.save(module, folder, signatures={SIGNATURE: traced})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        return bytes(converter.convert())


def interpreter(content: bytes) -> Any:
    """Open a converted model: with LiteRT's own package where it is installed, else with TensorFlow's."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow as tf

        Interpreter = tf.lite.Interpreter
    with warnings.catch_warnings(), quiet_stderr():
        warnings.simplefilter("ignore")  # TensorFlow's own is going to be removed one day
        return Interpreter(model_content=content)


def largest_difference(estimator: Estimator, content: bytes, *, seed: int = 0) -> float:
    """Compare a converted model with its estimator on random clips of several lengths."""
    from affetto.features.clip_features import ClipFeatures, FeatureSet

    shapes, rng = _graph(estimator).inputs, np.random.default_rng(seed)
    with quiet_stderr():
        run = interpreter(content).get_signature_runner(SIGNATURE)
        differences = []
        for n_frames in _CHECKED_FRAMES:
            clip = {
                name: rng.normal(0, 10, [n_frames if size is None else size for size in shape]).astype("f4")
                for name, shape in shapes.items()
            }
            features = {
                name: ClipFeatures.from_arrays(
                    name,
                    ["random"],
                    [values],
                    hop_s=_hop_s(estimator.feature_parameters_[name]),
                    parameters=estimator.feature_parameters_[name],
                )
                for name, values in clip.items()
            }
            found = run(**{name: values[None] for name, values in clip.items()})[OUTPUT]
            differences.append(np.abs(found - estimator.predict_proba(FeatureSet(features))).max())
    return float(np.max(differences))


def describe_export(estimator: Estimator) -> dict[str, Any]:
    """Return what a program needs to know to feed the file: JSON values."""
    inputs = {
        name: {
            "shape": [1, *shape],
            "dtype": "float32",
            "meaning": "clip, frames, dimensions" if len(shape) > 1 else "clip, dimensions",
            "hop_s": _hop_s(estimator.feature_parameters_[name]),
            "parameters": estimator.feature_parameters_[name],
        }
        for name, shape in _graph(estimator).inputs.items()
    }
    return {
        "format": _FORMAT,
        "model": estimator.name,
        "signature": SIGNATURE,
        "inputs": inputs,
        "outputs": {OUTPUT: {"shape": [1, len(estimator.classes_)], "dtype": "float32"}},
        "classes": list(estimator.classes_),
        "preprocessing": [
            "Mix the recording to mono, full scale 1.0, and do not normalise its level.",
            "Compute each input from the same recording with its parameters, as affetto.features does; what "
            "has openSMILE as its extractor wants 16 kHz and samples within -1 and 32767/32768.",
            "Give one clip at a time with its own number of frames (null in a shape), at least one, without "
            "padding.",
            "Standardisation, windows, ensemble, fusion and calibration are inside the file.",
        ],
        "n_parameters": estimator.n_parameters,
        "parameters": estimator.parameters.model_dump(mode="json"),
        "versions": installed_versions(),
    }


def _graph(estimator: Estimator) -> InferenceGraph:
    configure_tensorflow()
    graph = estimator.inference_graph()
    if graph is None:
        raise AffettoError(
            f"A model of kind {estimator.name!r} has no network that could be exported: give the folder of "
            "another one, such as crnn_lld."
        )
    return graph


def _hop_s(described: Mapping[str, Any]) -> float | None:
    """Return the hop of a described feature; None for a vector and for features of other makers."""
    from affetto.features.table import parse_description

    return parse_description(described).frame_s if "extractor" in described else None
