"""Encoders that a user brings: an ONNX file with a description, or a model of the model hub.

The name of an ONNX encoder is the path of its description, a JSON file (`OnnxDescription`). The name of a
model of the hub is `hub:OWNER/MODEL@REVISION`, the revision being a whole commit, so that it never changes;
`hub:FOLDER` is such a model in a folder of this machine. No code of a model is run, and no pickle is read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from affetto.errors import AffettoError, first_line
from affetto.features.encoder import whisper
from affetto.features.encoder.weights import encoders_folder

if TYPE_CHECKING:
    import onnxruntime

Frames = NDArray[np.float32]

HUB_PREFIX = "hub:"
_HUB_NAME = re.compile(r"hub:(?P<repository>[\w.-]+/[\w.-]+)@(?P<revision>[0-9a-f]{40})")
_LONGEST_S = 30.0  # of a recording read at once; attention needs memory by the square of it


@lru_cache(maxsize=4)
def open_external(name: str) -> OnnxEncoder | HubEncoder:
    """Open the encoder that a user names by a path or an address of the hub.

    Raises
    ------
    AffettoError
        When the name is neither, or what it names cannot be read.
    """
    return HubEncoder(name) if name.startswith(HUB_PREFIX) else OnnxEncoder(name)


class OnnxLayer(BaseModel):
    """An output of an ONNX graph, float [1, n_frames, width]; [1, width] is one frame."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    output: str = Field(description="Its name in the graph.")
    width: int = Field(gt=0, description="How many numbers a frame of it has.")


class OnnxDescription(BaseModel):
    """What an ONNX file reads and puts out: the JSON file beside it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(description="The ONNX file, relative to the description.")
    sample_rate_hz: int = Field(gt=0, description="Sample rate of the audio it reads.")
    reads: Literal["samples", "log_mel"] = Field(
        "samples",
        description="samples: [1, n_samples], full scale 1.0; log_mel: Whisper's spectrogram of 80 bands, a "
        "frame every 10 ms, [1, 80, n_frames].",
    )
    input: str = Field(description="Name of the input in the graph.")
    layers: dict[int, OnnxLayer] = Field(min_length=1, description="Number of a layer → what is read of it.")
    hop_s: float = Field(gt=0, description="Seconds from a frame of the output to the next.")
    longest_s: float = Field(_LONGEST_S, gt=0, description="Longer recordings are read in parts of this.")
    trained_on: str = Field("", description="What the weights have heard, for those who read the tables.")


class OnnxEncoder:
    """An ONNX graph that ONNX Runtime runs on one core."""

    def __init__(self, name: str) -> None:
        path = Path(name).expanduser()
        try:
            self._description = OnnxDescription.model_validate_json(path.read_text(encoding="utf-8"))
            self._file = path.parent / self._description.model
            self._file.stat()
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"])) or "its content"
            raise AffettoError(f"{name} does not describe an encoder: {key}: {first['msg']}.") from error
        except (OSError, UnicodeDecodeError) as error:
            raise AffettoError(
                f"There is no encoder {name}: it is none of Affetto's, and no description of an ONNX file "
                f"can be read there ({first_line(error)})."
            ) from error
        self.name = name
        self.sample_rate_hz = self._description.sample_rate_hz
        self.hop_s = self._description.hop_s
        if self._description.reads == "log_mel" and self.sample_rate_hz != whisper.SAMPLE_RATE_HZ:
            raise AffettoError(f"{name}: log_mel is made of audio of {whisper.SAMPLE_RATE_HZ} Hz alone.")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file and its description."""
        return _digest([self._file], self._description.model_dump_json().encode())

    @property
    def widths(self) -> Mapping[int, int]:
        """Widths as the description gives them."""
        return {number: layer.width for number, layer in sorted(self._description.layers.items())}

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        runtime = _import_extra("onnxruntime", "onnx", self.name)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # clips are spread over processes
        try:
            session = runtime.InferenceSession(self._file, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has an own class for each fault, all below Exception
            raise AffettoError(
                f"{self._file.name} is no ONNX file that can be run: {first_line(error)}"
            ) from error
        inputs = [entry.name for entry in session.get_inputs()]
        outputs = [entry.name for entry in session.get_outputs()]
        if inputs != [self._description.input]:
            raise AffettoError(
                f"{self.name}: input is {self._description.input}, but the graph reads {', '.join(inputs)}."
            )
        for layer in self._description.layers.values():
            if layer.output not in outputs:
                raise AffettoError(
                    f"{self.name}: there is no output {layer.output}, the graph has {', '.join(outputs)}."
                )
        return session

    def check(self) -> None:
        """Load the graph and compare it with its description."""
        self._session  # noqa: B018 - loading is what is wanted

    def embed(self, samples: Frames, layers: Sequence[int]) -> Frames:
        """Run the graph on the recording, part by part."""
        read = self._description.layers
        wanted = [read[layer].output for layer in layers]
        found = []
        for part in whisper.split(samples, self._description.longest_s, self.sample_rate_hz):
            given = whisper.log_mel(part).T if self._description.reads == "log_mel" else part
            outputs = self._session.run(
                wanted, {self._description.input: np.asarray(given, dtype=np.float32)[None]}
            )
            for layer, output in zip(layers, outputs, strict=True):
                width, shape = read[layer].width, list(output.shape)
                if len(shape) not in {2, 3} or shape[0] != 1 or shape[-1] != width:
                    raise AffettoError(
                        f"{self.name}: the output {read[layer].output} has the shape {shape}, not "
                        f"[1, n_frames, {width}]."
                    )
            found.append(_join([output.reshape(-1, output.shape[-1]) for output in outputs]))
        return np.concatenate(found)


class HubEncoder:
    """A transformer of the model hub, run by the library `transformers` on PyTorch."""

    def __init__(self, name: str) -> None:
        address = _HUB_NAME.fullmatch(name)
        folder = Path(name.removeprefix(HUB_PREFIX)).expanduser()
        if address is None and not folder.is_dir():
            raise AffettoError(
                f"{name} is no model of the hub: write hub:OWNER/MODEL@REVISION with the 40 digits of a "
                "revision, or hub:FOLDER."
            )
        self.name = name
        self._folder = folder if address is None else None
        self._where: dict[str, Any] = {"pretrained_model_name_or_path": str(folder)}
        if address is not None:
            self._where = {
                "pretrained_model_name_or_path": address["repository"],
                "revision": address["revision"],
                "cache_dir": encoders_folder() / "hub",
            }

    @cached_property
    def digest(self) -> str:
        """The address, which has the revision; of a folder the SHA-256 of its weights."""
        return self.name if self._folder is None else _digest(sorted(self._folder.glob("*.safetensors")))

    def fetch(self) -> None:
        """Bring its files to this machine; after that no network is needed."""
        for part in ("AutoFeatureExtractor", "AutoConfig"):
            self._load(part, local_files_only=False)
        self._load("AutoModel", local_files_only=False, use_safetensors=True)

    def check(self) -> None:
        """Load it from this machine."""
        self._model  # noqa: B018 - loading is what is wanted

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate that its front end reads, Hz."""
        return int(self._front_end.sampling_rate)

    @property
    def hop_s(self) -> float:
        """Seconds from a frame to the next."""
        front_end = self._front_end
        if hasattr(self._config, "inputs_to_logits_ratio"):
            return float(self._config.inputs_to_logits_ratio / front_end.sampling_rate)
        return float(2 * front_end.hop_length / front_end.sampling_rate)  # Whisper halves its frames

    @property
    def widths(self) -> Mapping[int, int]:
        """Every block, and 0 for what goes into the first."""
        n_blocks, width = self._config.num_hidden_layers, int(self._config.hidden_size)
        return dict.fromkeys(range(n_blocks + 1), width)

    def embed(self, samples: Frames, layers: Sequence[int]) -> Frames:
        """Run the encoder on the recording, part by part; frames of a front end's padding are left out."""
        import torch

        found = []
        for part in whisper.split(samples, _LONGEST_S, self.sample_rate_hz):
            given = self._front_end(part, sampling_rate=self.sample_rate_hz, return_tensors="pt")
            with torch.inference_mode():
                states = self._model(**given, output_hidden_states=True).hidden_states
            n_frames = max(1, round(len(part) / self.sample_rate_hz / self.hop_s))
            found.append(_join([states[layer][0, :n_frames].numpy() for layer in layers]))
        return np.concatenate(found)

    # The parameters ask for rate, hop and widths before anything runs: the weights wait until they are used.
    @cached_property
    def _front_end(self) -> Any:
        return self._load("AutoFeatureExtractor")

    @cached_property
    def _config(self) -> Any:
        return self._load("AutoConfig")

    @cached_property
    def _model(self) -> Any:
        _import_extra("torch", "hub", self.name)
        model = self._load("AutoModel", use_safetensors=True)
        return (model.get_encoder() if model.config.is_encoder_decoder else model).eval()

    def _load(self, part: str, *, local_files_only: bool = True, **further: Any) -> Any:
        transformers = _import_extra("transformers", "hub", self.name)
        given = {**self._where, "trust_remote_code": False, "local_files_only": local_files_only, **further}
        try:
            return getattr(transformers, part).from_pretrained(**given)
        except (OSError, ValueError, KeyError) as error:
            raise AffettoError(
                f"The model {self.name} cannot be loaded ({first_line(error)}): run `affetto encoders fetch "
                f"{self.name}`; a model that needs code of its own can be read as an ONNX file."
            ) from error


def _digest(files: Iterable[Path], further: bytes = b"") -> str:
    """Return the SHA-256 of files after one another and further bytes, without reading a file at once."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    digest.update(further)
    return digest.hexdigest()


def _import_extra(module: str, extra: str, name: str) -> ModuleType:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise AffettoError(
            f"The encoder {name} needs {module}, which is not installed: run `pip install affetto[{extra}]`."
        ) from error


def _join(outputs: Sequence[Frames]) -> Frames:
    """Put layers side by side; one that has a frame more than another loses it."""
    n_frames = min(len(output) for output in outputs)
    return np.concatenate([output[:n_frames] for output in outputs], axis=1).astype(np.float32)
